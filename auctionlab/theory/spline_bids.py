"""Bid functions with few coefficients: the logarithm of the slope is a spline over places from 0 to 1.

A place is a mean of the quantile, of the value's share of the range, and of the logarithms of the distance from both
ends, as bids may soar next to the highest value. Slopes are positive, so bids rise; few coefficients keep them smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline, CubicHermiteSpline

from auctionlab.arrays import Array
from auctionlab.core import Prior

_GRID, _DEGREE = 600, 3
_TOP, _BOTTOM = 1e-7, 1e-4  # how close to the ends logarithms tell quantiles apart
_PARTS = (0.3, 0.45, 0.15, 0.1)  # of quantiles, values, and the logarithms near the top and the bottom
_STEEP = 60.0  # the largest logarithm of a slope
_PLACES = np.linspace(0, 1, _GRID + 1)


class Points(NamedTuple):
    """Where bids are asked for: cells of the grid, and the weights (4, ...) of bids and slopes at their ends."""

    cells: Array
    weights: Array

    def mix(self, heights: Array, slopes: Array) -> Array:
        """Cubic interpolation of (G, ...) from their slopes, in the shape of the points, then theirs."""
        sides = (heights[self.cells], slopes[self.cells], heights[self.cells + 1], slopes[self.cells + 1])
        spare = heights.ndim - 1
        weights = self.weights.reshape(self.weights.shape + (1,) * spare)
        return np.asarray(sum(weight * side for weight, side in zip(weights, sides, strict=True)))


class Curve(NamedTuple):
    """Bids (G,) at the grid and their slopes over values, with derivatives (G, 1 + C) to what was chosen."""

    bids: Array
    slopes: Array
    risen: Array
    steeper: Array

    def at(self, points: Points) -> Array:
        return points.mix(self.bids, self.slopes)

    def derivatives(self, points: Points) -> Array:
        """Derivatives of bids, (..., 1 + C)."""
        return points.mix(self.risen, self.steeper)


@dataclass(frozen=True, eq=False)
class Splines:
    """Bids of the types of a prior from the level `entry` up, chosen by the lowest bid and `size` coefficients."""

    prior: Prior
    entry: float
    size: int

    @cached_property
    def values(self) -> Array:
        """The types at the grid, (G,)."""
        near = np.geomspace(_TOP, 0.5, 1000)
        fine = np.concatenate([[0.0], near, 1 - near[-2::-1]])
        values = np.asarray(self.prior.quantile(self.entry + (1 - self.entry) * fine), float)
        if not np.isfinite(values[0]):
            fine, values = fine[1:], values[1:]
        parts = (fine, values, -np.log(1 - fine + _TOP), np.log(fine + _BOTTOM))
        places = np.average([(part - part[0]) / (part[-1] - part[0]) for part in parts], axis=0, weights=_PARTS)
        return np.interp(_PLACES, places, values)

    @cached_property
    def basis(self) -> Array:
        """The splines at the grid, (G, C)."""
        knots = np.pad(np.linspace(0, 1, self.size - _DEGREE + 1), _DEGREE, "edge")
        return np.asarray(BSpline.design_matrix(np.minimum(_PLACES, 1 - 1e-12), knots, _DEGREE).toarray())

    def value(self, places: Array) -> Array:
        return np.interp(places, _PLACES, self.values)

    def place(self, values: Array) -> Array:
        return np.interp(values, self.values, _PLACES)

    def points(self, values: Array) -> Points:
        """For values in between, of any shape."""
        cells = np.clip(np.searchsorted(self.values, values, side="right") - 1, 0, _GRID - 1)
        width = self.values[cells + 1] - self.values[cells]
        x = np.clip((values - self.values[cells]) / width, 0.0, 1.0)
        y = 1 - x
        return Points(
            cells, np.stack([(1 + 2 * x) * y * y, x * y * y * width, x * x * (3 - 2 * x), -x * x * y * width])
        )

    def like(self, bids: Callable[[Array], Array]) -> Array:
        """What to choose for about these bids."""
        heights = np.asarray(bids(self.values), float)
        slopes = np.maximum(np.gradient(heights, self.values), np.exp(-_STEEP))
        coefficients = np.linalg.lstsq(self.basis, np.log(slopes))[0]
        return np.append(heights[0], coefficients)

    def curve(self, chosen: Array) -> Curve:
        """Bids from what was chosen, (1 + C,), by Simpson's rule with geometric means of slopes in the middle."""
        sixth = np.diff(self.values) / 6
        slopes = np.exp(np.clip(self.basis @ chosen[1:], -_STEEP, _STEEP))
        middle = np.sqrt(slopes[1:] * slopes[:-1])
        steeper = slopes[:, None] * self.basis
        between = middle[:, None] * (self.basis[1:] + self.basis[:-1]) / 2
        rises = sixth * (slopes[1:] + slopes[:-1] + 4 * middle)
        risen = np.cumsum(sixth[:, None] * (steeper[1:] + steeper[:-1] + 4 * between), axis=0)
        return Curve(
            chosen[0] + np.append(0.0, np.cumsum(rises)),
            slopes,
            np.hstack([np.ones((_GRID + 1, 1)), np.pad(risen, ((1, 0), (0, 0)))]),
            np.pad(steeper, ((0, 0), (1, 0))),
        )

    def log_slopes(self, values: Array) -> Array:
        """The splines at values, (N, C)."""
        places = self.place(values)
        return np.stack([np.interp(places, _PLACES, column) for column in self.basis.T], axis=1)

    def function(self, chosen: Array) -> Callable[[Array], Array]:
        """Bids of values, constant beyond both ends."""
        curve, low, high = self.curve(chosen), self.values[0], self.values[-1]
        shape = CubicHermiteSpline(self.values, curve.bids, curve.slopes)
        return lambda values: np.asarray(shape(np.clip(values, low, high)))
