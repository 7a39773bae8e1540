"""Models of bids fitted to observed bids by maximum likelihood, and compared by what they say of bids held out.

The subject is the unit of every interval. Models are compared out of sample: each subject's bids are dealt alternately
into two halves, and models fitted to one half are scored on the other, both ways. A model is worse where the 95 %
interval of its mean shortfall over subjects, widened for the number of comparisons (Bonferroni), leaves out 0; else the
comparison is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.experiments.bid_models import (
    Logit,
    LogitRiskAverse,
    Model,
    RiskAverse,
    RiskAverseBySubject,
    RiskNeutral,
    Sample,
)
from auctionlab.experiments.convergence import Interval, interval, share_interval
from auctionlab.experiments.likelihood import Estimate, intervals, maximise
from auctionlab.experiments.observed import Auction, Observed
from auctionlab.experiments.tables import plain_data

MODELS: Final[tuple[type[Model], ...]] = (RiskNeutral, RiskAverse, RiskAverseBySubject, Logit, LogitRiskAverse)
GRID: Final = 101  # bids on the grid
BEST, WORSE, UNDECIDED = "best", "worse", "undecided"
_NOTHING: Final = 1e-4  # of log-chance, to which the search is exact
_ROUNDING: Final = 1e-9  # of bids, of their range
_EACH: Final = 4  # bids that every subject needs for a parameter of its own
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A model fitted to all bids, and how it did.

    log_likelihood, aic, bic : in sample; bic counts bids.   parameters : how many, those of subjects included.
    own : each subject's own parameter, empty where there is none.
    held_out : log-chance of a bid's step when fitted to the other half, averaged within, then over subjects.
    shortfall : of held_out from the best model's, paired by subject, interval widened (Bonferroni).
    verdict : "best", "worse" or "undecided".
    """

    kind: str
    name: str
    estimates: tuple[Estimate, ...]
    parameters: int
    log_likelihood: float
    aic: float
    bic: float
    own: tuple[float, ...]
    held_out: Interval
    shortfall: Interval
    verdict: str

    def estimate(self, name: str) -> Estimate:
        """The common parameter of that name."""
        return next(found for found in self.estimates if found.name == name)


@dataclass(frozen=True)
class Described:
    """What Cox, Smith and Walker report of bids, before any model; every interval is over subjects.

    above : share of a subject's bids above the risk-neutral equilibrium bid.   overbid : mean of bid less that, in
    money.   relative : the same as a share of that.   bidders_above : share of subjects who overbid on average.
    slope, intercept : least squares of bid on value, subject by subject; slope_neutral : of the equilibrium bids at the
    same values.   spread_low, spread_high : standard deviation around those lines below and above the median value.
    """

    above: Interval
    overbid: Interval
    relative: Interval
    bidders_above: Interval
    slope: Interval
    intercept: Interval
    slope_neutral: float
    spread_low: float
    spread_high: float


