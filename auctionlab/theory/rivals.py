"""What a bidder faces: K(v), the probability that every rival's value is below v, and means of values below v."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.quadrature import RISE

Rivals = tuple[tuple[Prior, float], ...]  # K = product of F^power over (prior, power)
F = TypeVar("F", bound=Callable[..., Any])

_QUANTILES = np.linspace(0, 1, 2001)[1:-1]  # where priors are searched for atoms and gaps
_LEVELS = 1 - np.array([0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.01, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12, 1e-14])


def private_priors(environment: Environment, rule: str) -> tuple[Prior, ...]:
    """The priors of all seats; NoEquilibrium unless values are private, scalar and independent."""
    kind = type(environment)
    private = kind.values is Environment.values and kind.value is Environment.value
    priors = tuple(prior for prior in environment.priors if prior is not None)
    if not private or environment.signal.shape != () or len(priors) < environment.n:
        raise NoEquilibrium(f"{rule}: equilibrium bids are known for independent private values of one item only")
    return priors


def distinct(priors: tuple[Prior, ...]) -> list[Prior]:
    """The different priors, in order."""
    found: list[Prior] = []
    for prior in priors:
        if prior not in found:
            found.append(prior)
    return found


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


def require_density(rule: str, prior: Prior, seat: int, gaps: bool = False) -> None:
    """NoEquilibrium where the prior has atoms or, unless they are harmless, a gap inside its support."""
    if prior.atoms:
        raise NoEquilibrium(
            f"{rule}: the prior of seat {seat} puts weight on single values, so bidders mix and no bid function exists"
        )
    values = np.asarray(prior.quantile(_QUANTILES))
    spread = float(values[-1] - values[0])
    steps = np.diff(values)
    if np.any(steps <= 0):
        point = float(values[:-1][steps <= 0][0])
        raise NoEquilibrium(
            f"{rule}: the prior of seat {seat} puts weight on the single value {point:g}, so bidders mix and no "
            "bid function exists"
        )
    for k in np.flatnonzero(steps > 0.01 * spread) if not gaps else ():
        inner = np.linspace(values[k], values[k + 1], 33)
        levels = np.asarray(prior.cdf(inner))
        empty = np.flatnonzero(np.diff(levels) <= 0)
        if len(empty):
            left, right = np.asarray(prior.quantile(levels[empty[0]] + np.array([0.0, 1e-9])))
            raise NoEquilibrium(
                f"{rule}: the prior of seat {seat} has a gap, no values between about {left:.3g} and {right:.3g}; "
                "different priors need densities above zero"
            )


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


def ends(rivals: Rivals) -> tuple[float, float]:
    """Where K leaves 0 and where it reaches 1."""
    return max(prior.low for prior, _ in rivals), max(prior.high for prior, _ in rivals)


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
    from scipy.optimize import brentq  # here: half the auctions have no threshold to look for

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
