"""Ironing: the virtual value that a monotone rule can use, for any prior.  Myerson (1981), section 6

Revenue R(q) = q F⁻¹(1 − q) as a function of the probability of sale q has slope ψ. Where R is not concave, its concave
hull is a chord, which lotteries over its two ends earn: all types between them are treated alike, at the slope of the
chord. That slope is the ironed virtual value ψ̄; elsewhere ψ̄ = ψ. It never falls. A discrete prior has one point
(P(X ≥ v), v P(X ≥ v)) a value, and the hull through those and (0, 0) gives ψ̄ the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.errors import ConfigError
from auctionlab.theory.rivals import cached, top_value
from auctionlab.theory.virtual import virtual_values

_TAILS = 10.0 ** -np.arange(3.5, 15.1, 0.25)
_SOLD = np.concatenate([_TAILS, np.linspace(0, 1, 2049)[1:-1], 1 - _TAILS[_TAILS > 1e-9]])  # probabilities of sale
_DEPTH = 1e-12  # of the largest revenue: shallower dents of R are rounding
_STEPS = 200  # bisections: enough for any interval of doubles


class Flat(NamedTuple):
    """All types from low up to high share the ironed virtual value `virtual`."""

    low: float
    high: float
    virtual: float


class Ironed(ABC):
    """ψ̄ of a prior: called with values, it returns their ironed virtual values, −inf below the support.

    flats : the intervals on which ψ̄ is constant, ascending.
    """

    prior: Prior
    flats: tuple[Flat, ...]

    @abstractmethod
    def __call__(self, values: Array) -> Array:
        """ψ̄(v); values above the support count as themselves (discrete: as the highest value)."""

    @abstractmethod
    def lowest(self, virtual: Array) -> Array:
        """inf{v in the support or above: ψ̄(v) ≥ z}; inf where there is none."""

    @abstractmethod
    def beyond(self, virtual: Array) -> Array:
        """inf{v in the support or above: ψ̄(v) > z}: where a flat with ψ̄ = z ends; inf where there is none."""


@cached
def iron(prior: Prior) -> Ironed:
    """The ironed virtual values of any prior with a finite expectation; ConfigError where that is infinite."""
    if not prior.expectation < np.inf:  # nan too
        raise ConfigError(f"prior: expected value should be finite, got {prior}: revenue has no maximum")
    return _Discrete(prior) if prior.atoms else _Continuous(prior)


def concave_hull(x: Array, y: Array) -> Array:
    """Indices of the corners of the upper hull of points (K,) with x ascending: Andrew's monotone chain."""
    kept: list[int] = []
    px, py = x.tolist(), y.tolist()
    for k in range(len(px)):
        while len(kept) > 1:
            i, j = kept[-2], kept[-1]
            if (py[j] - py[i]) * (px[k] - px[j]) > (py[k] - py[j]) * (px[j] - px[i]):
                break
            kept.pop()
        if kept and px[kept[-1]] == px[k]:
            if py[k] <= py[kept[-1]]:
                continue
            kept.pop()
        kept.append(k)
    return np.array(kept)


class _Discrete(Ironed):
    """Finitely many values: ψ̄ is the slope of the hull over each mass; a report counts as the next value below."""

    def __init__(self, prior: Any) -> None:
        self.prior, self.support = prior, np.asarray(prior.support)
        self.virtual = discrete_virtual_values(prior, ironed=True)
        starts = np.flatnonzero(np.append(True, np.diff(self.virtual) > 0))
        ends = np.append(self.support[starts[1:]], np.inf)
        self.flats = tuple(
            Flat(float(self.support[k]), float(end), float(self.virtual[k]))
            for k, end in zip(starts, ends, strict=True)
        )

    def __call__(self, values: Array) -> Array:
        place = np.searchsorted(self.support, values, side="right") - 1
        return np.where(place < 0, -np.inf, self.virtual[np.maximum(place, 0)])

    def lowest(self, virtual: Array) -> Array:
        return np.append(self.support, np.inf)[np.searchsorted(self.virtual, virtual, side="left")]

    def beyond(self, virtual: Array) -> Array:
        return np.append(self.support, np.inf)[np.searchsorted(self.virtual, virtual, side="right")]


