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

    low, high : NaN where the likelihood is flat, the whole range with a single subject.
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
    """Estimates with intervals around θ; around θ − H⁻¹ Σ s, where a parameter is at the end of its range."""
    parameters, groups = model.parameters(sample), sample.count
    ends, place = _ends(parameters), _place(parameters, theta)
    units = _STEP * np.eye(len(theta))

    def likely(at: Array) -> Array:
        return sample.sums(model.log_chances(sample, _natural(parameters, at)))  # (G,)

    def bend(a: Array, b: Array) -> float:
        moves = (a + b, 1), (-a - b, 1), (a - b, -1), (b - a, -1)
        return sum(sign * float(likely(place + move).sum()) for move, sign in moves) / (4 * _STEP**2)

    scores = np.stack([(likely(place + unit) - likely(place - unit)) / (2 * _STEP) for unit in units], axis=1)
    hessian = np.array([[bend(a, b) for b in units] for a in units])
    inverse = np.linalg.inv(hessian) if abs(np.linalg.det(hessian)) > 0 else np.full(hessian.shape, np.nan)
    around = scores - scores.mean(axis=0)
    variance = inverse @ (around.T @ around) @ inverse * groups / max(groups - 1, 1)
    half = stdtrit(groups - 1, 0.975) * np.sqrt(np.diag(variance)) if groups > 1 else np.full(len(theta), np.inf)
    at_end = np.abs(place - ends).min(axis=0) < _STEP / 100
    centre = np.where(at_end, place - inverse @ scores.sum(axis=0), place)
    low, high = (_natural(parameters, np.clip(centre + side * half, *ends)) for side in (-1, 1))
    return tuple(
        Estimate(p.name, p.unit, float(theta[i]), float(low[i]), float(high[i]), bool(at_end[i]))
        for i, p in enumerate(parameters)
    )


def _ends(parameters: Sequence[Parameter]) -> Array:
    """The ends of the ranges as they are searched, (2, p)."""
    return np.array([_place(parameters, ends) for ends in zip(*((p.low, p.high) for p in parameters), strict=True)])


def _place(parameters: Sequence[Parameter], theta: Sequence[float] | Array) -> Array:
    return np.array([math.log(x) if p.log else x for p, x in zip(parameters, theta, strict=True)])


def _natural(parameters: Sequence[Parameter], place: Array) -> Array:
    return np.array([math.exp(x) if p.log else x for p, x in zip(parameters, place, strict=True)])
