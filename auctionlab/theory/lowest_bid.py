"""The lowest bid that can win a first-price auction, and how bids leave it.  Kaplan and Zamir (2012); Lebrun (1999)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.rivals import log_cdf

_GRID = 4001


@dataclass(frozen=True, eq=False)
class Bottom:
    """The lowest bid; which roles touch it, φ(b) = b there, (k,); and φ − b ~ (b − bid)^power.

    choice : how far above it the lowest type is that chose it; 0 where none did.
    """

    bid: float
    touching: Array
    power: float
    choice: float = 0.0


def find(priors: tuple[Prior, ...], counts: tuple[int, ...], reserve: float, risk: Any) -> tuple[Bottom, list[bool]]:
    """The lowest bid, and which roles can win."""
    lows = np.repeat([prior.low for prior in priors], counts)
    first, second = np.sort(lows)[::-1][:2]
    low = max(reserve, float(second))
    top = int(np.argmax([prior.low for prior in priors]))
    if first > low:
        return _chosen(priors, counts, top, low, risk)
    bid = max(low, float(first))
    wins = [prior.high > bid for prior in priors]
    zero = np.array([prior.low >= bid for prior in priors])  # their bids leave the lowest in proportion
    seats = int(np.sum(np.array(counts)[zero]))
    if seats == 0:
        return Bottom(bid, np.ones(len(priors), dtype=bool), 0.5), wins
    return Bottom(bid, zero if seats > 1 else ~zero, 1.0), wins


def pressure(risk: Any, surplus: Array) -> tuple[Array, Array]:
    """u′/u at a surplus, and its derivative: how much a bidder fears to lose it."""
    if risk is None or hasattr(risk, "rho"):
        power = 1.0 - (0.0 if risk is None else risk.rho)
        return power / surplus, -power / surplus**2
    left = np.exp(-risk.alpha * surplus)
    lost = -np.expm1(-risk.alpha * surplus)
    return risk.alpha * left / lost, -(risk.alpha**2) * left / lost**2


def _chosen(
    priors: tuple[Prior, ...], counts: tuple[int, ...], strong: int, low: float, risk: Any
) -> tuple[Bottom, list[bool]]:
    """The lowest type of the one strong bidder picks the lowest bid against rivals who bid their values there."""
    value = priors[strong].low
    rivals = [(prior, counts[i]) for i, prior in enumerate(priors) if i != strong]

    def worth(bids: Array) -> Array:
        gain = value - bids if risk is None else np.asarray(risk.u(value - bids))
        with np.errstate(divide="ignore"):
            return np.log(gain) + sum(count * log_cdf(prior, bids) for prior, count in rivals)

    def slope(bid: float) -> float:
        at = np.array(bid)
        rising = sum(count * float(prior.pdf(at) / prior.cdf(at)) for prior, count in rivals)
        return rising - float(pressure(risk, value - at)[0])

    kinks = [float(x) for prior, _ in rivals for x in (prior.high, *prior.breaks) if low < x < value]
    bids = np.unique(np.concatenate([low + (value - low) * np.linspace(0, 1, _GRID)[:-1], kinks]))
    worths = worth(bids)
    best = len(bids) - 1 - int(np.argmax(worths[::-1] >= worths.max() - 1e-13))  # the largest of the best
    bid, power = float(bids[best]), 1.0
    left, right = (float(bids[min(max(k, 0), len(bids) - 1)]) for k in (best - 1, best + 1))
    if left < bid < right and bid not in kinks and worths[best - 1] > -np.inf and slope(left) > 0 > slope(right):
        bid, power = float(brentq(slope, left, right, xtol=1e-300, rtol=1e-15)), 2.0
    wins = [i == strong or prior.high > bid for i, prior in enumerate(priors)]
    return Bottom(bid, np.arange(len(priors)) != strong, power, value - bid), wins
