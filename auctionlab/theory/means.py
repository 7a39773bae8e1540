"""Means of rival values below v, and what risk and waiting make of them: the integrals that bids are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.quadrature import Panels, Piecewise, decayed_integral, mean_below, resolve
from auctionlab.theory.rivals import Rivals, cached, ends, log_chance, starting_edges


def steepness(kappa: Callable[[Array], Array], low: float, first: float) -> float:
    """The power with which exp(κ) grows from the bottom: the slope of κ in log(v − low)."""
    below, above = kappa(np.array([first, 2 * first - low]))
    return float((above - below) / math.log(2.0))


def _noise(rivals: Rivals) -> float:
    return 1e-15 * sum(power for _, power in rivals)


@cached
def mean_value_below(rivals: Rivals, start: float, first: float | None = None) -> Piecewise:
    """(a K(t) + ∫_t^v x dK) / K(v), t = `start`, a = `first` (default t): the mean of max(a, rival values) below v.

    With a = t it is v − ∫_t^v K / K(v), by parts.
    """

    def kappa(x: Array) -> Array:
        return log_chance(rivals, x)

    panels = resolve(kappa, starting_edges(rivals, start), ends(rivals), noise=_noise(rivals))
    return _mean(panels, kappa, max(prior.low for prior, _ in rivals), start, first)


@cached
def mean_value_of_attrition(prior: Prior, power: float, start: float) -> Piecewise:
    """v − ∫_t^v Λ / Λ(v), where Λ = −log(1 − F^power) is the accumulated hazard of the highest rival."""
    rivals = ((prior, power),)

    def kappa(x: Array) -> Array:
        return log_hazard(log_chance(rivals, x))

    panels = resolve(kappa, starting_edges(rivals, start, closed=False), ends(rivals), noise=_noise(rivals))
    return _mean(panels, kappa, prior.low, start, None)


def log_hazard(log: Array) -> Array:
    """log Λ with Λ = −log(1 − exp(log)), also where Λ underflows."""
    inner = np.clip(log, -36.0, -1e-300)
    hazard = np.where(inner < -0.7, -np.log1p(-np.exp(np.minimum(inner, -0.7))), -np.log(-np.expm1(inner)))
    return np.where(log < -36, log, np.log(hazard))


def _mean(panels: Panels, kappa: Callable[[Array], Array], low: float, start: float, first: float | None) -> Piecewise:
    edge = float(panels.edges[0])
    if start > low:
        return Piecewise(panels.edges, mean_below(panels, start if first is None else first))
    slope = steepness(kappa, low, edge)
    values = mean_below(panels, low + (edge - low) * slope / (1 + slope))
    return Piecewise(panels.edges, values, low, low)


@cached
def certainty_equivalent(rivals: Rivals, start: float, reserve: float, alpha: float) -> Piecewise:
    """b(v) with exp(αb) K(v) = exp(α r) K(t) + ∫_t^v exp(αx) dK: what max(reserve, rival values) below v is worth.

    Computed as (exp(αb) − 1)/α, of which all parts are positive, so that small α lose nothing.
    """

    def kappa(x: Array) -> Array:
        return log_chance(rivals, x)

    panels = resolve(kappa, starting_edges(rivals, start), ends(rivals), alpha, noise=_noise(rivals))
    low, edge = max(prior.low for prior, _ in rivals), float(panels.edges[0])
    base = reserve
    if start <= low:
        slope = steepness(kappa, low, edge)
        base = low + (edge - low) * slope / (1 + slope)
    first = math.exp(alpha * (base - edge)) * -math.expm1(-alpha * base) / alpha
    mean, x = mean_below(panels, first, alpha), panels.nodes
    with np.errstate(over="ignore", invalid="ignore"):
        small = np.log1p(alpha * mean * np.exp(alpha * x)) / alpha
    large = x + np.log(np.exp(-alpha * x) + alpha * mean) / alpha
    bids = np.where(alpha * x < 30, small, large)
    return Piecewise(panels.edges, bids, *((low, low) if start <= low else (None, 0.0)))


@cached
def attrition_of_utility(rivals: Rivals, start: float, alpha: float) -> Piecewise:
    """(1/K(v)) ∫_t^v K w dx with w = exp(−αx) / (1 − K(x)(1 − exp(−αx))).  See `all_pay`."""

    def kappa(x: Array) -> Array:
        return log_chance(rivals, x)

    def weight(x: Array, log: Array) -> Array:
        with np.errstate(divide="ignore"):
            lack = np.log(-np.expm1(log)) + alpha * x  # of (1 − K) exp(αx)
        return np.asarray(1 / (np.exp(log) + np.exp(np.minimum(lack, 600.0))))

    panels = resolve(kappa, starting_edges(rivals, start), ends(rivals), alpha, weight, noise=_noise(rivals))
    low, edge = max(prior.low for prior, _ in rivals), float(panels.edges[0])
    weights = weight(panels.nodes, panels.at_nodes)
    first = 0.0
    if start <= low:
        first = float(weights[0, 0]) * (edge - low) / (1 + steepness(kappa, low, edge))
    return Piecewise(
        panels.edges, decayed_integral(panels, weights, first), *((low, 0.0) if start <= low else (None, 0.0))
    )


@cached
def utility_below(prior: Prior, power: float, start: float, alpha: float, waiting: bool) -> Piecewise:
    """(1/K(v)) ∫_t^v K exp(−αx) dx, with K = F^power, or where `waiting` its accumulated hazard −log(1 − F^power).

    By parts, ∫_t^v w dK = K(v) (w(v) − this) − K(t) w(t) for the utility w(x) = (1 − exp(−αx))/α.
    """
    rivals = ((prior, power),)

    def kappa(x: Array) -> Array:
        log = log_chance(rivals, x)
        return log_hazard(log) if waiting else log

    edges = starting_edges(rivals, start, closed=not waiting)
    panels = resolve(kappa, edges, ends(rivals), alpha, noise=_noise(rivals))
    weights, edge = np.exp(-alpha * panels.nodes), float(panels.edges[0])
    first = 0.0
    if start <= prior.low:
        first = float(weights[0, 0]) * (edge - prior.low) / (1 + steepness(kappa, prior.low, edge))
    return Piecewise(
        panels.edges,
        decayed_integral(panels, weights, first),
        *((prior.low, 0.0) if start <= prior.low else (None, 0.0)),
    )
