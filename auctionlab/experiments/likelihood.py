"""Maximum likelihood of a model of bids, with intervals that count subjects and not bids.

Bids of one subject depend on each other, and no model is quite right, so standard errors are clustered by subject: the
sandwich H⁻¹ Σ s s′ H⁻¹ of White (1982), Econometrica 50, with the score s of each subject and the Hessian H by
differences. Intervals are Student's t over subjects, in logarithms for what is positive, cut off at the range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.special import stdtrit

from auctionlab.arrays import Array
from auctionlab.experiments.bid_models import Model, Parameter, Sample

_STEP: Final = 0.01  # of differences, and how near its end a parameter counts as there
_OPTIONS: Final[Any] = {"xatol": 1e-4, "fatol": 1e-8, "maxiter": 2_000}


@dataclass(frozen=True)
class Estimate:
    """A parameter: its estimate and 95 % interval; `at_end` where it lies at the end of the range that is searched.

    low, high : NaN where the likelihood says nothing of them, and with a single subject.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    at_end: bool


def maximise(model: Model, sample: Sample, starts: Sequence[Array]) -> Array:
    """The parameters of the highest likelihood, by the simplex method of Nelder and Mead from the best start."""
    parameters = model.parameters(sample)
    ends = _ends(parameters)

    def loss(place: Array) -> float:
        mean = float(model.log_chances(sample, _natural(parameters, place)).mean())
        return -mean if math.isfinite(mean) else 1e6

    begin = min((np.clip(_place(parameters, start), *ends) for start in starts), key=loss)
    away = np.diag(np.where(begin + 0.1 < ends[1], 0.1, -0.1))
    options: Any = {**_OPTIONS, "initial_simplex": np.vstack([begin, begin + away])}
    bounds = Bounds(*ends)
    return _natural(parameters, minimize(loss, begin, method="Nelder-Mead", bounds=bounds, options=options).x)


def intervals(model: Model, sample: Sample, theta: Array) -> tuple[Estimate, ...]:
    """Estimates with their intervals.

    A parameter at the end of its range is held there for the others' intervals; its own is around where the likelihood
    would lead it beyond the end, θ − s/H of it alone, and NaN where the likelihood does not bend that way.
    """
    parameters, groups = model.parameters(sample), sample.count
    ends, place = _ends(parameters), _place(parameters, theta)
    inside = np.clip(place, ends[0] + 2 * _STEP, ends[1] - 2 * _STEP)  # differences stay within the range
    units = _STEP * np.eye(len(theta))

    def likely(at: Array) -> Array:
        return sample.sums(model.log_chances(sample, _natural(parameters, at)))  # (G,)

    def bend(a: Array, b: Array) -> float:
        moves = (a + b, 1), (-a - b, 1), (a - b, -1), (b - a, -1)
        return sum(sign * float(likely(inside + move).sum()) for move, sign in moves) / (4 * _STEP**2)

    scores = np.stack([(likely(inside + unit) - likely(inside - unit)) / (2 * _STEP) for unit in units], axis=1)
    hessian = np.array([[bend(a, b) for b in units] for a in units])
    at_end = np.abs(place - ends).min(axis=0) < _STEP / 100
    centre, error = place.copy(), np.full(len(theta), np.nan)
    blocks = [np.flatnonzero(~at_end), *np.flatnonzero(at_end)[:, None]]
    for block in (block for block in blocks if len(block)):
        bends, total = hessian[np.ix_(block, block)], scores[:, block].sum(axis=0)
        if groups < 2 or not (np.linalg.eigvalsh(bends) < 0).all():
            continue
        inverse, around = np.linalg.inv(bends), scores[:, block] - total / groups
        variance = inverse @ (around.T @ around) @ inverse * groups / (groups - 1)
        error[block] = np.sqrt(np.diag(variance))
        if at_end[block].any():
            centre[block] = inside[block] - inverse @ total
    half = stdtrit(groups - 1, 0.975) * error if groups > 1 else error
    low, high = (_natural(parameters, np.clip(centre + side * half, *ends)) for side in (-1, 1))
    return tuple(
        Estimate(p.name, p.unit, float(x), float(np.minimum(a, x)), float(np.maximum(b, x)), bool(end))
        for p, x, a, b, end in zip(parameters, theta, low, high, at_end, strict=True)
    )


def _ends(parameters: Sequence[Parameter]) -> Array:
    """The ends of the ranges as they are searched, (2, p)."""
    return np.array([_place(parameters, ends) for ends in zip(*((p.low, p.high) for p in parameters), strict=True)])


def _place(parameters: Sequence[Parameter], theta: Sequence[float] | Array) -> Array:
    return np.array([math.log(x) if p.log else x for p, x in zip(parameters, theta, strict=True)])


def _natural(parameters: Sequence[Parameter], place: Array) -> Array:
    return np.array([math.exp(x) if p.log else x for p, x in zip(parameters, place, strict=True)])
