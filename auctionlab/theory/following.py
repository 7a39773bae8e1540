"""Equilibria among different bidders, followed from where all are alike; also where lower rival bids matter.

The conditions are those of `common_bids`, and there are many ways to miss them by little. So the search begins where
all have the same prior, whose quantiles are the means of those of all, and follows the equilibrium while the priors
become those of the game. Where lower bids matter, what a role faces are its rivals' bids in cells between the common
bids: every profile of cells, or where one lower bid decides besides the highest and rivals are many, the cells of these
two, as in `lower_bids`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Prior
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.common_bids import CommonBids, Inverse, Part
from auctionlab.theory.deep import Deep
from auctionlab.theory.lower_bids import pair_chances
from auctionlab.theory.rivals import distinct, private_priors
from auctionlab.theory.sealed import Roles
from auctionlab.theory.smooth import Smooth
from auctionlab.theory.solve import Quantiles

_SIZE, _BIDS = 40, 81  # cells of bids to begin with, and bids in the end
_ROUGH, _FINE = 300_000, 4_000_000  # the most profiles of all bidders' bids on the way, and in the end
_CUT = 1e-12  # the probability cut off both ends of average priors
_ENDS = np.geomspace(_CUT, 0.02, 80)
_LEVELS = np.concatenate([_ENDS, np.linspace(0.02, 0.98, 401)[1:-1], 1 - _ENDS[::-1]])
_STRIDE, _STEP = 0.3, 0.02  # of the way to different priors: the first step, and the least
_MISSED = 1e-5
_AGAIN = 2  # searches in the end, as each tells better where bids should be close
_NEAR = 1e-4  # how close to both ends common bids lie, relative to their range


class LowerPart(Part):
    """What one role faces: profiles of all rivals' bids, in the order of their seats."""

    def rivals(self) -> Array:
        order, bids = sorted(set(self.roles.roles)), self.at.bids
        self.seats = [order.index(role) for seat, role in enumerate(self.roles.roles) if seat != self.game.seat]
        levels, depth = self.chances[self.seats], self.game.depth or 1
        middle = np.append(NO_BID, (bids[1:] + bids[:-1]) / 2)  # of each cell; the first: no part, or bunching
        if self._every:
            self.cells, kept, self.which = _profiles(len(middle), len(levels), self.game.rivals_alike)
            masses = np.maximum(np.diff(levels, axis=1, prepend=0.0), 0.0)
            each = np.prod([mass[cell] for mass, cell in zip(masses, self.cells, strict=True)], axis=0)
            self.masses = np.bincount(self.which, each)
            return middle[self.cells[:, kept].T]
        self.pairs = np.tril_indices(len(middle))  # cells of the highest, and of the depth-th highest rival bid
        total = pair_chances(levels, depth)
        self.masses = np.maximum(np.diff(np.diff(total, axis=0, prepend=0.0), axis=1, prepend=0.0), 0.0)[self.pairs]
        messages = np.full((len(self.masses), len(levels)), NO_BID)
        messages[:, 0], messages[:, 1:depth] = middle[self.pairs[0]], middle[self.pairs[1], None]
        return messages

    def slopes(self, numbers: Array) -> Array:
        return self._cells(numbers) if self._every else self._pairs(numbers, self.game.depth or 1)

    @property
    def _every(self) -> bool:
        """Whether every profile of cells is looked at, not only the highest and one lower bid."""
        return self.game.depth is None or len(self.seats) == 2

    def _cells(self, numbers: Array) -> Array:
        """Masses are products of the chance of each rival to be in its cell."""
        count, size = self.at.types.shape
        found, numbers = np.zeros((len(numbers), count, size)), numbers[:, self.which]
        masses = np.maximum(np.diff(self.chances[self.seats], axis=1, prepend=0.0), 0.0)
        shares = [mass[cell] for mass, cell in zip(masses, self.cells, strict=True)]
        for rival, role in enumerate(self.seats):
            rest = np.prod([share for other, share in enumerate(shares) if other != rival], axis=0)
            kept = tuple(axis for axis in range(1, len(shares) + 1) if axis != rival + 1)
            sums = (numbers * rest).reshape(len(numbers), *(size,) * len(shares)).sum(axis=kept)
            found[:, role] -= np.diff(sums, axis=1, append=0.0)
        return found

    def _pairs(self, numbers: Array, depth: int) -> Array:
        """Masses are second differences of `pair_chances`, which are linear in the chance of each rival."""
        count, size = self.at.types.shape
        square = np.zeros((len(numbers), size + 1, size + 1))
        square[:, self.pairs[0], self.pairs[1]] = numbers
        weights = np.diff(np.diff(square, axis=1), axis=2)  # of each of the chances
        found = np.zeros((len(numbers), count, size))
        levels, below = self.chances[self.seats], np.tri(size, k=-1, dtype=bool)
        for role in range(count):
            if self.others[role]:
                rest = np.delete(levels, self.seats.index(role), axis=0)
                fewer = pair_chances(rest, depth - 1)
                most = np.prod(rest, axis=0)
                highest = np.where(below, fewer, most[:, None])
                lower = np.where(below, pair_chances(rest, depth) - fewer, 0.0)
                found[:, role] = self.others[role] * (
                    np.einsum("mhl,hl->mh", weights, highest) + np.einsum("mhl,hl->ml", weights, lower)
                )
        return found


