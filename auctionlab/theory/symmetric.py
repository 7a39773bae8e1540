"""A bidder's equilibrium behaviour, and the symmetric auctions in which it is looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Prior
from auctionlab.theory import rivals
from auctionlab.theory.means import mean_value_below
from auctionlab.theory.rivals import Rivals

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Bidding:
    """The equilibrium bid function of one seat, and what its types expect: payment, chance to win, utility.

    Called with signals of any shape it returns messages, -inf (no part) below `threshold`.
    """

    method: str
    threshold: float  # the lowest type that takes part; inf where none does
    bids: Function  # the four below are for types that take part
    chances: Function
    paid: Function
    gains: Function | None = None  # expected utility; None where no formula is known
    numerical: bool = False  # True where equations were solved that have no formula: to be certified
    bends: tuple[float, ...] = ()  # values where the chance to win is not smooth, besides ends and breaks of priors
    unbounded: bool = False  # whether bids grow beyond all bounds towards the highest value
    family: Callable[[int], tuple[Bidding, ...]] | None = None  # all seats' bids in others of a continuum of equilibria

    def __call__(self, signals: Array) -> Array:
        return self._above(self.bids, signals, NO_BID)

    def win(self, values: Array) -> Array:
        """Interim probability of winning."""
        return self._above(self.chances, values)

    def payment(self, values: Array) -> Array:
        """Interim expected payment in money, the entry fee included."""
        return self._above(self.paid, values)

    def utility(self, values: Array) -> Array | None:
        """Interim expected utility; None where no formula is known."""
        if self.gains is None:
            return None
        return self._above(self.gains, values)

    def _above(self, function: Function, values: Array, below: float = 0.0) -> Array:
        v = np.asarray(values, dtype=float)
        if not np.isfinite(self.threshold):
            return np.full(v.shape, below)
        return np.where(v >= self.threshold, function(np.maximum(v, self.threshold)), below)


@dataclass(frozen=True, eq=False)
class Game:
    """A symmetric auction: one prior, n bidders, a reserve, a fee, and a risk attitude (None: risk-neutral)."""

    rule: str
    prior: Prior
    n: int
    reserve: float
    fee: float
    risk: Any

    @classmethod
    def of(cls, environment: Environment, rule: str, reserve: float, fee: float) -> Game:
        prior = rivals.one_prior(environment, rule)
        return cls(rule, prior, environment.n, reserve, fee, rivals.risk_of(environment, rule))

    @property
    def rivals(self) -> Rivals:
        return ((self.prior, self.n - 1.0),)

    def chance(self, values: Array) -> Array:
        return rivals.chance(self.rivals, values)

    def utility(self, money: Array) -> Array:
        return money if self.risk is None else np.asarray(self.risk.u(np.asarray(money, dtype=float)))

    def entry(self, lost: float = 0.0) -> float:
        """The type to whom it is worth zero to bid the reserve and win only if alone; losers pay the fee and `lost`."""

        def worth(value: float, alone: float) -> float:
            win = self.utility(np.array(value - self.reserve - self.fee))
            lose = self.utility(np.array(-self.fee - lost))
            return float(alone * win + (1 - alone) * lose)

        lowest = max(self.prior.low, 0.0 if lost else self.reserve)
        return rivals.entry(self.rivals, lowest, worth, stake=self.fee + lost > 0)

    def mean(self, start: float, first: float | None = None) -> Function:
        """The mean of max(start, rival values) below v, prepared when first asked for."""
        return lambda v: mean_value_below(self.rivals, start, first)(v)

    def envelope(self, start: float) -> Function:
        """m(v) = v G(v) − ∫_t^v G, what the risk-neutral pay."""
        mean = self.mean(start)
        return lambda v: self.chance(v) * mean(v)

    def seats(
        self, method: str, start: float, bids: Function, paid: Function, gains: Function | None = None
    ) -> tuple[Bidding, ...]:
        """The same behaviour in every seat; without `gains`, that of the risk-neutral."""

        def surplus(v: Array) -> Array:
            return np.asarray(v * self.chance(v) - paid(v))

        return (Bidding(method, start, bids, self.chance, paid, gains or surplus),) * self.n
