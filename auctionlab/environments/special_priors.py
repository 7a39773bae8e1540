"""Beta, lognormal and truncated normal priors, on SciPy's special functions, which are imported when first used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from types import ModuleType
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._checks import require, require_positive, require_range
from auctionlab.environments._inverse import InverseTable

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


def _special() -> ModuleType:
    from scipy import special  # here, so that a uniform prior does not wait for SciPy

    return special


@dataclass(frozen=True)
class Beta(Prior):
    """Values on [0, 1] with density proportional to v^(a−1) (1−v)^(b−1).

    Quantiles come from an interpolated table of the exact inverse, right to a relative 1e-12.
    Source: Johnson, Kotz and Balakrishnan (1995), Continuous Univariate Distributions 2, chapter 25.
    """

    a: Annotated[float, Field(gt=0, description="weight of high values, a number")]
    b: Annotated[float, Field(gt=0, description="weight of low values, a number")]

    def __post_init__(self) -> None:
        require_positive(self, "a", "b")

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return 1.0

    @property
    def expectation(self) -> float:
        return self.a / (self.a + self.b)

    def cdf(self, values: Array) -> Array:
        return np.asarray(_special().betainc(self.a, self.b, np.clip(values, 0.0, 1.0)))

    def sf(self, values: Array) -> Array:
        return np.asarray(_special().betaincc(self.a, self.b, np.clip(values, 0.0, 1.0)))

    def pdf(self, values: Array) -> Array:
        special = _special()
        v = np.clip(values, 0.0, 1.0)
        log = special.xlogy(self.a - 1, v) + special.xlog1py(self.b - 1, -v) - special.betaln(self.a, self.b)
        return np.where((np.asarray(values) >= 0) & (np.asarray(values) <= 1), np.exp(log), 0.0)

    def quantile(self, probabilities: Array) -> Array:
        return self._table(probabilities)

    @cached_property
    def _table(self) -> InverseTable:
        special = _special()
        return InverseTable(partial(special.betaincinv, self.a, self.b), partial(special.betainccinv, self.a, self.b))


@dataclass(frozen=True)
class Lognormal(Prior):
    """Values above 0 whose logarithm is normal: log v has mean mu and standard deviation sigma.

    Source: Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, chapter 14.
    """

    mu: Annotated[float, Field(description="mean of log v, a number")] = 0.0
    sigma: Annotated[float, Field(gt=0, description="standard deviation of log v, a number")] = 1.0

    def __post_init__(self) -> None:
        require(math.isfinite(self.mu), f"mu: should be a finite number, got {self.mu!r}")
        require_positive(self, "sigma")

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return math.inf

    @property
    def expectation(self) -> float:
        return float(np.exp(self.mu + self.sigma**2 / 2))

    def _score(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(np.maximum(values, 0.0)) - self.mu) / self.sigma)

    def cdf(self, values: Array) -> Array:
        return np.asarray(_special().ndtr(self._score(values)))

    def sf(self, values: Array) -> Array:
        return np.asarray(_special().ndtr(-self._score(values)))

    def pdf(self, values: Array) -> Array:
        v = np.asarray(values, float)
        inside = (v > 0) & (v < math.inf)
        v = np.where(inside, v, 1.0)
        return np.where(inside, np.exp(-(self._score(v) ** 2) / 2) / (math.sqrt(2 * math.pi) * self.sigma * v), 0.0)

    def quantile(self, probabilities: Array) -> Array:
        return np.exp(self.mu + self.sigma * _special().ndtri(np.asarray(probabilities, float)))

    def logcdf(self, values: Array) -> Array:
        return np.asarray(_special().log_ndtr(self._score(values)))

    def logsf(self, values: Array) -> Array:
        return np.asarray(_special().log_ndtr(-self._score(values)))


@dataclass(frozen=True)
class TruncatedNormal(Prior):
    """A normal value with this mean and sd before truncation, given that it lies between low and high.

    Quantiles come from an interpolated table of the exact inverse, right to a relative 1e-12.
    Source: Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, chapter 13.10.
    """

    mean: Annotated[float, Field(description="mean before truncation, in money")]
    sd: Annotated[float, Field(gt=0, description="standard deviation before truncation, in money")]
    low: Annotated[float, Field(description="lowest value, in money")] = 0.0
    high: Annotated[float, Field(description="highest value, above low, in money")] = 1.0

    def __post_init__(self) -> None:
        require(math.isfinite(self.mean), f"mean: should be a finite number, got {self.mean!r}")
        require_positive(self, "sd")
        require_range(self.low, self.high)
        require(
            self._mass > 1e-12,
            f"low, high: should keep some of the normal with mean = {self.mean!r} and sd = {self.sd!r}, "
            f"got [{self.low!r}, {self.high!r}], which keeps a share of {self._mass:.1e}",
        )

    def _between(self, left: Array | float, right: Array | float) -> Array:
        """P(left < X < right) before truncation, from the tail in which it lies; exact when they are close."""
        ndtr = _special().ndtr
        low, high = (left - self.mean) / self.sd, (right - self.mean) / self.sd
        difference = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
        middle, half = np.asarray(low + high) / 2, np.asarray(right - left) / (2 * self.sd)
        scores = middle[..., None] + half[..., None] * _NODES
        area = half * (np.exp(-(scores**2) / 2) @ _WEIGHTS) / math.sqrt(2 * math.pi)
        return np.where(half * np.maximum(1, np.abs(middle)) < 0.2, area, difference)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd

    @cached_property
    def _mass(self) -> float:
        return float(self._between(self.low, self.high))

    @property
    def expectation(self) -> float:
        left, right = self._ends
        middle, half = (left + right) / 2, (self.high - self.low) / (2 * self.sd)
        fall = math.exp(-(left**2) / 2) - math.exp(-(right**2) / 2)
        if abs(middle * half) < 1:  # the same, where the two nearly cancel
            fall = 2 * math.exp(-(middle**2 + half**2) / 2) * math.sinh(middle * half)
        return self.mean + self.sd * fall / (math.sqrt(2 * math.pi) * self._mass)

    def cdf(self, values: Array) -> Array:
        return np.clip(self._between(self.low, np.clip(values, self.low, self.high)) / self._mass, 0.0, 1.0)

    def sf(self, values: Array) -> Array:
        return np.clip(self._between(np.clip(values, self.low, self.high), self.high) / self._mass, 0.0, 1.0)

    def pdf(self, values: Array) -> Array:
        v = np.asarray(values)
        score = (np.clip(v, self.low, self.high) - self.mean) / self.sd
        density = np.exp(-(score**2) / 2) / (math.sqrt(2 * math.pi) * self.sd * self._mass)
        return np.where((v >= self.low) & (v <= self.high), density, 0.0)

    def quantile(self, probabilities: Array) -> Array:
        return self._table(probabilities)

    @cached_property
    def _table(self) -> InverseTable:
        return InverseTable(self._lower, self._upper, self.low, self.high)

    def _lower(self, p: Array) -> Array:
        """Quantiles at p ≤ 1/2: the normal's own, then Newton's method on the cdf."""
        values = self._normal(p, 1 - p)
        for _ in range(2):
            values = self._step(values, self.cdf(values) - p)
        return values

    def _upper(self, q: Array) -> Array:
        """Quantiles at 1 − q for q < 1/2: the same on the survival function."""
        values = self._normal(1 - q, q)
        for _ in range(2):
            values = self._step(values, q - self.sf(values))
        return values

    def _normal(self, p: Array, q: Array) -> Array:
        special = _special()
        left, right = self._ends
        below = special.ndtr(left) + p * self._mass
        upper = below > 0.5  # count from the other tail, where it is small
        score = special.ndtri(np.where(upper, special.ndtr(-right) + q * self._mass, below))
        return np.clip(self.mean + self.sd * np.where(upper, -score, score), self.low, self.high)

    def _step(self, values: Array, excess: Array) -> Array:
        density = self.pdf(values)
        step = np.divide(excess, density, out=np.zeros_like(density), where=density > 0)
        return np.clip(values - step, self.low, self.high)
