"""The distributions of a seat's value. Uniform, power and exponential need NumPy alone; all priors are importable here.

Every function is exact to rounding, also far in the tails, on arrays of any shape; outside the support the cdf is 0 or
1 and the density 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._checks import require_positive, require_range
from auctionlab.environments.data_priors import Discrete, Empirical
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.special_priors import Beta, Lognormal, TruncatedNormal

__all__ = [
    "Beta",
    "Discrete",
    "Empirical",
    "Exponential",
    "Lognormal",
    "Power",
    "Scipy",
    "TruncatedNormal",
    "Uniform",
]


@dataclass(frozen=True)
class Uniform(Prior):
    """Every value between low and high is equally likely: F(v) = (v − low) / (high − low).

    Source: Krishna (2010), appendix C.
    """

    low: Annotated[float, Field(description="lowest value, in money")] = 0.0
    high: Annotated[float, Field(description="highest value, above low, in money")] = 1.0

    def __post_init__(self) -> None:
        require_range(self.low, self.high)

    @property
    def expectation(self) -> float:
        return self.low + (self.high - self.low) / 2

    def cdf(self, values: Array) -> Array:
        return (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)

    def sf(self, values: Array) -> Array:
        return (self.high - np.clip(values, self.low, self.high)) / (self.high - self.low)

    def pdf(self, values: Array) -> Array:
        v = np.asarray(values)
        return np.where((v >= self.low) & (v <= self.high), 1 / (self.high - self.low), 0.0)

    def quantile(self, probabilities: Array) -> Array:
        p = np.asarray(probabilities, float)
        return p * self.high if self.low == 0 else p * self.high + (1 - p) * self.low


@dataclass(frozen=True)
class Power(Prior):
    """Values on [0, 1] with F(v) = v^exponent: above 1 high values are likelier, below 1 low ones; 1 is uniform.

    The highest of k independent uniform values has exponent k.  Source: Krishna (2010), appendix C.
    """

    exponent: Annotated[float, Field(gt=0, description="the exponent of F(v) = v^exponent, a number")]

    def __post_init__(self) -> None:
        require_positive(self, "exponent")

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return 1.0

    @property
    def expectation(self) -> float:
        return self.exponent / (1 + self.exponent)

    def cdf(self, values: Array) -> Array:
        return np.clip(values, 0.0, 1.0) ** self.exponent

    def sf(self, values: Array) -> Array:
        return -np.expm1(self.logcdf(values))

    def pdf(self, values: Array) -> Array:
        v = np.asarray(values, float)
        with np.errstate(divide="ignore"):
            return np.where((v >= 0) & (v <= 1), self.exponent * np.clip(v, 0, 1) ** (self.exponent - 1), 0.0)

    def quantile(self, probabilities: Array) -> Array:
        return np.asarray(probabilities, float) ** (1 / self.exponent)

    def logcdf(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(self.exponent * np.log(np.clip(values, 0.0, 1.0)))


@dataclass(frozen=True)
class Exponential(Prior):
    """Values from 0 without bound, with constant hazard: F(v) = 1 − exp(−v / mean).

    Source: Krishna (2010), appendix C.
    """

    mean: Annotated[float, Field(gt=0, description="expected value, in money")] = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "mean")

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return math.inf

    @property
    def expectation(self) -> float:
        return self.mean

    def cdf(self, values: Array) -> Array:
        return -np.expm1(self.logsf(values))

    def sf(self, values: Array) -> Array:
        return np.exp(self.logsf(values))

    def pdf(self, values: Array) -> Array:
        return np.where(np.asarray(values) >= 0, self.sf(values) / self.mean, 0.0)

    def hazard(self, values: Array) -> Array:
        return np.where(np.asarray(values) >= 0, 1 / self.mean, 0.0)

    def quantile(self, probabilities: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(-self.mean * np.log1p(-np.asarray(probabilities, float)))

    def logsf(self, values: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.maximum(values, 0.0) / self.mean
