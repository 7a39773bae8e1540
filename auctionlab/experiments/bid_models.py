"""Models of bids in a first-price auction, each as the chance of every step of one common grid of bids.

Bids are put on a grid of K equal steps from the lowest legal bid to the top value, and every model says with what
chance a bid falls into each step. So models with a density and models of finitely many bids are comparable.

risk-neutral      the equilibrium bid plus noise
risk-averse       the equilibrium bid under constant relative risk aversion rho, the same for all, plus noise
... by subject    every subject with a rho of its own, as Cox, Smith and Walker (1988) propose, with common noise
logit             the logit equilibrium: exp(precision × expected utility), which makes costly mistakes rare
logit, risk-averse   the same among bidders with rho  (Goeree, Holt and Palfrey 2002)

Noise is normal with one standard deviation at all values, cut off at the ends of the grid. Subjects whose rhos differ
meet each other: for values uniform from 0 the bid v (n − 1)/(n − rho) is then still an equilibrium up to the highest
bid of the risk-neutral, (n − 1)/n of the top; above it, and for other priors, "by subject" is an approximation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.sparse import csr_array
from scipy.special import log_ndtr

from auctionlab.arrays import Array
from auctionlab.environments.risk import Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.experiments.observed import Auction, Observed
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.logit import first_price_logit, logit_log_chances

RHO: Final = 0.99  # the most risk aversion that is looked for
PRECISION: Final = 1000.0  # the most precision
_CURVES: Final = np.linspace(0.0, RHO, 34)  # at which equilibria are computed; cubic between
_SEARCH: Final = np.linspace(0.0, RHO, 67)  # at which each subject's rho is looked for; parabola between


class Sample:
    """Observed bids on the grid: values (N,), steps (N,) of the grid, subjects (N,), and equilibrium bids by rho."""

    def __init__(self, observed: Observed, auction: Auction, bids: int) -> None:
        self.values, self.subjects, self.count = observed.values, observed.subjects, len(observed.names)
        self.bids, self.auction = observed.bids, auction
        prior = auction.prior
        top = prior.high if np.isfinite(prior.high) else max(float(prior.quantile(np.array(0.999))), self.bids.max())
        self.grid = np.linspace(auction.mechanism.reserve, top, bids)  # (K,)
        self.step = float(self.grid[1] - self.grid[0])
        self.steps = np.rint((self.bids - self.grid[0]) / self.step).astype(int)
        self.rows = np.arange(len(self.bids))

    @cached_property
    def _curve(self) -> CubicSpline:
        tables = []
        for rho in _CURVES:
            environment = replace(self.auction.environment, risk=Crra(rho=float(rho)))
            tables.append(equilibrium(self.auction.mechanism, environment).bids[0](self.values))
        return CubicSpline(_CURVES, np.array(tables))

    def part(self, rows: Array) -> Sample:
        """Some of the bids: a mask or numbers of rows."""
        self._curve  # noqa: B018 - computed once, then shared
        some = object.__new__(Sample)
        some.__dict__.update(vars(self))
        for name in ("values", "bids", "subjects", "steps", "rows"):
            setattr(some, name, getattr(self, name)[rows])
        return some

    def equilibrium(self, rho: float | Array) -> Array:
        """Equilibrium bids (..., N) of bidders who all have this rho (...), just outside [0, 0.99] as well."""
        return np.asarray(self._curve(rho))[..., self.rows]

    def sums(self, numbers: Array) -> Array:
        """Sums (..., G) over the bids of each subject of numbers (..., N)."""
        where = self.subjects, np.arange(len(self.subjects))
        whose = csr_array((np.ones(len(self.subjects)), where), shape=(self.count, len(self.subjects)))
        return np.asarray((whose @ numbers.T).T)


@dataclass(frozen=True)
class Parameter:
    """What is estimated: its range, and whether it is searched for, and its interval made, in logarithms."""

    name: str
    unit: str
    low: float
    high: float
    log: bool


class Model(ABC):
    """How bids come about, up to parameters that are common to all subjects."""

    kind: ClassVar[str]
    name: ClassVar[str]

    @abstractmethod
    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        """The common parameters, in order."""

    @abstractmethod
    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        """Where to begin the search."""

    @abstractmethod
    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        """Log-chance (N,) of the step of each bid; −inf where the model has no answer.   own : each subject's (G,)."""

    def own(self, sample: Sample, theta: Array) -> Array | None:
        """Each subject's own parameter (G,) given the common ones; None where there is no such thing."""
        return None


class RiskNeutral(Model):
    kind, name = "risk-neutral", "risk-neutral"

    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        return (_noise(sample),)

    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        return [(float(np.std(sample.bids - sample.equilibrium(0.0))) + sample.step,)]

    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        return _noisy(sample, sample.equilibrium(0.0), theta[0])


