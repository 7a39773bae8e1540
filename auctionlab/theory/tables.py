"""Functions kept as tables, smooth in between, and asked for at single points many thousand times."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from auctionlab.arrays import Array


class Tables:
    """R times K functions (R, K, N) of one ascending axis (N,): monotone cubics, constant beyond the ends."""

    def __init__(self, axis: Array, heights: Array) -> None:
        self.heights = heights
        self.axis, self.last, self.rows = axis, len(axis) - 2, np.arange(len(heights))
        shapes = PchipInterpolator(axis, heights, axis=2)
        self.cubics = np.ascontiguousarray(np.moveaxis(shapes.c, (0, 1), (3, 1)))  # (R, N − 1, K, 4), cubes first

    def __call__(self, at: Array) -> Array:
        """The functions (K, R), each row of K at its own point (R,)."""
        inside = np.minimum(np.maximum(at, self.axis[0]), self.axis[-1])
        cell = np.minimum(self.axis.searchsorted(inside, side="right") - 1, self.last)
        step, (a, b, c, d) = inside - self.axis[cell], self.cubics[self.rows, cell].T
        return np.asarray(((a * step + b) * step + c) * step + d)
