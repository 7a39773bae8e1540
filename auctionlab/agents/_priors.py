"""Priors seen through a bias: what equilibrium formulas need to know of a shifted value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior

_EDGES = np.array([0.0, 1e-9, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0])  # of a share, finer towards the top value
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True)
class Shifted(Prior):
    """The distribution of a value plus a constant."""

    prior: Prior
    by: float

    @property
    def low(self) -> float:
        return self.prior.low + self.by

    @property
    def high(self) -> float:
        return self.prior.high + self.by

    @property
    def expectation(self) -> float:
        return self.prior.expectation + self.by

    @property
    def atoms(self) -> bool:
        return self.prior.atoms

    @property
    def breaks(self) -> Array:
        return self.prior.breaks + self.by

    def cdf(self, values: Array) -> Array:
        return self.prior.cdf(np.asarray(values) - self.by)

    def sf(self, values: Array) -> Array:
        return self.prior.sf(np.asarray(values) - self.by)

    def pdf(self, values: Array) -> Array:
        return self.prior.pdf(np.asarray(values) - self.by)

    def logcdf(self, values: Array) -> Array:
        return self.prior.logcdf(np.asarray(values) - self.by)

    def logsf(self, values: Array) -> Array:
        return self.prior.logsf(np.asarray(values) - self.by)

    def quantile(self, probabilities: Array) -> Array:
        return np.asarray(self.prior.quantile(probabilities)) + self.by


def mean_above(prior: Prior, power: float, values: Array) -> Array:
    """v + ∫_v (S(t)/S(v))^power dt with S = 1 − F, the mean above v of a number with survival S^power, (V,).

    Written as the integral over u in [0, 1] of the value with survival S(v) u^(1/power).
    """
    half = np.diff(_EDGES)[:, None] / 2
    u = (_EDGES[:-1, None] + half * (1 + _NODES)).ravel()
    weights = (half * _WEIGHTS).ravel()
    survival = np.asarray(prior.sf(values))[:, None] * u ** (1 / power)
    return np.asarray(np.maximum(prior.quantile(1 - survival), values[:, None]) @ weights)
