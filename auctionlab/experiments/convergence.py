"""Statistics over replications: intervals of means, shares and medians, equivalence to theory or of two runs, drift.

Rounds of one replication are dependent, replications are not, so every sample here holds one value a replication.
"Converged" is a claim of equivalence and is tested as one, by two one-sided t tests (TOST; Schuirmann 1987): each at
level alpha, which together have size alpha. A difference that is merely not significant proves nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betaincinv, ndtr, stdtr, stdtrit

CONVERGED: Final = "converged"
NOT_CONVERGED: Final = "not converged"
UNDECIDED: Final = "undecided"

_POWER: Final = 0.8
_MOST: Final = 1_000_000  # replications; beyond it "how many are needed" has no useful answer


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided t interval; `sd` is of the n values. NaN where n = 0, infinitely wide where n = 1."""

    mean: float
    low: float
    high: float
    n: int
    sd: float


@dataclass(frozen=True)
class Equivalence:
    """The outcome of an equivalence test of a mean (or a difference) with `theory` ± `margin`.

    verdict : "converged": both one-sided tests reject at alpha, so the 1 − 2 alpha interval lies within the margin.
        "not converged": the two-sided 1 − alpha interval lies wholly outside the margin. Else "undecided".
    p : the larger of the two one-sided p values; NaN where n < 2.
    needed : where undecided, the replications for a decision with 80 % power if mean and sd stay as they are; None
        where that is more than a million (the mean sits on the margin's edge) or nothing is known of the sd (n = 1).
    """

    verdict: str
    estimate: Interval
    theory: float
    margin: float
    p: float
    needed: int | None = None


