"""Single crossing, increasing differences, the envelope theorem, and incentive compatibility of one agent.

Functions are v(x, θ), vectorised, of an allocation and a type on ordered grids. Each check returns the worst case.
Source: Okumura (2018), sections 1.1 and 1.2; Milgrom and Shannon (1994); Milgrom and Segal (2002).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import ConfigError
from auctionlab.theory.quadrature import TO_INTEGRAL, nodes

Utility = Callable[[Array, Array], Array]  # v(x, θ), broadcast

_STEP = 1e-5  # of the type's size: central differences


@dataclass(frozen=True)
class Order:
    """Whether a family keeps an order on the grid, and the worst case: allocations x' < x'', types θ' < θ''.

    amount : by how much it fails there; negative or 0 where it holds.
    """

    holds: bool
    amount: float
    allocations: tuple[float, float]
    types: tuple[float, float]


def increasing_differences(v: Utility, x: Array, theta: Array, strict: bool = False) -> Order:
    """v(x'', θ) − v(x', θ) rises with θ, for all x'' > x'; strictly where asked.  Okumura (2018), defs. 1.3 and 1.4

    On grids x (X,), theta (T,); neighbours are enough, as differences add up. Rounding is forgiven, 1e-12 of |v|.
    """
    _require_grid("x", x, 2)
    _require_grid("theta", theta, 2)
    table = _table(v, x, theta)  # (X, T)
    rises = np.diff(np.diff(table, axis=0), axis=1)  # (X − 1, T − 1)
    i, j = np.unravel_index(int(np.argmin(rises)), rises.shape)
    rounding = 1e-12 * float(np.abs(table).max())
    least = float(rises[i, j])
    holds = least > rounding if strict else least >= -rounding
    return Order(holds, -least, (float(x[i]), float(x[i + 1])), (float(theta[j]), float(theta[j + 1])))


def single_crossing(v: Utility, x: Array, theta: Array) -> Order:
    """If a type (weakly, strictly) prefers more, so does every higher type, for all x'' > x'.  Okumura (2018), def. 1.2

    On grids x (X,), theta (T,), over all pairs of allocations. Increasing differences imply it (remark 1.1).
    """
    _require_grid("x", x, 2)
    _require_grid("theta", theta, 2)
    table = _table(v, x, theta)
    rounding = 1e-12 * float(np.abs(table).max())
    worst = Order(True, 0.0, (float(x[0]), float(x[-1])), (float(theta[0]), float(theta[-1])))
    for low in range(len(x) - 1):
        gains = table[low + 1 :] - table[low]  # (X', T)
        gains = np.where(np.abs(gains) <= rounding, 0.0, gains)
        weakly = np.maximum.accumulate(gains >= 0, axis=1)
        strictly = np.maximum.accumulate(gains > 0, axis=1)
        broken = weakly & (gains < 0) | strictly & (gains <= 0)
        if not broken.any():
            continue
        lost = np.where(broken, -gains, -np.inf)
        i, j = np.unravel_index(int(np.argmax(lost)), lost.shape)
        if worst.holds or lost[i, j] > worst.amount:
            before = int(np.argmax(gains[i, :j] > 0)) if strictly[i, j] else int(np.argmax(gains[i, :j] >= 0))
            pair = (float(x[low]), float(x[low + 1 + i]))
            worst = Order(False, float(lost[i, j]), pair, (float(theta[before]), float(theta[j])))
    return worst


def rises_in_strong_order(low: Array, high: Array) -> tuple[int, ...] | None:
    """A set Y of allocations (indices) on which argmax `high` ≥ argmax `low` fails in the strong set order, or None.

    low, high : (X,) values of two functions, X ≤ 16; all subsets are tried. It never fails exactly where `high`
    dominates `low` by single crossing.  Milgrom and Shannon (1994); Okumura (2018), theorem 1.3
    """
    count = len(low)
    if count > 16:
        raise ConfigError(f"low: should have at most 16 entries, as all subsets are tried, got {count}")
    for size in range(2, count + 1):
        for subset in itertools.combinations(range(count), size):
            rows = np.array(subset)
            best, better = rows[low[rows] == low[rows].max()], rows[high[rows] == high[rows].max()]
            for y, z in itertools.product(better, best):
                if z > y and (z not in better or y not in best):
                    return subset
    return None


@dataclass(frozen=True)
class Envelope:
    """V(θ) = max f(x, θ) on a grid of types (T,), and V(lowest) + ∫ f_θ(x*(s), s) ds along maximisers x*."""

    types: Array
    value: Array
    by_integral: Array
    selection: Array  # x*(θ), (T,)

    @property
    def gap(self) -> float:
        """The largest difference; 0 where the theorem applies."""
        return float(np.abs(self.value - self.by_integral).max())


def envelope(f: Utility, x: Array, theta: Array, slope: Utility | None = None) -> Envelope:
    """Both sides of the envelope theorem, V by search over x (X,) and by the integral.  Okumura (2018), theorem 1.1

    slope : f_θ(x, θ); default central differences. Besides f(x, ·) being absolutely continuous and differentiable, as
    the notes ask, the theorem needs |f_θ(x, θ)| ≤ b(θ) for all x with one integrable b (Milgrom and Segal 2002,
    theorem 2): f(x, θ) = sin²(π min(θ/x, 1)/2) on x in (0, 1] is smooth for each x, but V jumps from 0 to 1 at θ = 0.
    """
    _require_grid("theta", theta, 2)
    theta = np.asarray(theta, dtype=float)
    points = nodes(theta[:-1], theta[1:]).ravel()
    table = _table(f, x, np.concatenate([theta, points]))
    best = np.asarray(x)[np.argmax(table, axis=0)]
    chosen, inside = best[: len(theta)], best[len(theta) :]
    slopes = _slope(f, slope)(inside, points).reshape(len(theta) - 1, -1)
    rises = np.diff(theta) / 2 * (slopes @ TO_INTEGRAL[-1])
    value = table.max(axis=0)[: len(theta)]
    return Envelope(theta, value, value[0] + np.append(0.0, np.cumsum(rises)), chosen)


Rule = Array | Callable[[Array], Array]  # an allocation for each type of a grid, or a function of types


def envelope_payments(v: Utility, rule: Rule, theta: Array, slope: Utility | None = None, lowest: float = 0.0) -> Array:
    """t(θ) = v(x(θ), θ) − V(lowest) − ∫ v_θ(x(s), s) ds at types theta (T,).  Okumura (2018), lemma 1.1, theorem 1.4

    rule : x as a function, integrated between the types, or (T,) allocations, each that of all types up to the next:
    then every type but the lowest is indifferent to the report below.   lowest : V of the lowest type.
    slope : v_θ(x, θ); default central differences.
    Raises ConfigError, naming two types, where x falls: with strictly increasing differences no payments help then.
    """
    _require_grid("theta", theta, 1)
    theta = np.asarray(theta, dtype=float)
    if callable(rule):
        points = nodes(theta[:-1], theta[1:])
        _require_monotone(np.asarray(rule(points.ravel())), points.ravel())
        at = np.asarray(rule(theta), dtype=float)
        slopes = _slope(v, slope)(np.asarray(rule(points.ravel())), points.ravel()).reshape(points.shape)
        rises = np.diff(theta) / 2 * (slopes @ TO_INTEGRAL[-1])
    else:
        at = np.asarray(rule, dtype=float)
        if at.shape != theta.shape:
            raise ConfigError(f"rule: should be one allocation a type, {len(theta)}, got shape {at.shape}")
        rises = np.asarray(v(at[:-1], theta[1:]) - v(at[:-1], theta[:-1]))
    _require_monotone(at, theta)
    return np.asarray(v(at, theta) - lowest - np.append(0.0, np.cumsum(rises)))


@dataclass(frozen=True)
class Misreport:
    """The most that a type gains by reporting another: at most 0 (up to rounding) where (x, t) is IC."""

    gain: float
    type: float
    report: float


def best_misreport(v: Utility, allocations: Array, payments: Array, theta: Array) -> Misreport:
    """The most tempting lie over all pairs of types (T,): v(x(θ'), θ) − t(θ') − v(x(θ), θ) + t(θ).  Okumura (2018), 1.2

    allocations, payments : (T,) at the types.
    """
    theta, x, t = (np.asarray(array, dtype=float) for array in (theta, allocations, payments))
    worth = _table(v, x, theta) - t[:, None]  # (reports, types)
    gains = worth - np.diagonal(worth)
    np.fill_diagonal(gains, -np.inf)
    report, own = np.unravel_index(int(np.argmax(gains)), gains.shape)
    return Misreport(float(gains[report, own]), float(theta[own]), float(theta[report]))


def _require_grid(name: str, grid: Array, least: int) -> None:
    points = np.asarray(grid, dtype=float)
    if points.ndim != 1 or len(points) < least or not np.isfinite(points).all() or not (np.diff(points) > 0).all():
        got = np.array2string(points, threshold=6, separator=", ")
        raise ConfigError(f"{name}: should be at least {least} finite numbers in ascending order, got {got}")


def _require_monotone(allocations: Array, theta: Array) -> None:
    if not np.isfinite(allocations).all():
        k = int(np.argmin(np.isfinite(allocations)))
        raise ConfigError(f"rule: should be finite, got {allocations[k]} for type {theta[k]:.6g}")
    order = np.argsort(theta, kind="stable")
    x, types = allocations[order], theta[order]
    highest = np.maximum.accumulate(x)
    falls = highest - x
    k = int(np.argmax(falls))
    if falls[k] > 1e-12 * max(1.0, float(np.abs(x).max())):
        high = int(np.argmax(x[: k + 1]))
        raise ConfigError(
            f"rule: should never fall with the type, got {x[high]:.6g} for type {types[high]:.6g} but "
            f"{x[k]:.6g} for the higher type {types[k]:.6g}: no payments make it incentive compatible"
        )


def _slope(v: Utility, slope: Utility | None) -> Utility:
    if slope is not None:
        return slope

    def differences(x: Array, theta: Array) -> Array:
        step = _STEP * np.maximum(1.0, np.abs(theta))
        return np.asarray((v(x, theta + step) - v(x, theta - step)) / (2 * step))

    return differences


def _table(v: Utility, x: Array, theta: Array) -> Array:
    """v at all pairs, (X, T)."""
    found = np.asarray(v(np.asarray(x, dtype=float)[:, None], np.asarray(theta, dtype=float)[None, :]), dtype=float)
    return np.array(np.broadcast_to(found, (len(x), len(theta))))