class RiskAverse(Model):
    kind, name = "risk-averse", "risk-averse"

    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        return Parameter("rho", "", 0.0, RHO, False), _noise(sample)

    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        return [(rho, float(np.std(sample.bids - sample.equilibrium(rho))) + sample.step) for rho in (0.1, 0.5, 0.8)]

    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        return _noisy(sample, sample.equilibrium(theta[0]), theta[1])


class RiskAverseBySubject(Model):
    kind, name = "risk-averse-by-subject", "risk-averse by subject"

    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        return (_noise(sample),)

    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        return [(theta[1],) for theta in RiskAverse().starts(sample)]

    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        rhos = self.own(sample, theta) if own is None else own
        several = sample.equilibrium(_SEARCH)  # (J, N)
        place = np.clip(rhos[sample.subjects] / RHO, 0, 1) * (len(_SEARCH) - 1)
        left = np.minimum(place.astype(int), len(_SEARCH) - 2)
        share, bid = place - left, np.arange(len(left))
        return _noisy(sample, (1 - share) * several[left, bid] + share * several[left + 1, bid], theta[0])

    def own(self, sample: Sample, theta: Array) -> Array:
        likely = sample.sums(_noisy(sample, sample.equilibrium(_SEARCH), theta[0]))  # (J, G)
        best, who = likely.argmax(axis=0), np.arange(sample.count)
        middle = np.clip(best, 1, len(_SEARCH) - 2)
        before, at, after = (likely[middle + move, who] for move in (-1, 0, 1))
        bend = before - 2 * at + after
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.where(bend < 0, (before - after) / (2 * bend), 0.0)
        inside = best == middle
        return np.asarray(_SEARCH[best] + np.where(inside, np.clip(shift, -1, 1), 0.0) * (_SEARCH[1] - _SEARCH[0]))


class Logit(Model):
    kind, name = "logit", "logit"

    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        return (Parameter("precision", "per range of utility", 0.1, PRECISION, True),)

    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        return [(precision,) for precision in (3.0, 10.0, 30.0, 100.0, 300.0)]

    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        return self.responses(sample, theta[0], 0.0)

    def responses(self, sample: Sample, precision: float, rho: float) -> Array:
        """Log-chances (N,) of the observed steps."""
        try:
            chances = logit_chances(sample.auction, sample.grid, sample.values, precision, rho)
        except NoEquilibrium:
            return np.full(len(sample.values), -np.inf)
        return np.asarray(chances[np.arange(len(sample.steps)), sample.steps])


class LogitRiskAverse(Logit):
    kind, name = "logit-risk-averse", "logit, risk-averse"

    def parameters(self, sample: Sample) -> tuple[Parameter, ...]:
        return (*super().parameters(sample), Parameter("rho", "", 0.0, RHO, False))

    def starts(self, sample: Sample) -> list[tuple[float, ...]]:
        return [(precision, rho) for precision in (10.0, 50.0, 250.0) for rho in (0.2, 0.5, 0.8)]

    def log_chances(self, sample: Sample, theta: Array, own: Array | None = None) -> Array:
        return self.responses(sample, theta[0], theta[1])


def logit_chances(auction: Auction, grid: Array, values: Array, precision: float, rho: float) -> Array:
    """Log-chances (B, K) of bids at values (B,) in the logit equilibrium under constant relative risk aversion.

    Precision counts as in the strategy `quantal-response`: per range of utility, u(top) − u(−top).
    """
    risk = Crra(rho=float(rho))
    weight = precision / float(2 * risk.u(grid[-1:])[0])
    win = first_price_logit(auction.prior, auction.environment.n, grid, weight, risk.u)
    return logit_log_chances(win, values, grid, weight, risk.u)


def _noise(sample: Sample) -> Parameter:
    return Parameter("noise", "money", sample.step / 10, float(np.ptp(sample.grid)), True)


def _noisy(sample: Sample, means: Array, spread: float) -> Array:
    """Log-chances (..., N) of the observed steps: normal around means (..., N), cut off at the ends of the grid."""
    low = sample.grid[sample.steps] - sample.step / 2
    ends = sample.grid[0] - sample.step / 2, sample.grid[-1] + sample.step / 2
    return _between(means, spread, low, low + sample.step) - _between(means, spread, *ends)


def _between(means: Array, spread: float, low: Array | float, high: Array | float) -> Array:
    """Log-chance that a normal variable falls between low and high, also far out in a tail."""
    a, b = (low - means) / spread, (high - means) / spread
    a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)  # the left tail, where the logarithm is exact
    below, above = log_ndtr(a), log_ndtr(b)
    with np.errstate(divide="ignore"):
        return np.asarray(above + np.log1p(-np.exp(below - above)))
