"""The equilibrium of any mechanism in any environment: by formula where one is known, else solved and certified.

Everything that asks what rational bidders would do asks here. Where `Mechanism.equilibrium` knows none, sealed auctions
with scalar bids and independent private values are solved numerically, and what is found is kept only if its
certificate is good; else the refusal says how much could still be gained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.interpolate import PchipInterpolator

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Environment, Mechanism
from auctionlab.errors import NoEquilibrium, NoMethod, NoneExists
from auctionlab.registry import kind_of
from auctionlab.theory.certificate import Certificate, certify, share
from auctionlab.theory.common_bids import CommonBids, Inverse
from auctionlab.theory.contested import Contested, contested
from auctionlab.theory.deep import Deep
from auctionlab.theory.descent import Descent
from auctionlab.theory.favourites import Scored, exchangeable, scored
from auctionlab.theory.following import Following
from auctionlab.theory.indifference import Play
from auctionlab.theory.own_bids import own_bid_decides
from auctionlab.theory.rivals import cached
from auctionlab.theory.sealed import Roles, require_sealed
from auctionlab.theory.smooth import Smooth
from auctionlab.theory.solve import Quantiles, Start, Watch
from auctionlab.theory.symmetric import Bidding

GOOD, EXCELLENT = 0.01, 3e-4  # the most that a certificate may leave to gain, and what ends the search
_METHOD = "solved numerically: types indifferent between neighbouring bids, Gauss-Newton"
_SMOOTH = "solved numerically: types content with their bids, smooth bids by Gauss-Newton"
_DOWN = "solved numerically: differential equations of all bidders, down from the top bid"
_FOLLOWED = "solved numerically: from bidders who are all alike to these, types indifferent between neighbouring bids"
_BEST = "solved numerically: the best bid of each type, by Newton's method"
_SHARES = ((0.75, 1), (0.25, 1), (0.5, 2))  # of values, or of their squares, at which searches begin
_IDLE = 4  # steps that hardly help, after which the last method is given up
_FLAT = 40  # types between two who send the same bid
_LEVELS = np.arange(1, 10) / 10  # of types whose bids tell whether two seats bid alike
_SIZE, _ENDS = 96, 0.1  # cells of common bids, and the share of them close to both ends


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Bid functions, one a seat, and how good they are; no certificate for a formula, or with too many bidders."""

    bids: tuple[BidFunction, ...]
    certificate: Certificate | None

    @property
    def numerical(self) -> bool:
        return any(getattr(bid, "numerical", False) for bid in self.bids)

    def of_role(self, mechanism: Mechanism, environment: Environment, seat: int) -> BidFunction:
        """What a seat bids; NoEquilibrium where another of its role bids otherwise, as strategies are one a role."""
        roles, prior = mechanism.roles(environment), environment.priors[seat]
        for other, role in enumerate(roles):
            if role != roles[seat] or prior is None or self.bids[other] is self.bids[seat]:
                continue
            types = prior.quantile(_LEVELS)
            if not np.array_equal(self.bids[other](types), self.bids[seat](types)):
                told = exchangeable(mechanism, environment)
                raise NoEquilibrium(
                    f"in the equilibrium known, seats {seat} and {other} bid differently "
                    + (
                        "though they are alike, which no one strategy for both can do"
                        if told[seat] == told[other]
                        else f"as {kind_of(mechanism)} favours one: its `roles` has to give them different roles"
                    )
                )
        return self.bids[seat]


def equilibrium(mechanism: Mechanism, environment: Environment) -> Equilibrium:
    """What the mechanism knows, with a certificate where that was solved numerically; else a numerical solution.

    Raises NoEquilibrium, saying why, where neither is to be had.
    """
    found = _remembered(mechanism, environment)
    if isinstance(found, NoEquilibrium):
        raise NoEquilibrium(str(found))
    return found


def bid_functions(mechanism: Mechanism, environment: Environment) -> tuple[BidFunction, ...] | None:
    """The bid functions alone, or None where no equilibrium is known in which seats of one role bid alike."""
    try:
        found = equilibrium(mechanism, environment)
        return tuple(found.of_role(mechanism, environment, seat) for seat in range(environment.n))
    except NoEquilibrium:
        return None


@cached
def _remembered(mechanism: Mechanism, environment: Environment) -> Equilibrium | NoEquilibrium:
    """Refusals are remembered too: they may have taken as long."""
    try:
        bids = tuple(mechanism.equilibrium(environment))
    except (NoneExists, NoMethod) as final:
        return final
    except NoEquilibrium as reason:
        try:
            return solve(mechanism, environment)
        except NoEquilibrium as refusal:
            return refusal if isinstance(refusal, NotGood | NoMethod) else reason
    known = Equilibrium(bids, None)
    if not known.numerical:
        return known
    known = Equilibrium(bids, certified(mechanism, environment, bids))
    if known.certificate is None or known.certificate.bound <= GOOD:
        return known
    return NotGood(f"{kind_of(mechanism)}: the equations of an equilibrium were solved, but {_left(known)}")


class NotGood(NoEquilibrium):
    """The search ended, but some type could still gain too much."""


