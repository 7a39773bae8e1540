"""What efficient mechanisms promise in an environment: some by proof, some by looking at all corners of it.

With linear values the gains compared here are piecewise linear in types, so a grid with the ends of every support and
many points between shows where they change sign; the audit looks again, with other points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism
from auctionlab.errors import ConfigError
from auctionlab.theory.choice import Choice, least_types

_PROFILES = 4000
_ROUNDING = 1e-9  # of the largest value
_STEPS = np.array([1e-3, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1 - 1e-3])


def groves_promises(mechanism: Mechanism, environment: Environment, rule: str, charge: float) -> frozenset[str]:
    """The claims of a Groves mechanism.

    dsic         proved for reports (Groves 1973): any number is one, so staying out is a matter of participation
    ex-post-ir   looked up;  interim-ir  follows, or by the accounts of `theory.efficient` where types are scalar
    no-deficit   proved for costless outcomes where h_i is at least the others' best: Clarke's rule, or values of the
                 lowest types that are not negative
    """
    found = _cached(_groves, mechanism, environment, rule, charge)
    return frozenset(found)


def _groves(mechanism: Any, environment: Environment, rule: str, charge: float) -> set[str]:
    claims = {"dsic", "ex-post-ic", "efficient"}
    if (
        rule != "worst-off"
        and charge >= 0
        and _costless(environment)
        and (rule == "others" or _generous(environment, rule))
    ):
        claims.add("no-deficit")
    signals = _profiles(environment)
    unit = _ROUNDING * max(1e-300, float(np.abs(signals).max()))
    values = environment.values(signals)
    truth, outside = environment.utility(mechanism.run(signals), values), environment.outside(values)
    if np.all(truth >= outside - unit):
        claims.add("ex-post-ir")
    if environment.independent:
        claims.add("bic")
        if "ex-post-ir" in claims or _interim(environment, rule, charge) >= -unit:
            claims.add("interim-ir")
    return claims


def participation(margins: Callable[[], tuple[float, ...]], environment: Environment) -> bool:
    """True where the least margin over the outside option is not negative, up to rounding; False where unknown."""
    try:
        return min(margins()) >= -_ROUNDING * max(1e-300, _size(environment))
    except ConfigError:
        return False


def _interim(environment: Environment, rule: str, charge: float) -> float:
    from auctionlab.theory.efficient import groves_accounts

    try:
        return min(groves_accounts(environment, rule, charge).margin)
    except ConfigError:
        return -np.inf


def _costless(environment: Environment) -> bool:
    return not Choice(environment).costs.any()


def _generous(environment: Environment, rule: str) -> bool:
    """True where every outcome has one that is the same to all others and not bad for the seat's lowest type.

    Then welfare at the lowest type is at least the best that the others could have had, so payments are not negative.
    """
    if rule != "lowest":
        return False
    choice, least = Choice(environment), least_types(environment)
    n = environment.n
    probes = np.stack([np.zeros_like(least), np.ones_like(least), least])
    worth = choice.worth(probes)  # (K, n, 3)
    same = (worth[:, None] == worth[None]).all(axis=3)  # (K, K, n)
    allowed = environment.without()
    for seat in range(n):
        rivals = [j for j in range(n) if j != seat]
        alike = same[:, :, rivals].all(axis=2) & (allowed[None, :, rivals] >= allowed[:, None, rivals]).all(axis=2)
        if not (alike & (worth[:, seat, 2] >= 0)[None]).any(axis=1).all():
            return False
    return True


def _profiles(environment: Environment) -> Array:
    """Profiles of types (Q, n, *S) with all corners: a grid where it is small, else corners and scattered points."""
    n, shape = environment.n, environment.signal.shape
    low, high = (
        np.broadcast_to(np.asarray(end, float), (n, *shape)).reshape(-1)
        for end in (environment.signal.low, environment.signal.high)
    )
    axes = []
    for place, (bottom, top) in enumerate(zip(low, high, strict=True)):
        prior: Any = environment.priors[place] if not shape else None
        inner = bottom + _STEPS * (top - bottom) if prior is None else np.asarray(prior.quantile(_STEPS))
        support = getattr(prior, "support", None)
        points = np.asarray(support) if support is not None else np.concatenate([[bottom, top], inner])
        axes.append(np.unique(points[np.isfinite(points)]))
    if float(np.prod([len(axis) for axis in axes])) <= _PROFILES:
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    else:
        steps = (np.arange(1, _PROFILES + 1)[:, None] * np.sqrt(np.arange(2, 2 + 2 * len(axes)) + 0.5)) % 1.0
        picked = np.stack([axis[(steps[:, j] * len(axis)).astype(int)] for j, axis in enumerate(axes)], axis=1)
        ends = np.stack([axis[np.where(steps[:, j] < 0.5, 0, -1)] for j, axis in enumerate(axes)], axis=1)
        ties = np.stack([axis[np.minimum(np.arange(16), len(axis) - 1)] for axis in axes], axis=1)
        grid = np.concatenate([picked, ends, ties])
    return grid.reshape(len(grid), n, *shape)


def _size(environment: Environment) -> float:
    signals = _profiles(environment)
    return float(np.abs(signals).max())


@lru_cache(maxsize=128)
def _remember(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _cached(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return _remember(function, *arguments)
    except TypeError:  # an argument that cannot be hashed
        return function(*arguments)
