"""Virtual values, regularity, and the type below which an optimal auction keeps the item.  Myerson (1981)

ψ(v) = v − (1 − F(v)) / f(v) is what serving type v adds to revenue: its value less the rents of all types above. The
seeds' E[ψ(X)] = 0 (Krishna 2010, equation 5.11) is the case of a support that starts at 0: by parts,
∫ (v f − (1 − F)) dv = −[v (1 − F)] = the lower end of the support.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.errors import ConfigError
from auctionlab.theory.adaptive import LEVELS, integrate
from auctionlab.theory.rivals import top_value

_GRID = np.concatenate([[1e-9, 1e-6, 1e-4], np.linspace(0, 1, 2002)[1:-1], [1 - 1e-4, 1 - 1e-6, 1 - 1e-9]])


@singledispatch
def information_rent(prior: Prior, values: Array) -> Array:
    """(1 − F(v)) / f(v), the inverse hazard rate: what each type above v gains when v is served; 0 above the support.

    Raises NoEquilibrium for priors with atoms.
    """
    above = np.asarray(prior.sf(values))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(above > 0, above / prior.pdf(values), 0.0)


@information_rent.register
def _(prior: Uniform, values: Array) -> Array:
    v = np.asarray(values, dtype=float)
    return np.where(v >= prior.low, np.maximum(prior.high - v, 0.0), np.inf)


@information_rent.register
def _(prior: Exponential, values: Array) -> Array:
    return np.where(np.asarray(values) >= 0, prior.mean, np.inf)


def virtual_values(prior: Prior, values: Array) -> Array:
    """ψ(v) = v − (1 − F(v)) / f(v), the marginal revenue of serving type v.  Krishna (2010), equation (5.10)

    values : (...,); −inf where the density is 0, v itself above the support. Raises NoEquilibrium for atoms.
    """
    return np.asarray(np.asarray(values, dtype=float) - information_rent(prior, values))


def expected_virtual_value(prior: Prior) -> float:
    """E[ψ(X)] by quadrature of v f − (1 − F): the lower end of the support, 0 only where that is 0.

    Raises ConfigError where the lower end or the expectation is infinite.
    """
    if not (np.isfinite(prior.low) and np.isfinite(prior.expectation)):
        raise ConfigError(f"prior: E[ψ(X)] needs a finite lower end and expectation, got {prior}")
    inner = np.concatenate([np.asarray(prior.quantile(LEVELS)), prior.breaks])
    edges = np.unique(np.concatenate([[prior.low, top_value(prior)], inner]))

    def weighted(values: Array) -> Array:
        return np.asarray(values * prior.pdf(values) - prior.sf(values))

    return integrate(weighted, edges)


def is_regular(prior: Prior) -> bool:
    """True where ψ rises on a grid of 2,006 quantiles, up to rounding; False for priors with atoms."""
    return not prior.atoms and _fall(prior, virtual_values) is None


def is_mhr(prior: Prior) -> bool:
    """True where the hazard rate f / (1 − F) never falls on that grid (monotone hazard rate), which implies regular."""
    return not prior.atoms and _fall(prior, lambda prior, values: -information_rent(prior, values)) is None


def require_regular(prior: Prior, rule: str) -> None:
    """ConfigError, naming where ψ falls, unless the prior is regular."""
    if prior.atoms:
        raise ConfigError(f"{rule}: needs a prior with a density, got {prior}; `iron` also takes discrete priors")
    fall = _fall(prior, virtual_values)
    if fall is not None:
        raise ConfigError(
            f"{rule}: needs a regular prior, but the virtual value of {prior} falls from {fall[1]:.6g} at "
            f"{fall[0]:.6g} to {fall[3]:.6g} at {fall[2]:.6g}; use ironing, which takes any prior"
        )


def _fall(prior: Prior, function: Callable[[Prior, Array], Array]) -> tuple[float, float, float, float] | None:
    """Where a function of values falls most from a node to the next: (v, its value, w, its value); None where never."""
    values = np.unique(prior.quantile(_GRID))
    with np.errstate(invalid="ignore"):
        found = function(prior, values)
        drop = np.where(found[1:] >= found[:-1], 0.0, found[:-1] - found[1:])
    if np.all(drop <= 1e-9 * max(1.0, float(np.abs(values).max()))):
        return None
    k = int(np.argmax(np.nan_to_num(drop, nan=np.inf)))
    return float(values[k]), float(found[k]), float(values[k + 1]), float(found[k + 1])


def inverse_virtual_values(prior: Prior, virtual: Array) -> Array:
    """ψ⁻¹(z): the lowest type with ψ(v) ≥ z; the lower end where all have it, z itself above the highest ψ.

    Raises ConfigError for an irregular prior, where ψ has no inverse and `ironing.iron(prior).lowest` takes its place.
    """
    from auctionlab.theory.ironing import iron

    require_regular(prior, "inverse virtual values")
    return iron(prior).lowest(np.asarray(virtual, dtype=float))


def optimal_reserve(prior: Prior, seller_value: float = 0.0) -> float:
    """ψ⁻¹(s), the price that a seller who values the item at s asks of one buyer.  Krishna (2010), section 5.2.3

    For irregular and discrete priors too, by ironing: the lowest price that maximises (p − s) P(X ≥ p).
    """
    from auctionlab.theory.ironing import iron

    return float(iron(prior).lowest(np.asarray(float(seller_value))))


def optimal_threshold(prior: Prior) -> float | None:
    """The lowest type with ψ(v) ≥ 0, the optimal reserve among equal regular bidders.

    None where the prior is not regular, or its mean is infinite, so that revenue has no maximum.
    """
    return optimal_reserve(prior) if prior.expectation < np.inf and is_regular(prior) else None
