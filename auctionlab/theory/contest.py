"""The roles of a first-price auction that can win, as a boundary value problem for inverse bids; see `asymmetric`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.collocation import Closure, Effort, Rates, System
from auctionlab.theory.lowest_bid import Bottom, pressure
from auctionlab.theory.rivals import log_cdf

CUT = 1e-12  # the probability that is cut off the top of an unbounded prior
DEEPEST = 1e-100  # quantiles below this are not followed


@dataclass(frozen=True, eq=False)
class Contest:
    """The roles that can win, (k,) each: priors, how many seats; the lowest bid; the risk attitude.

    effort : what is left of it to all contests that lead from the one to the other.
    own : how much of each role's quantile function is its own, the rest being the average of all seats'. 1 is the game
        itself, 0 a symmetric auction; what lies between leads from the one to the other.
    """

    priors: tuple[Prior, ...]
    counts: Array
    bottom: Bottom
    risk: Any
    own: float = 1.0
    effort: Effort = field(default_factory=Effort)

    @property
    def low(self) -> float:
        return self.bottom.bid

    @cached_property
    def _ends(self) -> Array:
        cut = np.array(1 - CUT)
        return np.array([p.high if math.isfinite(p.high) else float(p.quantile(cut)) for p in self.priors])

    @cached_property
    def tops(self) -> Array:
        """Highest types, (k,)."""
        return self._mixed(self._ends, self._ends @ self.counts)

    @cached_property
    def rival_top(self) -> float:
        """The second-highest of all seats' highest types: nobody bids above it."""
        return float(np.sort(np.repeat(self.tops, self.counts.astype(int)))[-2])

    def types(self, logs: Array) -> Array:
        """φ at L, (..., k)."""
        levels = np.exp(np.minimum(logs, 0.0))
        return self._of_quantiles(lambda prior, high, p: np.minimum(prior.quantile(p), high), levels)

    def average_type(self, levels: Array) -> Array:
        """The quantile function that is the average over all seats, at levels p of any shape."""
        ends = zip(self.counts, self.priors, self._ends, strict=True)
        total: Any = sum(count * np.minimum(prior.quantile(levels), high) for count, prior, high in ends)
        return np.asarray(total / self.counts.sum())

    def slopes(self, logs: Array, types: Array) -> Array:
        """dφ/dL = F/f, (..., k); 0 where there is no density."""
        levels = np.exp(np.minimum(logs, 0.0))
        if self.own == 1:
            density = np.stack([np.asarray(p.pdf(types[..., i])) for i, p in enumerate(self.priors)], axis=-1)
            return np.where((density > 0) & (logs <= 0), levels / np.where(density > 0, density, 1.0), 0.0)

        def slope(prior: Prior, high: float, p: Array) -> Array:
            density = np.asarray(prior.pdf(prior.quantile(p)))
            return np.where(density > 0, p / np.where(density > 0, density, 1.0), 0.0)

        return self._of_quantiles(slope, levels)

    def _of_quantiles(self, function: Callable[[Prior, float, Array], Array], levels: Array) -> Array:
        """A function of quantile levels (..., k), each role's its own, mixed with the average over all seats."""
        pairs = list(zip(self.priors, self._ends, strict=True))
        own = np.stack([function(*pair, levels[..., i]) for i, pair in enumerate(pairs)], axis=-1)
        if self.own == 1:
            return own
        return self._mixed(own, sum(c * function(*pair, levels) for c, pair in zip(self.counts, pairs, strict=True)))

    def _mixed(self, own: Array, total: Any) -> Array:
        return own if self.own == 1 else self.own * own + (1 - self.own) * np.asarray(total) / self.counts.sum()

    @cached_property
    def highest(self) -> Array:
        """L of the highest types, (k,): 0, or next to it where the top is cut off."""
        return np.where(np.isfinite([p.high for p in self.priors]), 0.0, math.log1p(-CUT))

    def logs(self, types: Array) -> Array:
        """L of types (..., k), or of the same type (..., 1) in every role."""
        each = np.minimum(types, self.tops)
        if self.own == 1:
            return np.stack([log_cdf(prior, each[..., i]) for i, prior in enumerate(self.priors)], axis=-1)
        low, high = np.full(each.shape, 2 * math.log(DEEPEST)), np.zeros(each.shape)
        for _ in range(60):
            middle = (low + high) / 2
            above = self.types(middle) > each
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return low

    def pressure(self, surplus: Array) -> tuple[Array, Array]:
        """h = u′/u at v − b, and its derivative."""
        return pressure(self.risk, surplus)

    def utility(self, money: Array) -> Array:
        return money if self.risk is None else np.asarray(self.risk.u(money))

    def rates(self, bids: Array, logs: Array, active: Array) -> Rates:
        """D, its derivatives, and the surpluses of those who bid."""
        types = self.types(logs)
        slack = np.where(active, types - bids[..., None], 1.0)
        press, steep = self.pressure(np.maximum(slack, 1e-100))
        press, steep = press * active, steep * active
        share = self.counts * active
        share = share / (share.sum(axis=-1, keepdims=True) - 1)
        mixing = np.where(active[..., None], share[..., None, :] - np.eye(len(self.counts)), 0.0)
        values = np.where(active, (share * press).sum(axis=-1, keepdims=True) - press, 0.0)
        to_logs = mixing * (steep * self.slopes(logs, types))[..., None, :]
        return Rates(values, to_logs, -(mixing @ steep[..., None])[..., 0], slack)

    def close(self, bid: float, to_top: float, logs: Array) -> Closure:
        """Near the lowest bid, φ − b grows with a known power of the distance to it, on average over the roles.

        Where a lowest type chose it, that type is as content with all bids near it: u(a − b) Π F_j(φ_j) is constant.
        """
        roles, chosen = self.bottom.touching, self.low + self.bottom.choice
        if self.bottom.power == 2:
            here, there = (np.log(self.utility(np.array(chosen - x))) for x in (bid, self.low))
            rivals = self.counts * roles
            gained = rivals @ (logs - np.where(roles, self.logs(np.array([self.low])), logs))
            return Closure(
                float(gained + here - there), rivals, -float(self.pressure(np.array(chosen - bid))[0]) * to_top
            )
        weights = self.counts * roles / (self.counts * roles).sum()

        def residual(bid: float, logs: Array) -> float:
            every = np.ones(len(self.counts), dtype=bool)
            rates = self.rates(np.array(bid), logs, every)
            growth = rates.values * self.slopes(logs, self.types(logs)) - 1
            return float(weights @ (growth / rates.slack)) * (bid - self.low) - self.bottom.power

        base, types = residual(bid, logs), self.types(logs)
        near = 1e-5 * float(np.where(roles, types - bid, np.inf).min())  # small beside the surpluses
        slopes = self.slopes(logs, types)
        steps = np.minimum(near / np.maximum(slopes, 1e-300), 1e-6)
        to_logs = np.array([(residual(bid, logs + row) - base) for row in np.diag(steps)]) / steps
        return Closure(base, to_logs, (residual(bid + near, logs) - base) / near * to_top)

    @cached_property
    def system(self) -> System:
        return System(self.low, self.rates, self.close, self.effort)
