"""A sealed auction as a numerical method sees it: one seat's outcomes for its bid and its rivals'.

Only what `core` tells of a mechanism is used: it is run, so any registered mechanism will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from auctionlab import rng
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, Outcome, Prior
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import NoEquilibrium
from auctionlab.registry import kind_of
from auctionlab.theory.rivals import distinct, private_priors, require_density

_NUMBERS = 2_000_000  # in the messages of auctions that are run at once
_SEATS = 64  # the most bidders: every outcome is run in full
_PROBES = 400  # profiles in which it is tried whether rivals below the highest matter


Function = Callable[[Array], Array]


class Outcomes(NamedTuple):
    """What may happen to the seat in each auction: chances, shares and payments, all (L, B)."""

    chances: Array
    shares: Array
    paid: Array


@dataclass(frozen=True, eq=False)
class Sealed:
    """A mechanism with scalar bids among bidders with independent private values, seen by one seat."""

    mechanism: Mechanism
    environment: Environment
    seat: int

    @property
    def n(self) -> int:
        return self.environment.n

    @cached_property
    def prior(self) -> Prior:
        prior = self.environment.priors[self.seat]
        if prior is None:
            raise NoEquilibrium(f"{kind_of(self.mechanism)}: values are not independent")
        return prior

    @cached_property
    def low(self) -> float:
        """The lowest legal bid, or the lowest value of all seats where there is none."""
        box = self.mechanism.messages(self.environment)
        low = float(np.broadcast_to(np.asarray(box.low, float), (self.n,))[self.seat])
        priors = [prior for prior in self.environment.priors if prior is not None]
        return low if np.isfinite(low) else min(float(prior.quantile(np.array(1e-6))) for prior in priors)

    @cached_property
    def depth(self) -> int | None:
        """Which rival bid, counted from the highest, decides besides the highest what a bid earns; None: more than one.

        1 : the highest alone. Declared by the mechanism, or so in every profile tried.
        """
        if self.n <= 2 or self.mechanism.sufficient_price:
            return 1
        return next((depth for depth in range(1, self.n) if self._nothing_else_matters(depth)), None)

    @property
    def price_is_enough(self) -> bool:
        """True where the highest rival bid alone decides what a bid earns."""
        return self.depth == 1

    def _nothing_else_matters(self, depth: int) -> bool:
        """Whether outcomes stay when rivals between the highest and the depth-th bid as that does, and lower ones not.

        Those who tie with the highest stay as they are.
        """
        if depth == self.n - 1 == 2:
            return self.rivals_alike
        own, rivals = self._probes
        moved = rivals.copy()
        moved[:, 1:depth] = rivals[:, depth - 1 : depth]
        moved[:, depth:] = NO_BID
        return self._same(own, rivals, np.where(rivals < rivals[:, :1], moved, rivals))  # who ties stays

    @cached_property
    def rivals_alike(self) -> bool:
        """Whether it does not matter which rival sends which bid, in every profile tried."""
        own, rivals = self._probes
        return all(self._same(own, rivals, np.roll(rivals[:, ::turn], 1, axis=1)) for turn in (1, -1))

    @cached_property
    def _probes(self) -> tuple[Array, Array]:
        """Own bids and those of the rivals, the highest first."""
        stream = rng.Source(5).stream(self.seat, "evaluate")
        scale = float(np.max([prior.quantile(np.array(0.99)) for prior in self.environment.priors if prior]))
        span = 1.5 * max(scale - self.low, 1e-12)
        bids = self.low + span * stream.random((_PROBES, self.n))
        bids[: _PROBES // 4] = self.low + span / 8 * np.floor(8 * stream.random((_PROBES // 4, self.n)))  # ties
        return bids[:, 0], np.sort(bids[:, 1:], axis=1)[:, ::-1]

    def _same(self, own: Array, rivals: Array, others: Array) -> bool:
        """Whether own bids have the same expected outcomes against both."""
        one, other = (self.outcomes(own, sent) for sent in (rivals, others))
        sums = [[(each.chances * field).sum(axis=0) for field in each[1:]] for each in (one, other)]
        return bool(np.allclose(sums[0], sums[1], 1e-9, 1e-12 * max(float(np.ptp(own)), 1e-12)))

    def outcomes(self, own: Array, rivals: Array) -> Outcomes:
        """Own bids (B,) against rivals' (B, r), in the order of their seats; those that are not given stay out."""
        seats = [j for j in range(self.n) if j != self.seat][: rivals.shape[1]]
        rows, parts = max(1, _NUMBERS // self.n), []
        for start in range(0, len(own), rows):
            block = slice(start, start + rows)
            messages = np.full((len(own[block]), self.n), NO_BID)
            messages[:, self.seat] = own[block]
            messages[:, seats] = rivals[block]
            if self.environment.risk_neutral:
                outcome = self.mechanism.run(messages)
                shares, paid = outcome.allocation[:, self.seat], outcome.payments[:, self.seat]
                parts.append([np.ones((1, len(messages))), shares[None], paid[None]])
            else:
                weights, outcome = self.mechanism.lottery(messages)
                parts.append([weights, outcome.allocation[..., self.seat], outcome.payments[..., self.seat]])
        longest = max(len(part[0]) for part in parts)
        padded = [[np.pad(field, ((0, longest - len(field)), (0, 0))) for field in part] for part in parts]
        return Outcomes(*(np.concatenate(fields, axis=1) for fields in zip(*padded, strict=True)))

    def against(self, own: Array, rivals: Array) -> Outcomes:
        """Every own bid (M,) against every profile of rivals (Q, r): outcomes (L, M, Q)."""
        size = len(rivals)
        found = self.outcomes(np.repeat(own, size), np.tile(rivals, (len(own), 1)))
        return Outcomes(*(field.reshape(-1, len(own), size) for field in found))

    def utility(self, values: Array, shares: Array, paid: Array) -> Array:
        """Utility of types, shares and payments that broadcast to two axes."""
        v, a, t = np.broadcast_arrays(values if self.worth == 1 else self.worth * values, shares, paid)
        return np.asarray(self.environment.utility(Outcome(a, t), v))

    @cached_property
    def worth(self) -> float:
        """The value of a type 1: 1 to bidders and buyers, −1 to a seller, whose type is its cost."""
        return float(self.environment.values(np.ones((1, self.n)))[0, self.seat])

    def payoff(self, values: Array, outcomes: Outcomes) -> Array:
        """Expected utility of values that broadcast against (..., B), from each outcome, averaged over its chances."""
        total: Array | float = 0.0
        for chances, shares, paid in zip(*outcomes, strict=True):
            total = total + chances * self.utility(values, shares, paid)
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class Roles:
    """A sealed auction by roles, whose seats bid alike: one game a role, and from which type on it takes part."""

    mechanism: Mechanism
    environment: Environment
    roles: tuple[int, ...]

    @property
    def n(self) -> int:
        return self.environment.n

    @property
    def rule(self) -> str:
        return kind_of(self.mechanism)

    def alike(self, prior: Prior) -> Roles:
        """The same auction among as many bidders who all have this prior."""
        environment = PrivateValues(bidders=self.n, prior=prior, risk=getattr(self.environment, "risk", None))
        return Roles(self.mechanism, environment, (0,) * self.n)

    @cached_property
    def games(self) -> list[Sealed]:
        """One a role, seen by its first seat."""
        return [Sealed(self.mechanism, self.environment, self.roles.index(role)) for role in sorted(set(self.roles))]

    @property
    def price_is_enough(self) -> bool:
        """True where the highest rival bid alone decides what any seat's bid earns."""
        return all(game.price_is_enough for game in self.games)

    @cached_property
    def counts(self) -> list[int]:
        return [self.roles.count(role) for role in sorted(set(self.roles))]

    @cached_property
    def scale(self) -> float:
        ends = [game.prior.quantile(np.array([0.005, 0.995])) for game in self.games]
        return float(max(end[1] for end in ends) - min(end[0] for end in ends))

    # ---- who takes part ----

    @cached_property
    def stakes(self) -> list[float]:
        """What the lowest legal bid loses when it does not win, in utility, one a role."""
        return [-float(self._bare(game, wins=False)(np.array([0.0]))[0]) for game in self.games]

    @cached_property
    def least(self) -> list[float]:
        """The level of the lowest type that would take part if it were sure to be alone, one a role."""
        found = []
        for game in self.games:
            worth = self._bare(game, wins=True)
            low, high = (float(game.prior.quantile(np.array(p))) for p in (0.0, 1 - 2**-53))
            low = low if np.isfinite(low) else float(game.prior.quantile(np.array(1e-12)))
            if float(worth(np.array([low]))[0]) >= -1e-12 * self.scale:
                found.append(0.0)
            elif float(worth(np.array([high]))[0]) <= 0:
                found.append(1.0)
            else:
                root = brentq(lambda v, worth=worth: float(worth(np.array([v]))[0]), low, high, xtol=1e-14)
                found.append(float(game.prior.cdf(np.array(root))))
        return found

    def _bare(self, game: Sealed, wins: bool) -> Function:
        """Utility of values from the lowest legal bid, alone or outbid."""
        rival = NO_BID if wins else game.low + self.scale
        outcome = game.outcomes(np.array([game.low]), np.array([[rival]]))
        return lambda values: game.payoff(values, outcome)

    @cached_property
    def entry(self) -> list[float]:
        """Levels of the lowest types that take part: exact where one role's bidders are alone, else to begin with."""
        n, found = self.environment.n, []
        for game, stake, least in zip(self.games, self.stakes, self.least, strict=True):
            win, lose = self._bare(game, wins=True), self._bare(game, wins=False)

            def worth(level: float, game: Sealed = game, win: Function = win, lose: Function = lose) -> float:
                value = np.asarray(game.prior.quantile(np.array([min(level, 1 - 2**-53)])))
                alone = level ** (n - 1)
                return float((alone * win(value) + (1 - alone) * lose(value))[0])

            if stake <= 1e-12 * self.scale or least >= 1:
                found.append(least)
            elif worth(1.0) <= 0:
                found.append(1.0)
            else:
                found.append(float(brentq(worth, least, 1.0, xtol=1e-15)) if worth(least) < 0 else least)
        return found


def require_scalar(mechanism: Mechanism, environment: Environment) -> tuple[Prior, ...]:
    """As `require_sealed`, but a buyer and a seller will do too, if what they have without trade is nothing."""
    if not isinstance(environment, BilateralTrade) or any(environment.outside_options):
        return require_sealed(mechanism, environment)
    rule = kind_of(mechanism)
    if mechanism.messages(environment).shape != ():
        raise NoEquilibrium(f"{rule}: messages are not single numbers")
    for seat, prior in enumerate(environment.priors):
        require_density(rule, prior, seat)
    return environment.priors


def require_sealed(mechanism: Mechanism, environment: Environment) -> tuple[Prior, ...]:
    """The priors; NoEquilibrium, saying why, unless bids are single numbers and values private with a density."""
    rule = kind_of(mechanism)
    priors = private_priors(environment, rule)
    if mechanism.messages(environment).shape != ():
        raise NoEquilibrium(f"{rule}: messages are not single numbers, so there is no bid function to solve for")
    if mechanism.clock == "up" and environment.n > 2:
        raise NoEquilibrium(f"{rule}: on a rising clock with more than two bidders exits reveal values")
    if environment.n < 2:
        raise NoEquilibrium(f"{rule}: an equilibrium needs at least 2 bidders, got {environment.n}")
    if environment.n > _SEATS:
        raise NoEquilibrium(f"{rule}: with more than {_SEATS} bidders the numerical method takes too long")
    kinds = distinct(priors)
    for prior in kinds:
        require_density(rule, prior, priors.index(prior), gaps=len(kinds) == 1)
    return priors
