"""Which promises follow from an equilibrium: participation, efficiency and optimal revenue of one-item auctions."""

from __future__ import annotations

from typing import Any

from auctionlab.core import Environment, Mechanism
from auctionlab.errors import NoEquilibrium
from auctionlab.rng import stream

_DRAWN = 4096  # types at which outside options are looked up


def private(environment: Environment) -> bool:
    """True where each seat's value is its own signal and one item is for sale."""
    from auctionlab.environments.private import PrivateValues

    return isinstance(environment, PrivateValues)


def against_outside(claims: frozenset[str], environment: Environment) -> frozenset[str]:
    """The claims that are left where staying out is worth something: none about taking part, or about most revenue."""
    low, high = outside_range(environment)
    if low == high == 0:
        return claims
    return claims - {"revenue-optimal"} - ({"ex-post-ir", "interim-ir"} if high > 0 else set())


def outside_range(environment: Environment) -> tuple[float, float]:
    """The least and the most that not taking part is worth to anybody, at a few drawn profiles."""
    drawn = environment.sample(stream(0), max(2, min(64, _DRAWN // environment.n)))
    options = environment.outside(drawn.values)
    return float(options.min()), float(options.max())


def facts(mechanism: Mechanism, environment: Any, truthful: bool) -> frozenset[str]:
    """What an auction whose bids rise with values owes to its equilibrium; nothing where no equilibrium is known.

    interim-ir        always: not bidding is a message too, so nobody's equilibrium bid can expect less than it gives
    efficient         no value that could be the highest is kept out, and bids rank values: equal priors, or truth
    revenue-optimal   equal regular priors, risk-neutral bidders, and exactly the types with negative virtual values
                      are kept out (Myerson 1981); regularity is verified numerically

    truthful : the equilibrium is to bid the value, so that bids rank values also where priors differ.
    """
    try:
        bids: tuple[Any, ...] = mechanism.equilibrium(environment)
    except NoEquilibrium:
        return frozenset()
    claims = {"interim-ir"}
    thresholds = [bid.threshold for bid in bids]
    certain = max(0.0, *(prior.low for prior in environment.priors))  # the highest value is at least this, or unwanted
    if (environment.symmetric or truthful) and max(thresholds) <= certain:
        claims.add("efficient")
    if environment.symmetric and environment.risk_neutral:
        from auctionlab.theory import virtual  # here, so that running a mechanism needs no SciPy

        best = virtual.optimal_threshold(environment.priors[0])
        if best is not None and all(abs(threshold - best) <= 1e-9 * max(1.0, abs(best)) for threshold in thresholds):
            claims.add("revenue-optimal")
    return frozenset(claims)