@dataclass(frozen=True)
class Fit:
    """All models beside each other."""

    observed: Observed
    auction: Auction
    grid: Array
    described: Described
    models: tuple[Fitted, ...]
    notes: tuple[str, ...]

    @property
    def best(self) -> Fitted:
        """The model that says most of held-out bids."""
        return next(model for model in self.models if model.verdict == BEST)

    def model(self, kind: str) -> Fitted:
        """The fitted model of that kind."""
        return next(model for model in self.models if model.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Plain data in full precision."""
        data, game = self.observed, self.auction
        return dict(
            plain_data(
                {
                    "data": {
                        "source": data.source,
                        "bids": len(data.bids),
                        "subjects": len(data.names),
                        "left_out": data.left_out,
                        "alone": data.alone,
                    },
                    "auction": {
                        "mechanism": game.mechanism.to_parameters(),
                        "environment": game.environment.to_parameters(),
                        "grid": {"bids": len(self.grid), "lowest": self.grid[0], "highest": self.grid[-1]},
                    },
                    "described": asdict(self.described),
                    "models": [asdict(model) for model in self.models],
                    "subjects": list(data.names),
                    "best": self.best.kind,
                    "notes": self.notes,
                }
            )
        )


def fit(
    observed: Observed,
    auction: Auction,
    bids: int = GRID,
    tell: Tell = lambda message: None,
    models: Sequence[type[Model]] = MODELS,
) -> Fit:
    """Fit at least two models to the bids.   bids : steps of the common grid.   tell : is told which model comes next.

    Raises ConfigError for values or bids that cannot be in this auction.
    """
    auction.check(observed)
    sample = Sample(observed, auction, bids)
    notes = []
    kinds = list(models)
    fewest = int(np.bincount(sample.subjects).min())
    if observed.alone:
        notes.append("nobody says who bid, so every bid counts as a subject of its own, and intervals are too narrow")
    if fewest < _EACH:
        kinds = [kind for kind in kinds if kind is not RiskAverseBySubject]
        if not observed.alone:
            notes.append(f"a rho for each subject needs at least {_EACH} bids of everybody; somebody has {fewest}")
    if observed.left_out:
        notes.append(f"{observed.left_out:,} rows without a bid are left out")
    drafts = []
    for kind in kinds:
        tell(kind.name)
        drafts.append(_draft(kind(), sample))
    return Fit(observed, auction, sample.grid, describe(sample), _compared(drafts, sample), tuple(notes))


def describe(sample: Sample) -> Described:
    """What holds of the bids whatever the model."""
    neutral = sample.equilibrium(0.0)
    counts = sample.sums(np.ones(len(sample.bids)))

    def mean(numbers: Array) -> Array:
        return sample.sums(numbers) / counts

    over, least = mean(sample.bids - neutral), _ROUNDING * float(np.ptp(sample.grid))
    slope, intercept = _lines(sample, sample.bids, mean)
    slope_neutral, _ = _lines(sample, neutral, mean)
    off = sample.bids - intercept[sample.subjects] - slope[sample.subjects] * sample.values
    known, low = np.isfinite(off), sample.values <= np.median(sample.values)
    return Described(
        interval(mean((sample.bids > neutral + least) * 1.0)),
        interval(over),
        interval(over / mean(neutral)),
        share_interval((over > least) * 1.0),
        interval(slope),
        interval(intercept),
        float(np.nanmean(slope_neutral)) if np.isfinite(slope_neutral).any() else math.nan,
        *(float(np.std(off[known & side])) if (known & side).any() else math.nan for side in (low, ~low)),
    )


def _lines(sample: Sample, bids: Array, mean: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Slope and intercept (G,) of least squares by subject; NaN with fewer than three bids or with one value only."""
    centre, level = mean(sample.values), mean(bids)
    moved = sample.values - centre[sample.subjects]
    spread = mean(moved**2)
    few = (np.bincount(sample.subjects, minlength=sample.count) < 3) | (spread <= 0)
    slope = np.where(few, np.nan, mean(moved * bids) / np.where(few, 1.0, spread))
    return slope, level - slope * centre


@dataclass(frozen=True)
class _Draft:
    model: Model
    estimates: tuple[Estimate, ...]
    own: Array | None
    log_likelihood: float
    held_out: Array  # (G,)


def _draft(model: Model, sample: Sample) -> _Draft:
    theta = maximise(model, sample, [np.array(start) for start in model.starts(sample)])
    own = model.own(sample, theta)
    first = _alternate(sample.subjects) == 0
    scores = np.empty(len(sample.bids))
    for half in (first, ~first):
        other, train = sample.part(half), sample.part(~half)
        found = maximise(model, train, [theta])
        scores[half] = model.log_chances(other, found, model.own(train, found))
    counts = sample.sums(np.ones(len(scores)))
    total = float(model.log_chances(sample, theta).sum())
    return _Draft(model, intervals(model, sample, theta), own, total, sample.sums(scores) / counts)


def _alternate(subjects: Array) -> Array:
    """0 and 1 in turn along each subject's bids; the next subject begins with the other."""
    order = np.argsort(subjects, kind="stable")
    turn = np.empty(len(subjects), int)
    turn[order] = np.arange(len(subjects)) % 2
    return turn


def _compared(drafts: Sequence[_Draft], sample: Sample) -> tuple[Fitted, ...]:
    """Every model beside the one that says most of held-out bids."""
    best = max(drafts, key=lambda draft: float(draft.held_out.mean()))
    level = 1 - 0.05 / (len(drafts) - 1)
    found = []
    for draft in drafts:
        short = interval(best.held_out - draft.held_out, level)
        verdict = BEST if draft is best else WORSE if short.low > _NOTHING else UNDECIDED
        own = () if draft.own is None else tuple(map(float, draft.own))
        count, total = len(draft.estimates) + len(own), draft.log_likelihood
        criteria = 2 * count - 2 * total, count * math.log(len(sample.bids)) - 2 * total
        what = draft.model.kind, draft.model.name, draft.estimates, count, total
        found.append(Fitted(*what, *criteria, own, interval(draft.held_out), short, verdict))
    return tuple(found)