def discrete_virtual_values(prior: Any, ironed: bool = False) -> Array:
    """ψ(v_k) = v_k − (v_{k+1} − v_k) P(X > v_k) / P(X = v_k), one a value of the support, (K,).

    The slope of revenue between neighbouring probabilities of sale; E[ψ(X)] is the lowest value. `ironed`: the slope of
    the concave hull instead.
    """
    support, masses = np.asarray(prior.support), np.asarray(prior.masses)
    sold = np.append(np.cumsum(masses[::-1])[::-1], 0.0)
    if not ironed:
        return support - np.diff(support, append=support[-1]) * sold[1:] / masses
    earned = np.append(support, 0.0) * sold
    corners = concave_hull(sold[::-1], earned[::-1])[::-1]
    corners = len(support) - corners  # indices into the ascending support, its length standing for "no sale"
    virtual = np.empty(len(support))
    for first, last in pairwise(corners.tolist()):
        slope = (earned[first] - earned[last]) / (sold[first] - sold[last])
        virtual[first:last] = slope if last - first > 1 else _step(support, masses, sold, first)
    return np.maximum.accumulate(virtual)


def _step(support: Array, masses: Array, sold: Array, k: int) -> float:
    """ψ of one value, without the cancellation in the slope of R."""
    above = support[k + 1] if k + 1 < len(support) else support[k]
    return float(support[k] - (above - support[k]) * sold[k + 1] / masses[k])