@lru_cache(maxsize=8)
def _profiles(size: int, rivals: int, alike: bool) -> tuple[Array, Array, Array]:
    """All profiles of cells (J, N), those to be run (Q,), and which of these stands for each, (N,).

    alike : so that one is enough of those in which the same bids are sent by other rivals.
    """
    cells = np.indices((size,) * rivals).reshape(rivals, -1)
    kind = np.ravel_multi_index(tuple(np.sort(cells, axis=0)), (size,) * rivals) if alike else np.arange(size**rivals)
    _, kept, which = np.unique(kind, return_index=True, return_inverse=True)
    return cells, kept, which


@dataclass(frozen=True)
class Between(Prior):
    """Quantiles that are weighted means of those of some priors."""

    parts: tuple[Prior, ...]
    weights: tuple[float, ...]

    @cached_property
    def _inverse(self) -> PchipInterpolator:
        return PchipInterpolator(self.quantile(_LEVELS), _LEVELS)

    @property
    def low(self) -> float:
        return float(self.quantile(np.array(0.0)))

    @property
    def high(self) -> float:
        return float(self.quantile(np.array(1.0)))

    @property
    def expectation(self) -> float:
        return sum(weight * part.expectation for part, weight in zip(self.parts, self.weights, strict=True))

    def quantile(self, probabilities: Array) -> Array:
        levels = np.clip(probabilities, _CUT, 1 - _CUT)
        found = [weight * part.quantile(levels) for part, weight in zip(self.parts, self.weights, strict=True)]
        return np.asarray(np.sum(found, axis=0))

    def cdf(self, values: Array) -> Array:
        return np.asarray(self._inverse(np.clip(values, self.low, self.high)))

    def sf(self, values: Array) -> Array:
        return 1 - self.cdf(values)

    def pdf(self, values: Array) -> Array:
        return np.asarray(self._inverse(np.clip(values, self.low, self.high), 1))


