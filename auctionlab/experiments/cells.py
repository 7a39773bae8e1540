"""Which cell a number falls into, for arrays of them, many times faster than binary search."""

from __future__ import annotations

from typing import Final

import numpy as np

from auctionlab.arrays import Array

_SLOTS: Final = 4096
_STEEPEST: Final = 1e150  # slots a unit, beyond which products could overflow


class Cells:
    """The cells that sorted inner `edges` (k − 1,) cut the line into: cell c holds edges[c − 1] ≤ x < edges[c].

    Equal slots are laid over the edges; where no slot holds two edges, one comparison in the slot settles the cell.
    Slots are a monotone function of x, so rounding cannot misplace a number. Else: binary search.
    """

    def __init__(self, edges: Array) -> None:
        self.edges = np.asarray(edges, float)
        self.count = len(self.edges) + 1
        self._fast = False
        if not len(self.edges) or not np.isfinite(self.edges).all() or self.edges[-1] <= self.edges[0]:
            return
        self._low = self.edges[0]
        with np.errstate(over="ignore"):
            self._scale = (_SLOTS - 1) / (self.edges[-1] - self._low)
        if not self._scale < _STEEPEST:
            return
        slots = self._slot(self.edges)
        if len(np.unique(slots)) < len(slots):
            return
        self._fast = True
        self._below = np.searchsorted(slots, np.arange(_SLOTS), side="left")
        self._edge = np.full(_SLOTS, np.inf)
        self._edge[slots] = self.edges

    def _slot(self, numbers: Array) -> Array:
        return np.clip((numbers - self._low) * self._scale, 0, _SLOTS - 1).astype(np.intp)

    def __call__(self, numbers: Array) -> Array:
        """Cell of each number, ints 0..k−1 of the same shape."""
        if not self._fast:
            return np.searchsorted(self.edges, numbers, side="right")
        slot = self._slot(numbers)
        return self._below[slot] + (numbers >= self._edge[slot])