def _left(found: Equilibrium) -> str:
    return f"a type still gains {share(_bound(found))} by another bid"


def solve(
    mechanism: Mechanism,
    environment: Environment,
    start: Sequence[Start] | None = None,
    roles: Sequence[int] | None = None,
    watch: Watch | None = None,
) -> Equilibrium:
    """A numerical equilibrium with its certificate.

    start : bids to begin with, one function of values a role;   roles : one a seat, default the environment's.
    Raises NoEquilibrium for games of another kind, and where the best that was found is not good.
    """
    require_sealed(mechanism, environment)
    alike = exchangeable(mechanism, environment)
    comparable = scored(mechanism, environment) if len(set(alike)) > 1 else None  # no seat is favoured among equals
    if comparable is not None:
        found = solve(comparable, environment, start, roles, watch)
        meant: dict[int, BidFunction] = {}
        for seat, bid in enumerate(found.bids):
            meant.setdefault(id(bid), _unscored(comparable, seat, bid))
        return replace(found, bids=tuple(meant[id(bid)] for bid in found.bids))
    sides = Roles(mechanism, environment, tuple(alike if roles is None else roles))
    if sides.n > 2 and contested(sides.games[0]):
        raise NotGood(
            f"{sides.rule}: no formula is known here, and where no bid is sure to win, only two bidders are searched "
            f"for an equilibrium, got {sides.n}"
        )
    best: Equilibrium | None = None
    with np.errstate(all="ignore"):
        for method, plays in _candidates(sides, start, watch):
            try:
                bids = (plays,) * sides.n if isinstance(plays, Bidding) else _bids(sides, plays, method)
            except NotGood:  # this candidate ran off to infinity; another may not
                continue
            found = Equilibrium(bids, certify(mechanism, environment, bids, enough=GOOD))
            if best is None or _bound(found) < _bound(best):
                best = found
            if _bound(best) < (GOOD if isinstance(plays, Bidding) else EXCELLENT):
                break
    if best is None or not _bound(best) <= GOOD:
        left = "" if best is None else f": at the best bids tried {_left(best)}"
        raise NotGood(f"{sides.rule}: no formula is known here, and the numerical search found no equilibrium{left}")
    return best


def _unscored(rule: Scored, seat: int, bid: BidFunction) -> BidFunction:
    """The bids that scores stand for."""
    return replace(bid, bids=lambda values: rule.bids(seat, bid.bids(values))) if isinstance(bid, Bidding) else bid


def _bound(found: Equilibrium) -> float:
    return np.inf if found.certificate is None else found.certificate.bound


def _candidates(
    sides: Roles, start: Sequence[Start] | None, watch: Watch | None
) -> Iterator[tuple[str, list[Play] | Bidding]]:
    """From what solves most games to what solves some."""
    search = Quantiles if sides.price_is_enough else Deep
    quantiles = search(sides.mechanism, sides.environment, sides.roles)
    if start is not None:
        yield _METHOD, quantiles.solve(start, watch)
        return
    if sides.n == 2 and contested(sides.games[0]):
        with suppress(NoEquilibrium):
            yield _BEST, Contested(sides.mechanism, sides.environment, sides.roles).solve()
        return
    if len(sides.games) == 1 and not sides.price_is_enough:
        if (smooth := Smooth(sides)).suits:
            with suppress(NoEquilibrium):  # bids grew beyond numbers
                found = smooth.solve([share_of_value(fraction, 1, sides) for fraction in (0.9, 0.5)])
                yield _SMOOTH, smooth.bidding(found, _SMOOTH)
        for fraction, power in _SHARES[: 1 if smooth.suits else None]:
            yield _METHOD, quantiles.solve([share_of_value(fraction, power, sides)], watch)
        return
    if not sides.price_is_enough:
        yield from _followed(sides)
        yield _METHOD, quantiles.solve([_as(play) for play in _alike(sides, Deep)], watch)
        return
    if len(sides.games) == 1:
        yield _METHOD, quantiles.solve([share_of_value(*_SHARES[0], sides)], watch)
    if own_bid_decides(sides):
        with suppress(NoEquilibrium):
            yield _DOWN, Descent(sides).solve()
        if len(sides.games) > 1:  # what bids that follow from equations do not solve is not left to a search
            return
    if len(sides.games) == 1:
        for fraction, power in _SHARES[1:]:
            yield _METHOD, quantiles.solve([share_of_value(fraction, power, sides)], watch)
        return
    common = _common_start(sides)
    if common is not None:
        for bunching in (None, *_singles(sides)):
            conditions = CommonBids(sides, bunching)
            yield _METHOD, _plays(conditions, conditions.solve(common))
        yield from _followed(sides)
    yield _METHOD, replace(quantiles, patience=_IDLE).solve([share_of_value(0.75, 1, sides)] * len(sides.games), watch)


def _singles(sides: Roles) -> list[int]:
    """The roles of a single seat, which may bunch at the lowest bid."""
    return [role for role, count in enumerate(sides.counts) if count == 1]


