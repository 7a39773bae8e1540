"""Which of finitely many outcomes maximises reported welfare, and what it leaves to the others.

Inside, arrays have the auctions last: worth (K, n, B), welfare and shares (K, B). Array-API functions only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from auctionlab.arrays import NO_BID, Array, enumerate_highest, namespace, share_highest
from auctionlab.core import Environment
from auctionlab.errors import ConfigError


@dataclass(frozen=True)
class Reports:
    """Messages read as types: what each outcome is worth to each seat, and its welfare.

    worth : (K, n, B), 0 where the seat takes no part;  welfare : (K, B), less the designer's cost, -inf where an absent
    seat rules the outcome out;  complete : everybody takes part.
    """

    worth: Array
    welfare: Array
    complete: bool

    def others(self, seat: int) -> Array:
        """Welfare of all but one seat, (K, B)."""
        return self.welfare - self.worth[:, seat, :]

    @property
    def scores(self) -> Array:
        """Welfare with outcomes that differ by rounding made equal, (K, B)."""
        xp = namespace(self.worth)
        best = xp.max(self.welfare, axis=0)
        slack = float(xp.finfo(self.worth.dtype).eps) * (self._size() + xp.abs(best))
        return xp.where(self.welfare >= best - slack, best, self.welfare)

    def _size(self) -> Array:
        """The largest sum of absolute values, (B,): what rounding is relative to."""
        xp = namespace(self.worth)
        return xp.max(_sum(xp.abs(self.worth), axis=1), axis=0)

    def mean(self, shares: Array, numbers: Array) -> Array:
        """The mean (B,) of numbers (K, B) by shares (K, B); impossible outcomes have no share."""
        xp = namespace(shares)
        numbers = numbers if self.complete else xp.where(shares > 0, numbers, xp.zeros_like(numbers))
        return xp.sum(shares * numbers, axis=0)


@dataclass(frozen=True)
class Choice:
    """The efficient choice among the outcomes of an environment; with ties all equally good ones share."""

    environment: Environment

    @cached_property
    def outcomes(self) -> Array:
        """(K, n, *A)."""
        return np.asarray(self.environment.outcomes(), float)

    @cached_property
    def costs(self) -> Array:
        """The designer's cost of each outcome, (K,)."""
        return np.asarray(self.environment.cost(self.outcomes), float)

    @cached_property
    def _possible(self) -> Array:
        return np.asarray(self.environment.without())

    def worth(self, signals: Array) -> Array:
        """What each outcome is worth to each seat at these types, (K, n, B), for signals (B, n, *S)."""
        xp = namespace(signals)
        values = self.environment.values(signals)
        outcomes = xp.asarray(self.outcomes, dtype=signals.dtype)
        if type(self.environment).value is Environment.value and values.ndim == 2:
            return outcomes[:, :, None] * values.T[None, :, :]  # (K, n, B)
        shape = (signals.shape[0], *outcomes.shape[1:])
        rows = [self.environment.value(xp.broadcast_to(outcomes[k, ...], shape), values).T for k in range(len(self))]
        return xp.stack(rows)

    def reports(self, signals: Array, present: Array | None = None) -> Reports:
        """Everything about the reports (B, n, *S) of the seats that take part, present (B, n); default: all."""
        xp = namespace(signals)
        worth = self.worth(signals)
        costs = xp.asarray(self.costs, dtype=signals.dtype)
        if present is None or xp.all(present):
            return Reports(worth, _sum(worth, axis=1) - costs[:, None], complete=True)
        here = present.T  # (n, B)
        worth = xp.where(here[None, :, :], worth, xp.zeros_like(worth))
        possible = xp.all(here[None, :, :] | xp.asarray(self._possible)[:, :, None], axis=1)  # (K, B)
        welfare = _sum(worth, axis=1) - costs[:, None]
        none = xp.asarray(NO_BID, dtype=signals.dtype)
        return Reports(worth, xp.where(possible, welfare, none), complete=False)

    def shares(self, reports: Reports, rng: Any = None) -> Array:
        """The probability of each outcome, (K, B); with `rng` one outcome is drawn."""
        return share_highest(reports.scores, None, rng, axis=0)

    def lottery(self, reports: Reports) -> tuple[Array, Array]:
        """Every equally good outcome: chances (L, B) and one-hot choices (L, K, B)."""
        return enumerate_highest(reports.scores)

    def allocation(self, shares: Array) -> Array:
        """The mean allocation (B, n, *A) of shares (K, B)."""
        xp = namespace(shares)
        rows = xp.reshape(xp.asarray(self.outcomes, dtype=shares.dtype), (len(self), -1))
        return xp.reshape(xp.matmul(shares.T, rows), (shares.shape[1], *self.outcomes.shape[1:]))

    def __len__(self) -> int:
        return len(self.outcomes)


def _sum(array: Array, axis: int = 0) -> Array:
    """The sum along a short axis that is not the last, several times faster than a reduction."""
    xp = namespace(array)
    parts = xp.moveaxis(array, axis, 0)
    total = parts[0, ...]
    for k in range(1, parts.shape[0]):
        total = total + parts[k, ...]
    return total


def least_types(environment: Environment) -> Array:
    """Each seat's type with the lowest value, α_i in Krishna (2010), section 5.3, (n, *S): the end of its support.

    All values of a seat may fall in its type: a seller's lowest value, minus the cost, is at its highest cost. Raises
    ConfigError where that end is infinite.
    """
    n, shape = environment.n, environment.signal.shape
    low, high = (
        np.broadcast_to(np.asarray(end, float), (n, *shape)).copy()
        for end in (environment.signal.low, environment.signal.high)
    )
    probe = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high - 1, 0.0))
    there, above = (np.asarray(environment.values(point[None]))[0].reshape(n, -1) for point in (probe, probe + 1))
    falls = (above <= there).all(axis=1) & (above < there).any(axis=1)
    least = np.where(falls.reshape(n, *(1,) * len(shape)), high, low)
    for seat in range(n):
        if not np.isfinite(least[seat]).all():
            raise ConfigError(
                f"environment: types of seat {seat} should have a lowest value, here they go down without end"
            )
    return least