@dataclass(frozen=True, eq=False)
class Following(CommonBids):
    """The conditions of all roles, and the way to them from equal priors."""

    much: float = 0.0
    stops: bool = True

    def part(self, role: int, *what: Any) -> Part:
        made = Part if self.roles.games[role].price_is_enough else LowerPart
        return made(self.roles, role, *what)

    def follow(self) -> Inverse:
        """The equilibrium of bidders who are all like the average one, while they become those of the game.

        Raises NoEquilibrium where it gets lost, and where lowest values differ, which would leave the lowest bid open.
        """
        lows = [max(game.prior.low, game.low) for game in self.roles.games]
        if max(lows) - min(lows) > 1e-9 * self.roles.scale:
            raise NoEquilibrium(
                f"{self.roles.rule}: where no formula is known, lowest values may not differ, as the lowest bid is not "
                "known then"
            )
        at, levels, reached, step = *self._equals(), 0.0, _STRIDE
        while reached < 1:
            ahead = min(1.0, reached + step)
            here = self if ahead == 1 else replace(self, roles=self._mixed(ahead))
            found = here.solve(replace(at, types=here._types(levels)))
            if here._missed(found) < _MISSED:
                at, reached, step = _meshed(found, at.types.shape[1]), ahead, 1.5 * step
                levels = np.stack([g.prior.cdf(types) for g, types in zip(here.roles.games, at.types, strict=True)])
            elif step < _STEP:
                raise NoEquilibrium(f"{self.roles.rule}: bidders like the average one could not be made more different")
            else:
                step /= 3
        return self.finished(at)

    def finished(self, at: Inverse) -> Inverse:
        """With more bids, at better places."""
        for _ in range(_AGAIN):
            at = self.solve(_meshed(at, min(_BIDS, self._most(_FINE))))
        return at

    def _most(self, profiles: int) -> int:
        """The most common bids, with so many profiles of all bidders' bids."""
        if self.roles.price_is_enough:
            return int(profiles**0.5)
        paired = self.roles.n > 3 and all(game.depth is not None for game in self.roles.games)
        return int(profiles ** (1 / (3 if paired else self.roles.n)))

    def _equals(self) -> tuple[Inverse, Array]:
        """Bids where all are like the average bidder, and the levels (R, M + 1) of the types that send them."""
        alike = self.roles.alike(self._mixed(0.0).games[0].prior)
        method = Quantiles if self.roles.price_is_enough else Deep
        search = method(alike.mechanism, alike.environment, alike.roles, min(_SIZE, self._most(_ROUGH) - 1))
        smooth, starts = Smooth(alike), [lambda values: 0.9 * values, lambda values: 0.5 * values]
        if method is Deep and smooth.suits:
            play = search.play(0, search.entry[0], smooth.bidding(smooth.solve(starts), "").bids)
        else:
            play = search.solve(starts[:1])[0]
        first, top, count = float(play.bids[0]), float(play.bids[-1]), len(self.roles.games)
        low = self.roles.games[0].low if max(self.roles.stakes) > 0 else first  # who may lose, and wins only alone
        at = Inverse((play.bids - first) / (top - first), np.tile(play.values, (count, 1)), low, top)
        return at, np.tile(play.levels, (count, 1))

    def _mixed(self, share: float) -> Roles:
        """The game with this share of each bidder's own prior, the rest being the average one."""
        seats = private_priors(self.roles.environment, self.roles.rule)
        n, kinds = len(seats), distinct(seats)
        made = []
        for kind in kinds:
            weights = [(1 - share) * seats.count(other) / n + share * (other == kind) for other in kinds]
            made.append(Between(tuple(kinds), tuple(weights)))
        priors = tuple(made[kinds.index(prior)] for prior in seats)
        risk = getattr(self.roles.environment, "risk", None)
        return Roles(self.roles.mechanism, PrivateValues(priors=priors, risk=risk), self.roles.roles)

    def _types(self, levels: Array) -> Array:
        found = [
            game.prior.quantile(np.clip(p, _CUT, 1 - _CUT)) for game, p in zip(self.roles.games, levels, strict=True)
        ]
        return np.stack(found)

    def _missed(self, at: Inverse) -> float:
        """The most by which a condition is missed, in money relative to the values' range."""
        return max(float(np.abs(self.either(part, self.roles.scale)[0]).max()) for part in self._parts(at))


def _meshed(at: Inverse, size: int) -> Inverse:
    """So many bids, up to the one from which on all are at their highest types, close where types change quickly."""
    last = int(at.last.max())
    types, steps = np.append(at.types[:, :last], at.types[:, -1:], axis=1), at.steps[: last + 1] / at.steps[last]
    rises = (types - types[:, :1]) / np.maximum(types[:, -1:] - types[:, :1], 1e-300)
    near = np.log((steps + _NEAR) / (1 - steps + _NEAR))
    near = (near - near[0]) / (near[-1] - near[0])
    spread = 0.2 * near + 0.4 * steps + 0.4 * rises.mean(axis=0)
    finer = np.interp(np.linspace(0, 1, size), spread, steps)
    moved = np.stack([np.interp(finer, steps, row) for row in types])
    return replace(at, steps=finer, types=moved, top=float(at.bids[last]))
