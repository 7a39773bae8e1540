"""Priors made of numbers: finitely many values with weights, and measured data, interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NoReturn

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._checks import require
from auctionlab.environments._csv import read_column
from auctionlab.errors import NoEquilibrium

_Numbers = tuple[float, ...]


def _numbers(prior: Prior, name: str) -> None:
    """Make the field a tuple of finite floats, whatever sequence or array of numbers a caller gave."""
    try:
        array = np.asarray(getattr(prior, name), float).ravel()
    except (TypeError, ValueError):
        array = np.array([np.nan])
    require(bool(np.isfinite(array).all()), f"{name}: should be finite numbers, got {_first_bad(getattr(prior, name))}")
    object.__setattr__(prior, name, tuple(array.tolist()))


def _first_bad(items: Any) -> str:
    for item in items if isinstance(items, list | tuple | np.ndarray) else [items]:
        if not isinstance(item, int | float) or not np.isfinite(item):
            return repr(item)
    return repr(items)


@dataclass(frozen=True)
class Discrete(Prior):
    """Finitely many values, each drawn with its weight over the sum of weights; equal weights where none are given.

    It has atoms, hence no density: mechanisms run, most equilibrium formulas do not apply.
    """

    values: Annotated[_Numbers, Field(strict=False, description="the possible values, in money")]
    weights: Annotated[_Numbers, Field(strict=False, description="one a value, not negative; equal by default")] = ()

    def __post_init__(self) -> None:
        _numbers(self, "values")
        _numbers(self, "weights")
        require(len(self.values) > 0, "values: should be at least one number, got none")
        count = len(self.weights) or len(self.values)
        require(count == len(self.values), f"weights: should be {len(self.values)}, one a value, got {count}")
        bad = [weight for weight in self.weights if weight < 0]
        require(not bad, f"weights: should be 0 or more, got {min(bad, default=0.0)!r}")
        require(not self.weights or sum(self.weights) > 0, "weights: should sum to more than 0, got only zeros")

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        support, place = np.unique(self.values, return_inverse=True)
        weights = np.bincount(place, self.weights or None, minlength=len(support)).astype(float)
        return support[weights > 0], weights[weights > 0] / weights.sum()

    @property
    def support(self) -> Array:
        """The values of positive weight, ascending, (K,)."""
        return self._table[0]

    @property
    def masses(self) -> Array:
        """The probability of each value of `support`, (K,)."""
        return self._table[1]

    @property
    def low(self) -> float:
        return float(self.support[0])

    @property
    def high(self) -> float:
        return float(self.support[-1])

    @property
    def expectation(self) -> float:
        return float(self.support @ self.masses)

    @property
    def atoms(self) -> bool:
        return True

    @cached_property
    def _steps(self) -> tuple[Array, Array]:
        """F and 1 − F after 0, 1, ..., K values."""
        below = np.append(0.0, np.cumsum(self.masses))
        above = np.append(np.cumsum(self.masses[::-1])[::-1], 0.0)
        below[-1] = above[0] = 1.0
        return below, above

    def cdf(self, values: Array) -> Array:
        return np.asarray(self._steps[0][np.searchsorted(self.support, values, side="right")])

    def sf(self, values: Array) -> Array:
        return np.asarray(self._steps[1][np.searchsorted(self.support, values, side="right")])

    def pdf(self, values: Array) -> NoReturn:
        raise NoEquilibrium(
            "a discrete prior has no density; give a continuous prior, or 'empirical' to interpolate data"
        )

    def quantile(self, probabilities: Array) -> Array:
        return np.asarray(self.support[np.searchsorted(self._steps[0][1:], probabilities, side="left")])


@dataclass(frozen=True)
class Empirical(Prior):
    """Measured values, interpolated: F is linear between order statistics, from 0 at the least to 1 at the greatest.

    The k-th of m different values has F = (k − 1) / (m − 1); tied values take the mean of their ranks, so that there is
    a density everywhere. A file is read once, when the prior is built: afterwards the data count, not the path.
    Source: Hyndman and Fan (1996), definition 7.
    """

    data: Annotated[_Numbers, Field(strict=False, description="measured values, in money; or give file")] = ()
    file: Annotated[str, Field(description="path of a CSV file with the values")] = ""
    column: Annotated[str, Field(description="name of its column; may be left out where there is one")] = ""

    def __post_init__(self) -> None:
        require(bool(self.file) or not self.column, "column: should come with 'file', the CSV file that has it")
        given = self.data is not None and len(self.data) > 0
        require(given or bool(self.file), "missing key 'data' (numbers) or 'file' (a CSV file)")
        require(not (given and self.file), "data, file: give one of the two")
        where = "data"
        if self.file:
            where = f"file {self.file!r}" + (f", column {self.column!r}" if self.column else "")
            object.__setattr__(self, "data", read_column(self.file, self.column))
            object.__setattr__(self, "file", "")
            object.__setattr__(self, "column", "")
        _numbers(self, "data")
        different = len(set(self.data))
        require(different > 1, f"{where}: should hold at least two different values, got {different}")

    def to_parameters(self) -> dict[str, Any]:
        return {"data": list(self.data)}

    @cached_property
    def _knots(self) -> tuple[Array, Array, Array]:
        """The different values, with F and 1 − F there."""
        values, counts = np.unique(self.data, return_counts=True)
        rank = np.cumsum(counts) - counts / 2
        span = rank[-1] - rank[0]
        return values, (rank - rank[0]) / span, (rank[-1] - rank) / span

    @cached_property
    def _density(self) -> Array:
        values, below, _ = self._knots
        return np.diff(below) / np.diff(values)

    @property
    def low(self) -> float:
        return float(self._knots[0][0])

    @property
    def high(self) -> float:
        return float(self._knots[0][-1])

    @property
    def expectation(self) -> float:
        values, below, _ = self._knots
        return float(np.diff(below) @ (values[1:] + values[:-1])) / 2

    @property
    def breaks(self) -> Array:
        return self._knots[0][1:-1]

    def cdf(self, values: Array) -> Array:
        return np.asarray(np.interp(values, self._knots[0], self._knots[1]))

    def sf(self, values: Array) -> Array:
        return np.asarray(np.interp(values, self._knots[0], self._knots[2]))

    def pdf(self, values: Array) -> Array:
        v = np.asarray(values)
        cell = np.searchsorted(self._knots[0], v, side="right") - 1
        density = self._density[np.clip(cell, 0, self._density.size - 1)]
        return np.where((v >= self.low) & (v <= self.high), density, 0.0)

    def quantile(self, probabilities: Array) -> Array:
        return np.asarray(np.interp(probabilities, self._knots[1], self._knots[0]))
