"""What a bidder faces: K(v), the probability that every rival's value is below v, and means of values below v."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.quadrature import (
    RISE,
    TO_INTEGRAL,
    Panels,
    Piecewise,
    decayed_integral,
    mean_below,
    nodes,
    resolve,
)

Rivals = tuple[tuple[Prior, float], ...]  # K = product of F^power over (prior, power)
F = TypeVar("F", bound=Callable[..., Any])

_LEVELS = 1 - np.array([0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.01, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12, 1e-14])


def private_priors(environment: Environment, rule: str) -> tuple[Prior, ...]:
    """The priors of all seats; NoEquilibrium unless values are private, scalar and independent."""
    kind = type(environment)
    private = kind.values is Environment.values and kind.value is Environment.value
    priors = tuple(prior for prior in environment.priors if prior is not None)
    if not private or environment.signal.shape != () or len(priors) < environment.n:
        raise NoEquilibrium(f"{rule}: equilibrium bids are known for independent private values of one item only")
    return priors


def one_prior(environment: Environment, rule: str) -> Prior:
    """The prior that all seats share; NoEquilibrium without at least two bidders, one prior and a density."""
    priors = private_priors(environment, rule)
    if len(priors) < 2:
        raise NoEquilibrium(f"{rule}: an equilibrium needs at least 2 bidders, got {len(priors)}")
    if any(prior != priors[0] for prior in priors):
        raise NoEquilibrium(f"{rule}: no formula is known for bidders with different priors")
    if priors[0].atoms:
        raise NoEquilibrium(
            f"{rule}: the prior puts weight on single values, so bidders mix and no bid function exists"
        )
    return priors[0]


def risk_of(environment: Environment, rule: str) -> Any:
    """The risk attitude (Crra or Cara), None for the risk-neutral; NoEquilibrium for any other."""
    risk = getattr(environment, "risk", None)
    if environment.risk_neutral or getattr(risk, "rho", None) == 0:
        return None
    if not hasattr(risk, "rho") and not hasattr(risk, "alpha"):
        raise NoEquilibrium(f"{rule}: no formula is known for this risk attitude")
    return risk


def cached(function: F) -> F:
    """Remember the last results; arguments that cannot be hashed are computed anew."""
    remembered = lru_cache(maxsize=64)(function)

    def call(*arguments: Any) -> Any:
        try:
            return remembered(*arguments)
        except TypeError:
            return function(*arguments)

    call.cache_clear = remembered.cache_clear  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def log_cdf(prior: Prior, values: Array) -> Array:
    """log F(v), exact to rounding at both ends."""
    flat = np.ravel(values)
    upper = flat > prior.quantile(np.array(0.5))
    result = np.empty(flat.shape)
    result[upper] = np.log1p(-np.asarray(prior.sf(flat[upper])))
    result[~upper] = prior.logcdf(flat[~upper])
    return result.reshape(np.shape(values))


def log_chance(rivals: Rivals, values: Array) -> Array:
    """log K(v)."""
    return sum((power * log_cdf(prior, values) for prior, power in rivals), np.zeros(np.shape(values)))


def chance(rivals: Rivals, values: Array) -> Array:
    """K(v), the probability that no rival has a higher value."""
    result = np.ones(np.shape(values))
    for prior, power in rivals:
        result = result * prior.cdf(values) ** power
    return result


def top_value(prior: Prior) -> float:
    """The highest value, or one that is exceeded with probability 1e-16."""
    return prior.high if math.isfinite(prior.high) else float(prior.quantile(np.array(1 - 2**-53)))


def entry(rivals: Rivals, lowest: float, worth: Callable[[float, float], float], stake: bool) -> float:
    """The lowest type that takes part: where `worth(type, its chance to be alone)` reaches 0; inf if nobody's does.

    lowest : where to start;  stake : False where taking part costs nothing, so everybody from `lowest` up does.
    """
    bounded = all(math.isfinite(prior.high) for prior, _ in rivals)
    if bounded and lowest >= max(prior.high for prior, _ in rivals):
        return math.inf
    if not stake:
        return lowest

    def excess(value: float) -> float:
        return worth(value, float(chance(rivals, np.array(value))))

    top = max(lowest, *(top_value(prior) for prior, _ in rivals))
    if excess(lowest) >= 0:
        return lowest
    while excess(top) <= 0:
        if bounded or top > 1e300:
            return math.inf
        top = 2 * max(top, 1.0)
    return float(brentq(excess, lowest, top, xtol=1e-300, rtol=1e-15, maxiter=500))


def starting_edges(rivals: Rivals, start: float, closed: bool = True, levels: Array | None = None) -> Array:
    """First panels, from `start` or from just above the bottom to the top: quantiles, breaks and ends.

    closed : whether the top itself belongs to it (not where the integrand is infinite there).
    levels : which quantiles; by default enough that log K rises by less than `RISE` from one to the next.
    """
    low = max(prior.low for prior, _ in rivals)
    first = start if start > low else low + _first_step(rivals, low)
    top = max(top_value(prior) for prior, _ in rivals)
    if not closed:
        top = min(top, top - 16 * float(np.spacing(abs(top))))
    if top <= first:
        top = first + max(1.0, abs(first))
    parts = [np.array([first, top])]
    for prior, power in rivals:
        quantiles = np.asarray(prior.quantile(_levels(power) if levels is None else levels))
        parts += [quantiles, np.asarray(prior.breaks), np.array([prior.low, prior.high])]
    edges = np.unique(np.concatenate(parts))
    return edges[(edges >= first) & (edges <= top)]


def _levels(power: float) -> Array:
    """Probabilities between which log F^power rises by less than `RISE`, and some more."""
    rise = 0.95 * RISE
    steps = np.exp(-rise / power * np.arange(1, math.ceil(_reach(power) / rise)))
    return np.concatenate([_LEVELS, steps[steps > 1e-300]])


def _reach(power: float) -> float:
    """How far below 0 log F^power is followed."""
    return max(1500.0, 25 * power)


def _first_step(rivals: Rivals, low: float) -> float:
    """How far above the bottom the first panel begins: where next to nothing lies below."""
    steps = []
    for prior, power in rivals:
        if prior.low == low:
            least = max(1e-280, math.exp(-_reach(power) / power))
            tiny, median, floor = np.asarray(prior.quantile(np.array([1e-12, 0.5, least]))) - low
            steps.append(max(min(tiny, 1e-13 * median), floor, 64 * float(np.spacing(abs(low)))))
    return float(min(steps))


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

    panels = resolve(kappa, starting_edges(rivals, start), noise=_noise(rivals))
    return _mean(panels, kappa, max(prior.low for prior, _ in rivals), start, first)


@cached
def mean_value_of_attrition(prior: Prior, power: float, start: float) -> Piecewise:
    """v − ∫_t^v Λ / Λ(v), where Λ = −log(1 − F^power) is the accumulated hazard of the highest rival."""
    rivals = ((prior, power),)

    def kappa(x: Array) -> Array:
        return log_hazard(log_chance(rivals, x))

    panels = resolve(kappa, starting_edges(rivals, start, closed=False), noise=_noise(rivals))
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

    panels = resolve(kappa, starting_edges(rivals, start), alpha, noise=_noise(rivals))
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
        return np.exp(-alpha * x) / (np.exp(log - alpha * x) - np.expm1(log))

    panels = resolve(kappa, starting_edges(rivals, start), alpha, weight, noise=_noise(rivals))
    low, edge = max(prior.low for prior, _ in rivals), float(panels.edges[0])
    weights = weight(panels.nodes, panels.at_nodes)
    first = 0.0
    if start <= low:
        first = float(weights[0, 0]) * (edge - low) / (1 + steepness(kappa, low, edge))
    return Piecewise(
        panels.edges, decayed_integral(panels, weights, first), *((low, 0.0) if start <= low else (None, 0.0))
    )


def gather(priors: tuple[Prior, ...]) -> Rivals:
    """Equal priors together, with how many seats have them."""
    return tuple((prior, float(priors.count(prior))) for prior in dict.fromkeys(priors))


def winning_chance(rivals: Rivals, values: Array) -> Array:
    """The chance to win with truthful bids, ties shared: ∫_0^1 Π (F(v−) + u P(X = v)) du, u a tie-breaking draw."""
    if not any(prior.atoms for prior, _ in rivals):
        return chance(rivals, values)
    draws, weights = np.polynomial.legendre.leggauss(int(sum(power for _, power in rivals)) // 2 + 1)
    draws, weights = (1 + draws) / 2, weights / 2
    product = np.ones((*np.shape(values), len(draws)))
    for prior, power in rivals:
        upper = np.asarray(prior.cdf(values))[..., None]
        lower = np.asarray(prior.cdf(np.nextafter(values, -np.inf)))[..., None] if prior.atoms else upper
        product = product * (lower + draws * (upper - lower)) ** power
    return product @ weights


def truthful_payment(rivals: Rivals, reserve: float, values: Array) -> Array:
    """E[max(reserve, highest rival value); win] of truthful types from the reserve up.

    It is the value won less ∫_r^v K, the utility, to which ties do not matter.
    """
    if not rivals:
        return np.full(np.shape(values), reserve)
    if any(prior.atoms for prior, _ in rivals):
        return values * winning_chance(rivals, values) - _chance_integral(rivals, reserve)(values)
    low = max(prior.low for prior, _ in rivals)
    return chance(rivals, values) * mean_value_below(rivals, max(low, reserve))(values)


@cached
def _chance_integral(rivals: Rivals, reserve: float) -> Piecewise:
    """∫_r^v K where priors have atoms: panels between all of them."""
    ends = np.concatenate(
        [np.concatenate([support(prior), starting_edges(((prior, 1.0),), prior.low)]) for prior, _ in rivals]
    )
    ends = np.unique(np.append(ends[ends > reserve], reserve))
    left, right = ends[:-1], ends[1:]
    half = (right - left)[:, None] / 2
    cumulated = half * chance(rivals, nodes(left, right)) @ TO_INTEGRAL.T
    starts = np.append(0.0, np.cumsum(cumulated[:, -1])[:-1])
    return Piecewise(ends, starts[:, None] + cumulated[:, :-1])


def support(prior: Prior) -> Array:
    """The values that have positive probability, in order; none for a prior with a density."""
    return np.asarray(getattr(prior, "support", prior.breaks)) if prior.atoms else np.empty(0)


def kinks(priors: Iterable[Prior]) -> tuple[float, ...]:
    """Where a chance to win is not smooth: finite ends and breaks of the priors."""
    points = {float(point) for prior in priors for point in (prior.low, prior.high, *prior.breaks)}
    return tuple(sorted(point for point in points if math.isfinite(point)))
