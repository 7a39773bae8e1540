"""Any continuous distribution of scipy.stats as a prior."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._checks import require
from auctionlab.environments._inverse import InverseTable
from auctionlab.errors import ConfigError, suggest


@dataclass(frozen=True)
class Scipy(Prior):
    """The continuous distribution of scipy.stats with this name and these parameters, `loc` and `scale` among them.

    As exact as SciPy's own functions. Quantiles come from an interpolated table of SciPy's inverse, right to a relative
    1e-12 or to the accuracy of that inverse, whichever is less. The expectation may be inf or nan.
    Source: Virtanen et al. (2020), SciPy 1.0.
    """

    name: Annotated[str, Field(description="name in scipy.stats, such as gamma or weibull_min")]
    parameters: Annotated[dict[str, float], Field(description="its shape parameters, loc and scale")] = field(
        default_factory=dict, hash=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", dict(self.parameters))
        family = _family(self.name)
        shapes = [shape.strip() for shape in (family.shapes or "").split(",") if shape.strip()]
        for key, value in self.parameters.items():
            if key not in (*shapes, "loc", "scale"):
                raise ConfigError(f"parameters: {self.name} has no {key!r}. {suggest(key, [*shapes, 'loc', 'scale'])}")
            number = isinstance(value, int | float) and math.isfinite(value)
            require(number, f"parameters.{key}: should be a finite number, got {value!r}")
        missing = [shape for shape in shapes if shape not in self.parameters]
        require(not missing, f"parameters: {self.name} needs {' and '.join(map(repr, missing))}")
        require(
            not any(math.isnan(end) for end in self._ends),
            f"parameters: scipy.stats.{self.name} does not allow {self.parameters!r}",
        )

    @cached_property
    def _frozen(self) -> Any:
        return _family(self.name)(**self.parameters)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low, high = self._frozen.support()
        return float(low), float(high)

    @property
    def low(self) -> float:
        return self._ends[0]

    @property
    def high(self) -> float:
        return self._ends[1]

    @cached_property
    def expectation(self) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy warns where the integral diverges; the answer says so
            return float(self._frozen.mean())

    def cdf(self, values: Array) -> Array:
        return self._call("cdf", values)

    def sf(self, values: Array) -> Array:
        return self._call("sf", values)

    def pdf(self, values: Array) -> Array:
        return self._call("pdf", values)

    def logcdf(self, values: Array) -> Array:
        return self._call("logcdf", values)

    def logsf(self, values: Array) -> Array:
        return self._call("logsf", values)

    def quantile(self, probabilities: Array) -> Array:
        return self._table(probabilities)

    def _call(self, function: str, arguments: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(getattr(self._frozen, function)(arguments))

    @cached_property
    def _table(self) -> InverseTable:
        with np.errstate(all="ignore"):
            return InverseTable(self._frozen.ppf, self._frozen.isf, *self._ends, noise=self._noise)

    def _noise(self, values: Array, p: Array, q: Array) -> Array:
        """How far SciPy's inverse is from inverting SciPy's distribution function, in money."""
        with np.errstate(all="ignore"):
            gap = np.where(p <= 0.5, np.abs(self.cdf(values) - p), np.abs(self.sf(values) - q))
            return np.nan_to_num(8 * gap / self.pdf(values), posinf=0.0)


def _family(name: str) -> Any:
    """The distribution of scipy.stats with this name; raises ConfigError with the nearest."""
    from scipy import stats  # here: it takes a second, and few experiments need it

    found = vars(stats).get(name)
    if isinstance(found, stats.rv_continuous):
        return found
    if isinstance(found, stats.rv_discrete):
        raise ConfigError(f"name: scipy.stats.{name} is discrete; the prior 'discrete' takes values and weights")
    names = [key for key, value in vars(stats).items() if isinstance(value, stats.rv_continuous)]
    near = suggest(name, names)
    hint = near if near.startswith("Did") else "Allowed: its continuous distributions, such as gamma or weibull_min"
    raise ConfigError(f"name: unknown distribution {name!r} of scipy.stats. {hint}")