def _followed(sides: Roles) -> Iterator[tuple[str, list[Play]]]:
    followed = Following(sides)
    with suppress(NoEquilibrium):
        at = followed.follow()
        yield _FOLLOWED, _plays(followed, at)
        for role in _singles(sides) if max(sides.stakes) > 0 else ():
            bunching = replace(followed, bunching=role)
            yield _FOLLOWED, _plays(bunching, bunching.finished(at))


def share_of_value(fraction: float, power: int, sides: Roles) -> Start:
    """A fraction of the value, or of its square relative to the values' range."""
    return lambda values: fraction * values * (np.abs(values) / sides.scale) ** (power - 1)


def _alike(sides: Roles, search: Callable[..., Quantiles]) -> list[Play]:
    """By role, what its bidders do where all are like them."""
    games = [sides.alike(game.prior) for game in sides.games]
    start = [share_of_value(0.75, 1, sides)]
    return [search(game.mechanism, game.environment, game.roles).solve(start)[0] for game in games]


def _as(play: Play) -> Start:
    return lambda values: np.interp(values, play.values, play.bids)


def _common_start(sides: Roles) -> Inverse | None:
    """The mean of the symmetric equilibria of each role's prior; None where their lowest bids differ."""
    found = _alike(sides, partial(Quantiles, size=_SIZE, ends=_ENDS))
    lows = [play.bids[0] for play in found]
    if max(lows) - min(lows) > 1e-6 * sides.scale:
        return None
    steps = np.mean([(play.bids - play.bids[0]) / (play.bids[-1] - play.bids[0]) for play in found], axis=0)
    top = float(np.mean([play.bids[-1] for play in found]))
    return Inverse(steps, np.stack([play.values for play in found]), max(lows), top)


def _plays(conditions: CommonBids, at: Inverse) -> list[Play]:
    """Bids over quantiles from inverse bids; lower types than the first bid the lowest bid, where they take part.

    A role whose highest type bids less than the top bid sends none beyond.
    """
    found = []
    for game, types, first, last in zip(
        conditions.roles.games, at.types, conditions.entrants(at), at.last, strict=True
    ):
        bids = np.minimum(at.bids, at.bids[last])
        types = np.append(first, types)
        found.append(Play(game.prior, np.asarray(game.prior.cdf(types)), types, np.append(bids[0], bids)))
    return found


def _bids(sides: Roles, plays: list[Play], method: str = _METHOD) -> tuple[Bidding, ...]:
    """What each seat does and expects."""
    plays = _drawn(plays)
    found = [_behaviour(sides, role, plays, method) for role in range(len(plays))]
    order = sorted(set(sides.roles))
    return tuple(found[order.index(role)] for role in sides.roles)


def _drawn(plays: list[Play]) -> list[Play]:
    """With more types where many send one bid, as what those expect bends, and as many nodes in all roles."""
    found = []
    for play in plays:
        flat = np.flatnonzero((np.diff(play.bids) == 0) & (np.diff(play.values) > 0))
        ends = play.values[flat], play.values[flat + 1]
        values = np.linspace(*ends, _FLAT + 2, axis=1)[:, 1:-1].ravel()
        at = np.repeat(flat + 1, _FLAT)
        levels, bids = np.asarray(play.prior.cdf(values)), play.bids[at - 1]
        found.append(
            tuple(
                np.insert(old, at, new)
                for old, new in ((play.levels, levels), (play.values, values), (play.bids, bids))
            )
        )
    most = max(2, *(len(levels) for levels, _, _ in found))
    return [
        Play(play.prior, *(np.pad(x, (most - len(x), 0), "edge") for x in nodes))
        for play, nodes in zip(plays, found, strict=True)
    ]


def _behaviour(sides: Roles, role: int, plays: list[Play], method: str) -> Bidding:
    play = plays[role]
    search: type[Contested | Quantiles] = Quantiles if sides.price_is_enough else Deep
    if sides.n == 2 and contested(sides.games[0]):
        search = Contested
    chances, paid, gains = search(sides.mechanism, sides.environment, sides.roles).expected(role, plays)
    threshold = float(play.values[0]) if play.levels[0] > 0 else -np.inf
    if play.levels[0] == play.levels[-1]:  # no type takes part
        threshold = np.inf
    bids, win, pay, gain = (_curve(play.values, heights) for heights in (play.bids, chances, paid, gains))
    return Bidding(method, max(threshold, sides.games[role].prior.low), bids, win, pay, gain, numerical=True)


def _curve(values: Array, heights: Array) -> Callable[[Array], Array]:
    """A monotone interpolant, constant beyond its ends.  Raises NotGood where a height is not a finite number."""
    if not np.isfinite(heights).all():
        raise NotGood("a bid or an expectation is not a finite number")
    kept = np.append(np.diff(values) > 0, True)
    if kept.sum() < 2:
        return lambda v: np.full(np.shape(v), heights[-1])
    shape = PchipInterpolator(values[kept], heights[kept])
    low, high = values[kept][0], values[-1]
    return lambda v: np.asarray(shape(np.clip(v, low, high)))


def certified(mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...]) -> Certificate | None:
    """The certificate, None where there is none to be had."""
    try:
        return certify(mechanism, environment, bids)
    except NoEquilibrium:
        return None
