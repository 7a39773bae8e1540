"""Virtual values, regularity, and the type below which an optimal auction keeps the item.  Myerson (1981)"""

from __future__ import annotations

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior

_GRID = np.concatenate([[1e-9, 1e-6, 1e-4], np.linspace(0, 1, 2002)[1:-1], [1 - 1e-4, 1 - 1e-6, 1 - 1e-9]])


def virtual_values(prior: Prior, values: Array) -> Array:
    """ψ(v) = v − (1 − F(v)) / f(v), the marginal revenue of serving type v.  Krishna (2010), section 5.2

    values : (...,) in the support. Raises NoEquilibrium for priors with atoms.
    """
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(values - prior.sf(values) / prior.pdf(values))


def is_regular(prior: Prior) -> bool:
    """True where ψ rises on a grid of 2,006 quantiles, up to rounding; False for priors with atoms."""
    if prior.atoms:
        return False
    values = np.unique(prior.quantile(_GRID))
    virtual = virtual_values(prior, values)
    if np.isnan(virtual).any():
        return False
    slack = 1e-9 * max(1.0, float(np.abs(values).max()))
    return bool(np.all(virtual[1:] >= virtual[:-1] - slack))


def optimal_threshold(prior: Prior) -> float | None:
    """The lowest type with ψ(v) ≥ 0, the optimal reserve among equal regular bidders; None where not regular."""
    if not is_regular(prior):
        return None
    low, high = (float(end) for end in prior.quantile(_GRID[[0, -1]]))
    low = prior.low if np.isfinite(prior.low) else low
    if float(virtual_values(prior, np.asarray(low))) >= 0:
        return low
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if float(virtual_values(prior, np.asarray(middle))) >= 0:
            high = middle
        else:
            low = middle
    return high