class _Continuous(Ironed):
    """A prior with a density: ψ, but for the chords of the hull."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        values = _grid(prior)
        self.flats = _flats(prior, values)
        self.lows, self.highs, self.levels = (np.array([flat[part] for flat in self.flats]) for part in range(3))
        self.inverse = closed_inverse(prior) if not self.flats else None
        if self.inverse is None:
            self.nodes = np.unique(np.concatenate([values, self.lows, self.highs[np.isfinite(self.highs)]]))
            self.at_nodes = np.maximum.accumulate(self(self.nodes))

    def __call__(self, values: Array) -> Array:
        v = np.asarray(values, dtype=float)
        virtual = np.where(v >= self.prior.low, virtual_values(self.prior, v), -np.inf)
        if not self.flats:
            return virtual
        place = np.maximum(np.searchsorted(self.lows, v, side="right") - 1, 0)
        return np.where((v >= self.lows[place]) & (v <= self.highs[place]), self.levels[place], virtual)

    def lowest(self, virtual: Array) -> Array:
        z = np.asarray(virtual, dtype=float)
        if self.inverse is not None:
            return np.asarray(self.inverse(z))
        return np.where(z < self.prior.high, self._solve(np.minimum(z, self.prior.high)), z)

    def beyond(self, virtual: Array) -> Array:
        found = self.lowest(virtual)
        for flat in self.flats:
            found = np.where(virtual == flat.virtual, flat.high, found)
        return found

    def _solve(self, z: Array) -> Array:
        """The lowest node or point between two nodes where ψ̄ reaches z, for z up to the top of the support."""
        shape, z = z.shape, z.ravel()
        place = np.searchsorted(self.at_nodes, z, side="left")
        found = np.full(z.shape, self.nodes[0])
        inner = (place > 0) & (place < len(self.nodes))
        right = place[inner]
        found[inner] = crossing(self, self.nodes[right - 1], self.nodes[right], z[inner])
        above = place == len(self.nodes)  # of an unbounded support: ψ̄ goes on rising
        if above.any():
            level = z[above]
            reach = np.maximum(level, self.nodes[-1])
            while np.any(short := (self(reach) < level) & (reach < np.inf)):
                reach = np.where(short, reach + np.maximum(np.abs(reach), 1.0), reach)
            found[above] = crossing(self, np.full(level.shape, self.nodes[-1]), reach, level)
        return found.reshape(shape)


@singledispatch
def closed_inverse(prior: Prior) -> Callable[[Array], Array] | None:
    """ψ⁻¹ where it has a closed form, else None: the lowest type with ψ ≥ z, z itself above the support."""
    return None


@closed_inverse.register
def _(prior: Uniform) -> Callable[[Array], Array]:
    return lambda z: np.maximum(np.where(z < prior.high, (z + prior.high) / 2, z), prior.low)


@closed_inverse.register
def _(prior: Exponential) -> Callable[[Array], Array]:
    return lambda z: np.maximum(z + prior.mean, 0.0)


def crossing(function: Callable[[Array], Array], left: Array, right: Array, level: Array) -> Array:
    """Where `function` rises to `level` between left (below it) and right (not below it), a jump included.

    Inverse quadratic steps where they are safe, halving where not; points that are found leave.  Chandrupatla (1997)
    """
    old, new, level = (np.array(part, dtype=float) for part in np.broadcast_arrays(left, right, level))
    shape, found = old.shape, new.ravel().copy()
    old, new, level = old.ravel(), new.ravel(), level.ravel()
    with np.errstate(invalid="ignore"):
        f_old, f_new = function(old) - level, function(new) - level
    step, place = np.full(old.shape, 0.5), np.arange(len(old))
    for _ in range(_STEPS):
        guess = old + step * (new - old)
        f_guess = function(guess) - level
        same = (f_guess < 0) == (f_old < 0)  # guess replaces old, else new becomes old
        third, f_third = np.where(same, old, new), np.where(same, f_old, f_new)
        new, f_new = np.where(same, new, old), np.where(same, f_new, f_old)
        old, f_old = guess, f_guess
        width, least = np.abs(new - old), 1e-15 * np.maximum(np.abs(old), np.abs(new))
        found[place] = np.where(f_old >= 0, old, new)
        stay = (f_old != 0) & (f_new != 0) & (width > 2 * least)
        if not stay.any():
            break
        with np.errstate(all="ignore"):
            x, y = (old - new) / (third - new), (f_old - f_new) / (f_third - f_new)
            quadratic = f_old / (f_new - f_old) * f_third / (f_new - f_third)
            quadratic += (third - old) / (new - old) * f_old / (f_third - f_old) * f_new / (f_third - f_new)
            safe = (1 - np.sqrt(1 - x) < y) & (y < np.sqrt(x)) & np.isfinite(quadratic)
            step = np.clip(np.where(safe, quadratic, 0.5), least / width, 1 - least / width)
        old, new, f_old, f_new = old[stay], new[stay], f_old[stay], f_new[stay]
        step, level, place = step[stay], level[stay], place[stay]
    return found.reshape(shape)


def _grid(prior: Prior) -> Array:
    """Values at which R is first looked at: quantiles, ends and breaks, ascending."""
    ends = [end for end in (prior.low, prior.high) if np.isfinite(end)] or [top_value(prior)]
    return np.unique(np.concatenate([np.asarray(prior.quantile(1 - _SOLD)), np.asarray(prior.breaks), ends]))


def _flats(prior: Prior, values: Array) -> tuple[Flat, ...]:
    """The chords of the hull of R: found on the grid, then closed in on with ψ(low) = ψ(high) = slope of the chord."""

    def curve(v: Array) -> tuple[Array, Array]:
        sold = np.asarray(prior.sf(v))
        with np.errstate(invalid="ignore"):
            return sold, np.where(sold > 0, v * sold, 0.0)

    points = values if np.isfinite(prior.high) else np.append(values, np.inf)
    sold, earned = curve(points)
    corners = len(points) - 1 - concave_hull(sold[::-1], earned[::-1])[::-1]
    first, last = corners[:-1], corners[1:]
    wide = last - first > 1
    first, last = first[wide], last[wide]
    deep = np.array([_depth(sold[i : j + 1], earned[i : j + 1]) for i, j in zip(first, last, strict=True)])
    wide = deep > _DEPTH * np.abs(earned).max()
    first, last = first[wide], last[wide]
    if not len(first):
        return ()
    low, high = points[first], points[last]
    for _ in range(12):
        (q_low, r_low), (q_high, r_high) = curve(low), curve(high)
        slope = (r_low - r_high) / (q_low - q_high)
        old = low, high
        low = _end(prior, points, first, slope, low)
        high = _end(prior, points, last, slope, high)
        if np.allclose(old, (low, high), rtol=4e-15, atol=0):
            break
    low[1:] = np.maximum(low[1:], high[:-1])
    return _merged([Flat(*flat) for flat in np.stack([low, high, slope], axis=1).tolist()])


def _depth(sold: Array, earned: Array) -> float:
    """How far R hangs below the chord between its ends."""
    chord = np.interp(sold, sold[[-1, 0]], earned[[-1, 0]])
    return float((chord - earned).max())


def _end(prior: Prior, points: Array, place: Array, slope: Array, now: Array) -> Array:
    """Where ψ crosses `slope` between the neighbours of each corner; the ends of the support stay."""
    inner = (place > 0) & (place < len(points) - 1)
    left, right = points[np.maximum(place - 1, 0)], points[np.minimum(place + 1, len(points) - 1)]
    right = np.where(np.isfinite(right), right, points[place])

    def virtual(v: Array) -> Array:
        return virtual_values(prior, v)

    return np.where(inner, crossing(virtual, left, right, slope), now)


def _merged(flats: list[Flat]) -> tuple[Flat, ...]:
    """Adjoining chords of one slope are one."""
    result: list[Flat] = []
    for flat in flats:
        if (
            result
            and flat.low <= result[-1].high
            and abs(flat.virtual - result[-1].virtual) <= 1e-12 * abs(flat.virtual)
        ):
            result[-1] = Flat(result[-1].low, flat.high, result[-1].virtual)
        else:
            result.append(flat)
    return tuple(result)
