"""Fast quantiles: a table of polynomials that inverts a distribution function to a relative 1e-12.

The exact inverse of a beta or gamma distribution costs a microsecond a number, that of some others a millisecond: too
slow for every round. Between t = log(p / (1 − p)) and y = log of the distance to the ends of the support the inverse is
smooth and nearly linear in the tails, so interpolation at Chebyshev nodes in short cells of t follows it there too.
Cells in which it misses the exact inverse (the density jumps or bends there) and probabilities beyond the table are
answered by the exact inverse, so there is one answer everywhere.  Compare Derflinger, Hörmann and Leydold (2010).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from auctionlab.arrays import Array

_REACH: Final = 16.0  # the table spans |t| < 16: all but one in four million draws
_CELLS: Final = 64
_WIDTH: Final = 2 * _REACH / _CELLS
_DEGREE: Final = 10
_TOLERANCE: Final = 5e-13


def _probabilities(positions: Array) -> tuple[Array, Array]:
    """p and 1 − p at these positions in [-1, 1] of every cell, (cells, positions)."""
    from scipy.special import expit

    t = -_REACH + _WIDTH * (np.arange(_CELLS)[:, None] + (positions + 1) / 2)
    return expit(t), expit(-t)


class InverseTable:
    """The quantile function of a distribution on [low, high] (either may be infinite) from its exact inverse.

    ppf : p -> quantile at p, called for p ≤ 1/2.   isf : q -> quantile at 1 − q, called for q < 1/2.
    noise : (values, p, q) -> how far the inverse itself may be off there, where that is more than rounding.
    """

    def __init__(
        self,
        ppf: Callable[[Array], Array],
        isf: Callable[[Array], Array],
        low: float = 0.0,
        high: float = 1.0,
        noise: Callable[[Array, Array, Array], Array] | None = None,
    ) -> None:
        self._noise = noise
        self._ppf, self._isf, self._low, self._high = ppf, isf, low, high
        quarter, self._centre = (float(x) for x in self._ppf(np.array([0.25, 0.5])))
        self._scale = 4 * (self._centre - quarter) or 1.0  # wide enough that arsinh is smooth over a cell
        self._fit()

    def __call__(self, probabilities: Array) -> Array:
        """Quantiles of any shape; the ends of the support at 0 and 1."""
        from scipy.special import logit

        p = np.asarray(probabilities, float)
        t = logit(p.ravel())
        inside = np.abs(t) < _REACH
        place = np.where(inside, (t + _REACH) / _WIDTH, 0.0)
        cell = place.astype(np.intp)
        values = self._evaluate(cell, place - cell)
        exact = ~(inside & self._good[cell])
        if exact.any():
            rest = p.ravel()[exact]
            values[exact] = self._exact(rest, 1 - rest)
        return values.reshape(p.shape)

    def _exact(self, p: Array, q: Array) -> Array:
        """The exact quantiles at p = 1 − q, each reckoned from the nearer tail."""
        values = np.empty(p.shape)
        lower = p <= 0.5
        values[lower] = self._ppf(p[lower])
        values[~lower] = self._isf(q[~lower])
        return np.where(p <= 0, self._low, np.where(q <= 0, self._high, values))

    def _evaluate(self, cell: Array, position: Array) -> Array:
        """The polynomial of each cell at positions in [0, 1), by Horner's rule, back in values."""
        x = 2 * position - 1
        y = self._coefficients[_DEGREE][cell]
        for power in range(_DEGREE - 1, -1, -1):
            y = y * x + self._coefficients[power][cell]
        return self._from_line(y)

    def _fit(self) -> None:
        """Interpolate at Chebyshev nodes in every cell; note the cells that the polynomial does not follow."""
        nodes = np.polynomial.chebyshev.chebpts1(_DEGREE + 1)
        y = self._to_line(self._exact(*_probabilities(nodes)))  # (cells, nodes)
        y = np.where(np.isfinite(y), y, 0.0)
        self._coefficients = np.linalg.solve(np.vander(nodes, increasing=True), y.T)  # (power, cells)
        tests = np.linspace(-0.999, 0.999, 6)
        p, q = _probabilities(tests)
        exact = self._exact(p, q)
        table = self._evaluate(np.repeat(np.arange(_CELLS), tests.size), np.tile((tests + 1) / 2, _CELLS))
        miss = np.abs(table.reshape(exact.shape) - exact)
        allowed = _TOLERANCE * self._size(exact) + 4e-16 * np.abs(exact)
        if self._noise is not None:
            allowed += self._noise(exact, p, q)
        self._good = (miss <= allowed).all(axis=1)

    def _size(self, values: Array) -> Array:
        """What an error in a value is relative to: the distance to a finite end, but no more than the spread asks."""
        spread = np.abs(values - self._centre) + self._scale
        if math.isfinite(self._low):
            return np.minimum(values - self._low, spread)
        return np.minimum(self._high - values, spread) if math.isfinite(self._high) else spread

    def _to_line(self, values: Array) -> Array:
        from scipy.special import logit

        low, high = self._low, self._high
        with np.errstate(divide="ignore"):
            if math.isfinite(low) and math.isfinite(high):
                return logit(np.clip((values - low) / (high - low), 0.0, 1 - 2**-53))
            if math.isfinite(low):
                return np.log(values - low)
            if math.isfinite(high):
                return -np.log(high - values)
        return np.arcsinh((values - self._centre) / self._scale)

    def _from_line(self, y: Array) -> Array:
        from scipy.special import expit

        low, high = self._low, self._high
        if math.isfinite(low) and math.isfinite(high):
            return low + (high - low) * expit(y)
        if math.isfinite(low):
            return low + np.exp(y)
        return high - np.exp(-y) if math.isfinite(high) else self._centre + self._scale * np.sinh(y)
