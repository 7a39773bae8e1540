"""Models of how people bid: noise, limited depth of reasoning, utilities beyond the own payoff. They do not learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy.special import ndtr, ndtri

from auctionlab.agents._game import Rivalry
from auctionlab.agents._priors import Shifted, mean_above
from auctionlab.agents._simplex import softmax
from auctionlab.agents._table import Table
from auctionlab.arrays import NO_BID, Array, invert, running_sums
from auctionlab.core import BidFunction, Environment, Mechanism, Seat, Strategy
from auctionlab.environments.data_priors import Empirical
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.registry import kind_of
from auctionlab.rng import Stream, stream
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.means import mean_value_below
from auctionlab.theory.rivals import cached
from auctionlab.theory.symmetric import Game

_ROUNDS, _RAMP = 300, 30  # of looking for the logit equilibrium; of them until the precision is reached
_SETTLED = 1e-4  # distance of a chance from its response at which it is found
_TABLE = 2001  # values at which a bid function is worked out
_DRAWS, _CELLS = 400_000, 200  # of values, and of signals between which they are averaged


@dataclass
class NoisyTruthful(Strategy):
    """Bids its value plus normal noise.

    A bid that falls below the lowest legal one takes no part. With a dominant truth the noise is the mistake itself.
    Source: Kagel and Levin (1993), Econ. J. 103 (bids scatter around the value in second-price experiments).
    """

    noise: Annotated[float, Field(ge=0, description="standard deviation of the noise, of the top value")] = 0.05

    def start(self, seat: Seat) -> None:
        super().start(seat)
        if seat.environment.signal.shape or seat.mechanism.messages(seat.environment).shape:
            raise ConfigError("noisy-truthful: needs scalar signals and messages")
        self.spread = self.noise * abs(seat.top)

    def act(self, signals: Array, rng: Stream) -> Array:
        return signals + self.spread * ndtri(rng.random(self.seat.lanes) + 2.0**-54)


@dataclass
class _Thinker(Table, ABC):
    """Draws bids by a table of chances that is worked out once, before the first round."""

    def start(self, seat: Seat) -> None:
        super().start(seat)
        where = seat.environment, seat.mechanism, self.bids, self.cells
        self.running = running_sums(self.think(*where)[seat.role].T.copy())  # (K, cells)

    @abstractmethod
    def think(self, environment: Environment, mechanism: Mechanism, bids: int, cells: int) -> dict[int, Array]:
        """By role, chances (cells, K) of the bids of its grid."""

    def choose(self, rng: Stream) -> Array:
        return invert(self.running[:, self.row - self.lanes * self.cells], rng.random(self.seat.lanes))


@dataclass
class QuantalResponse(_Thinker):
    """Draws bids with chances proportional to exp(precision × expected utility), everybody knowing that all do so.

    The logit quantal response equilibrium of the bid grid, followed from even bids up to the precision. Utility counts
    in units of its range, from losing the top bid for nothing to gaining the top value for nothing. Precision 0 bids
    evenly over the grid; towards infinity it is a Nash equilibrium. Low types, who have least to lose, err most.
    Source: McKelvey and Palfrey (1995), Games Econ. Behav. 10; Goeree, Holt and Palfrey (2002), J. Econ. Theory 104.
    """

    precision: Annotated[float, Field(ge=0, description="weight of utility against noise, per range of utility")] = 50.0

    def think(self, environment: Environment, mechanism: Mechanism, bids: int, cells: int) -> dict[int, Array]:
        return _logit_equilibrium(environment, mechanism, bids, cells, self.precision, (self.lowest, self.highest))


@dataclass
class LevelK(_Thinker):
    """Bids the best reply to rivals one level below; level 0 bids evenly over the grid, or its value.

    Ties for the best are broken evenly at random.
    Source: Stahl and Wilson (1995); in auctions Crawford and Iriberri (2007), Econometrica 75.
    """

    level: Annotated[int, Field(ge=0, le=20, description="steps of reasoning; people are mostly at 1 and 2")] = 2
    anchor: Annotated[
        Literal["random", "truthful"], Field(description='what level 0 does: bids at "random", or is "truthful"')
    ] = "random"

    def think(self, environment: Environment, mechanism: Mechanism, bids: int, cells: int) -> dict[int, Array]:
        game = Rivalry(environment, mechanism, bids, cells, (self.lowest, self.highest))
        mixes = {role: game.truthful(role) if self.anchor == "truthful" else game.even(role) for role in game.grids}
        for _ in range(self.level):
            payoffs = {role: game.payoffs(role, mixes) for role in mixes}
            mixes = {role: _highest(paid) for role, paid in payoffs.items()}
        return mixes


@dataclass
class _Biased(Strategy, ABC):
    """Bids by a function of the signal that is worked out once, before the first round."""

    def start(self, seat: Seat) -> None:
        super().start(seat)
        try:
            self.bid = self.function(seat)
        except NoEquilibrium as error:
            raise NoEquilibrium(f"{kind_of(self)}: no bid function is known here: {error}") from error

    @abstractmethod
    def function(self, seat: Seat) -> BidFunction:
        """The bid function of the seat."""

    def act(self, signals: Array, rng: Stream) -> Array:
        return self.bid(signals)


@dataclass
class JoyOfWinning(_Biased):
    """Bids the equilibrium of bidders who all value winning at `joy` more than the item itself.

    In the second-price auction that is the value plus the joy; elsewhere the equilibrium of values shifted by it.
    Source: Cox, Smith and Walker (1988), J. Risk Uncertainty 1; Goeree, Holt and Palfrey (2002), J. Econ. Theory 104.
    """

    joy: Annotated[float, Field(ge=0, description="what winning is worth beside the item, in money")] = 0.1

    def function(self, seat: Seat) -> BidFunction:
        believed = _private(self, seat.environment)
        priors = tuple(Shifted(prior, self.joy) for prior in believed.priors)
        joyful = PrivateValues(priors=priors, risk=believed.risk)
        bids = equilibrium(seat.mechanism, joyful).of_role(seat.mechanism, joyful, seat.index)
        return lambda signals: bids(signals + self.joy)


@dataclass
class RiskAverse(_Biased):
    """Bids the equilibrium of bidders who all have constant relative risk aversion `rho`, plus normal noise.

    The noise is cut off at the lowest legal bid and at the top value. Bidders of different `rho` may meet: in the
    first-price auction with values uniform from 0 each still bids v (n − 1)/(n − rho) in equilibrium, up to the highest
    bid of the risk-neutral.
    Source: Cox, Smith and Walker (1982), Econ. Letters 9; (1988), J. Risk Uncertainty 1.
    """

    rho: Annotated[float, Field(ge=0, lt=1, description="relative risk aversion; 0 is risk-neutral")] = 0.5
    noise: Annotated[float, Field(ge=0, description="standard deviation of the noise, of the top value")] = 0.0

    def function(self, seat: Seat) -> BidFunction:
        believed = replace(_private(self, seat.environment), risk=Crra(rho=self.rho))
        self.low, self.top = seat.low if np.isfinite(seat.low) else 0.0, seat.top
        return equilibrium(seat.mechanism, believed).of_role(seat.mechanism, believed, seat.index)

    def act(self, signals: Array, rng: Stream) -> Array:
        bids = self.bid(signals)
        if self.noise == 0:
            return bids
        spread = self.noise * abs(self.top)
        with np.errstate(invalid="ignore"):  # who stays out bids NO_BID
            below, above = ndtr((self.low - bids) / spread), ndtr((self.top - bids) / spread)
            noisy = bids + spread * ndtri(below + (above - below) * rng.random(self.seat.lanes))
        return np.where(np.isfinite(bids), np.clip(noisy, self.low, self.top), bids)


@dataclass
class Spiteful(_Biased):
    """Bids the equilibrium of bidders who all count `spite` times the surplus of whoever wins instead as their loss.

    First-price: v − ∫ (G/G(v))^(1 + spite) below v, G = F^(n−1), as a win is worth more. Second-price: v + the integral
    above v of (S/S(v))^(1 + 1/spite), S = 1 − F, as a higher bid makes the winner pay more. Else none is known.
    Source: Morgan, Steiglitz and Reis (2003), Contributions to Economic Analysis and Policy 2.
    """

    spite: Annotated[float, Field(ge=0, le=1, description="weight of a rival's surplus against the own")] = 0.3

    def function(self, seat: Seat) -> BidFunction:
        rule: Any = seat.mechanism
        kind = {1: "first-price", 2: "second-price"}.get(getattr(rule, "k", 0), kind_of(rule))
        if kind not in ("first-price", "second-price") or not seat.environment.risk_neutral:
            raise NoEquilibrium("spite is solved for in first- and second-price auctions of risk-neutral bidders")
        game = Game.of(seat.environment, kind, rule.reserve, rule.entry_fee)
        return self.first_price(game) if kind == "first-price" else self.second_price(game)

    def first_price(self, game: Game) -> BidFunction:
        """Losing costs nothing that the own bid could change, so the lowest bidder is the same as without spite."""
        start = max(game.entry(), game.prior.low)
        first = game.reserve if start > game.prior.low else None
        mean = mean_value_below(((game.prior, (game.n - 1) * (1 + self.spite)),), start, first)
        return lambda signals: np.where(signals >= start, np.maximum(mean(signals), game.reserve), NO_BID)

    def second_price(self, game: Game) -> BidFunction:
        """Some bid although they would rather not win at the reserve: they make a single rival above them pay more."""
        shares = np.linspace(0.0, 1 - 1e-9, _TABLE)
        values = np.asarray(game.prior.quantile(shares), float)
        bids = mean_above(game.prior, 1 + 1 / self.spite, values) if self.spite > 0 else values
        alone = shares ** (game.n - 1)
        single = (game.n - 1) * (1 - shares) * shares ** (game.n - 2)
        worth = (values - game.reserve) * alone + self.spite * np.maximum(bids - game.reserve, 0) * single - game.fee
        start = values[np.argmax(np.minimum.accumulate((worth >= 0)[::-1])[::-1])] if worth[-1] >= 0 else np.inf
        return lambda signals: np.where(signals >= start, np.interp(signals, values, bids), NO_BID)


@dataclass
class Cursed(_Biased):
    """Mixes the equilibrium bid with that of someone who thinks that the others' bids say nothing about the value.

    (1 − cursedness) × equilibrium + cursedness × equilibrium with E[value | own signal] as a private value: the cursed
    equilibrium of the first-price, second-price and all-pay auctions with independent signals, whose bids are linear in
    what winning is worth. A fully cursed winner suffers the winner's curse; with private values nothing changes.
    Source: Eyster and Rabin (2005), Econometrica 73, section 4.
    """

    cursedness: Annotated[
        float, Field(ge=0, le=1, description="0 understands that winning is bad news, 1 not at all")
    ] = 0.5

    def function(self, seat: Seat) -> BidFunction:
        rational = equilibrium(seat.mechanism, seat.environment).of_role(seat.mechanism, seat.environment, seat.index)
        if isinstance(seat.environment, PrivateValues) or self.cursedness == 0:
            return rational
        knots, worth = zip(*(self.expected(seat.environment, i) for i in range(seat.environment.n)), strict=True)
        private = PrivateValues(priors=tuple(Empirical(data=tuple(each.tolist())) for each in worth))
        naive = equilibrium(seat.mechanism, private).of_role(seat.mechanism, private, seat.index)
        at, means = knots[seat.index], worth[seat.index]

        def bids(signals: Array) -> Array:
            own = naive(np.interp(signals, at, means))
            return (1 - self.cursedness) * rational(signals) + self.cursedness * own

        return bids

    def expected(self, environment: Any, seat: int) -> tuple[Array, Array]:
        """E[value | signal] of a seat: signals at equally likely places and the means between, both rising."""
        if environment.signal.shape != ():
            raise ConfigError("cursed: needs scalar signals")
        draw = environment.sample(stream(21, "evaluate"), _DRAWS)
        order = np.argsort(draw.signals[:, seat], kind="stable")
        parts = (array[order, seat].reshape(_CELLS, -1).mean(axis=1) for array in draw)
        signals, means = (np.asarray(part, float) for part in parts)
        return signals, np.maximum.accumulate(means)


def _private(strategy: Strategy, environment: Any) -> PrivateValues:
    if not isinstance(environment, PrivateValues):
        raise ConfigError(f"{kind_of(strategy)}: needs independent private values")
    return environment


@cached
def _logit_equilibrium(
    environment: Environment,
    mechanism: Mechanism,
    bids: int,
    cells: int,
    precision: float,
    ends: tuple[float | None, float | None] = (None, None),
) -> dict[int, Array]:
    """Mixed bids (cells, K) by role that are logit responses to each other, followed up from no precision at all.

    Steps towards the response are half the way, and shrink where play goes round instead of settling.
    """
    game = Rivalry(environment, mechanism, bids, cells, ends)
    mixes = {role: np.full((cells, len(grid)), 1 / len(grid)) for role, grid in game.grids.items()}
    share = 0.5
    last = np.inf
    for round in range(_ROUNDS):
        weight = precision * min(1.0, (round + 1) / _RAMP)
        responses = {role: _logit(weight / game.units[role] * game.payoffs(role, mixes)) for role in mixes}
        moved = max(float(np.abs(responses[role] - mixes[role]).max()) for role in mixes)
        if round > _RAMP:
            if moved < _SETTLED:
                break
            share = share if moved < last else max(share * 0.9, 0.01)
        last = moved
        mixes = {role: mixes[role] + share * (responses[role] - mixes[role]) for role in mixes}
    return mixes


def _logit(scores: Array) -> Array:
    return softmax(scores.T.copy()).T


def _highest(payoffs: Array) -> Array:
    """Even chances among the best bids of every row, up to rounding."""
    return (payoffs >= payoffs.max(axis=1, keepdims=True) - 1e-12) * 1.0