def interval(samples: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of independent values; NaNs (not measured) are left out."""
    mean, sd, n = _moments(samples)
    half = _half_width(sd / math.sqrt(n), n - 1, level) if n > 1 else (math.inf if n else math.nan)
    return Interval(mean, mean - half, mean + half, n, sd)


def share_interval(hits: ArrayLike, level: float = 0.95) -> Interval:
    """The share of independent yes-or-no values that are yes, with the interval of Clopper and Pearson (1934).

    It holds at least `level` of the time, whatever the share and however few the values. NaNs are left out.
    """
    values = np.asarray(hits, float).ravel()
    values = values[~np.isnan(values)]
    n, yes = len(values), float(values.sum())
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, math.nan)
    tail = (1 - level) / 2
    low = float(betaincinv(yes, n - yes + 1, tail)) if yes > 0 else 0.0
    high = float(betaincinv(yes + 1, n - yes, 1 - tail)) if yes < n else 1.0
    share = yes / n
    return Interval(share, low, high, n, math.sqrt(share * (1 - share)))


def median_interval(times: ArrayLike, level: float = 0.95) -> Interval:
    """The median of independent values with its interval from order statistics, which assumes no distribution.

    Infinite values are those that were never seen to end (censored): median and interval may be infinite. With fewer
    than six values no interval holds 95 % of the time, and it is infinite. `sd` is NaN.
    """
    values = np.sort(np.asarray(times, float).ravel())
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, math.nan)
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    depth = int(np.searchsorted(bdtr(np.arange(n // 2 + 1), n, 0.5), (1 - level) / 2, side="right"))
    low, high = (values[depth - 1], values[n - depth]) if depth > 0 else (-math.inf, math.inf)
    return Interval(float(middle), float(low), float(high), n, math.nan)


def tost(
    samples: ArrayLike, theory: float, margin: float, alpha: float = 0.05, theory_error: float = 0.0
) -> Equivalence:
    """Is the mean of the population within `margin` of `theory`?  Two one-sided t tests; see Equivalence.

    margin : absolute, above 0. theory_error : standard error of `theory` where it is itself simulated; it is added in
    quadrature to the samples' own.
    """
    mean, sd, n = _moments(samples)
    error = math.hypot(sd / math.sqrt(n), theory_error) if n > 1 else math.inf
    return _judge(mean, sd, n, error, n - 1, theory, margin, alpha, sd * sd, theory_error)


def equivalence(
    first: ArrayLike, second: ArrayLike, margin: float, paired: bool = False, alpha: float = 0.05
) -> Equivalence:
    """Do two runs have the same mean, up to ± margin?  TOST of mean(first) − mean(second).

    Independent runs: Welch's t (unequal variances). paired : value k of both comes from replication k under the same
    seed. The randomness of a replication depends on nothing but seed and number, so pairs are independent of each other
    but not within; then only the paired test is right, and it is the sharper one as well. Extra values of the longer
    sample are left out.
    """
    one, two = (np.asarray(sample, float).ravel() for sample in (first, second))
    if paired:
        n = min(len(one), len(two))
        return tost(one[:n] - two[:n], 0.0, margin, alpha)
    (mean_one, sd_one, n_one), (mean_two, sd_two, n_two) = _moments(one), _moments(two)
    difference, n = mean_one - mean_two, min(n_one, n_two)
    variance = sd_one**2 + sd_two**2  # of one difference, for the replications needed in each run
    if n < 2:
        return _judge(difference, math.sqrt(variance), n, math.inf, 0, 0.0, margin, alpha, variance)
    parts = sd_one**2 / n_one, sd_two**2 / n_two
    total = sum(parts)
    freedom = total**2 / (parts[0] ** 2 / (n_one - 1) + parts[1] ** 2 / (n_two - 1)) if total > 0 else n_one + n_two - 2
    return _judge(difference, math.sqrt(variance), n, math.sqrt(total), freedom, 0.0, margin, alpha, variance)


def drift(first_half: ArrayLike, second_half: ArrayLike, margin: float, alpha: float = 0.05) -> Equivalence:
    """Did play stand still within the window?  Paired TOST of second half − first half, one value a replication."""
    return equivalence(second_half, first_half, margin, paired=True, alpha=alpha)


def replications_needed(
    distance: float, variance: float, margin: float, alpha: float = 0.05, theory_error: float = 0.0
) -> int | None:
    """Replications for a decision with 80 % power, if the true mean is `distance` from theory.

    Normal approximation with t quantiles: inside the margin the power of TOST is Φ(a) + Φ(b) − 1, where a and b are
    the distances to the two edges in standard errors less the one-sided quantile (Chow, Shao and Wang 2008, ch. 3);
    outside it is Φ of the distance to the near edge less the two-sided quantile. The standard error at n replications
    is √(variance / n + theory_error²). None where a million would not do.
    """
    if math.isnan(distance) or math.isnan(variance):
        return None

    def power(n: int) -> float:
        error = math.hypot(math.sqrt(variance / n), theory_error)
        if error == 0.0:
            return float(distance != margin)
        if distance < margin:
            quantile = stdtrit(n - 1, 1 - alpha)
            near, far = (margin - distance) / error - quantile, (margin + distance) / error - quantile
            return float(ndtr(near) + ndtr(far) - 1)
        return float(ndtr((distance - margin) / error - stdtrit(n - 1, 1 - alpha / 2)))

    if power(_MOST) < _POWER:
        return None
    low, high = 1, 2
    while power(high) < _POWER:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= _POWER else (middle, high)
    return high


def _judge(
    mean: float,
    sd: float,
    n: int,
    error: float,
    freedom: float,
    theory: float,
    margin: float,
    alpha: float,
    variance: float,
    theory_error: float = 0.0,
) -> Equivalence:
    if n < 2:
        spread = math.inf if n else math.nan
        estimate = Interval(mean, mean - spread, mean + spread, n, sd)
        return Equivalence(UNDECIDED, estimate, theory, margin, math.nan)
    distance = abs(mean - theory)
    p = float(stdtr(freedom, (distance - margin) / error)) if error > 0 else float(distance >= margin)
    wide = _half_width(error, freedom, 1 - alpha)
    estimate = Interval(mean, mean - wide, mean + wide, n, sd)
    if p <= alpha:
        return Equivalence(CONVERGED, estimate, theory, margin, p)
    if distance - wide > margin:
        return Equivalence(NOT_CONVERGED, estimate, theory, margin, p)
    needed = replications_needed(distance, variance, margin, alpha, theory_error)
    return Equivalence(UNDECIDED, estimate, theory, margin, p, needed)


def _moments(samples: ArrayLike) -> tuple[float, float, int]:
    """Mean, standard deviation and number of the values that are not NaN."""
    values = np.asarray(samples, float).ravel()
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return math.nan, math.nan, 0
    mean = float(values[0] + (values - values[0]).mean())  # exact where all are equal
    return mean, float(values.std(ddof=1)) if n > 1 and np.ptp(values) > 0 else (0.0 if n > 1 else math.nan), n


def _half_width(error: float, freedom: float, level: float) -> float:
    return float(stdtrit(freedom, 0.5 + level / 2)) * error if error > 0 else 0.0
