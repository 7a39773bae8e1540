"""Different equilibria of one auction, from starts in which seats bid differently, and from known continua."""

from __future__ import annotations

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.equilibria import Equilibrium, certified, equilibrium, share_of_value, solve
from auctionlab.theory.sealed import Roles
from auctionlab.theory.solve import Start

_SAME = 0.02  # bids that are less apart, relative to the values' range, are one equilibrium


def several(mechanism: Mechanism, environment: Environment, starts: int) -> list[Equilibrium]:
    """The different equilibria found from so many starts, the usual one first, all certified.

    The further starts let one seat after the other bid above all values and the rest next to nothing, then everybody a
    share of the value drawn at random; every seat may bid otherwise than its equals. Second-price auctions have many
    equilibria: one bids 1, the others nothing (Blume and Heidhues 2004). Where equilibria are known to be a continuum,
    further ones are members of it.
    Raises NoEquilibrium where none is found from any start.
    """
    found: list[Equilibrium] = []
    reason: NoEquilibrium | None = None
    sides = Roles(mechanism, environment, tuple(range(environment.n)))
    for k in range(starts):
        family = found and getattr(found[0].bids[0], "family", None)
        try:
            if k == 0:
                one = equilibrium(mechanism, environment)
            elif family:
                one = Equilibrium(family(k), None)
            else:
                one = solve(mechanism, environment, *_other(sides, k))
        except NoEquilibrium as refusal:
            reason = reason or refusal
            continue
        if one.certificate is None:
            one = Equilibrium(one.bids, certified(mechanism, environment, one.bids))
        if all(_apart(environment, one, other) > _SAME for other in found):
            found.append(one)
    if not found:
        raise reason or NoEquilibrium(f"{sides.rule}: at least one start is needed, got {starts}")
    return found


def _other(sides: Roles, k: int) -> tuple[list[Start], tuple[int, ...]]:
    """Bids of each seat to begin with, and its role."""
    n = sides.n
    if k <= n:
        top = max(float(prior.quantile(np.array(1 - 1e-6))) for prior in sides.environment.priors if prior)
        starts = [(lambda v: top + 0.1 * v) if seat == k - 1 else (lambda v: 1e-5 * v) for seat in range(n)]
    else:
        shares = rng.Source(31).stream(k, "evaluate").random(n)
        starts = [share_of_value(float(fraction), 1, sides) for fraction in shares]
    return starts, sides.roles


def _apart(environment: Environment, one: Equilibrium, other: Equilibrium) -> float:
    """The largest distance of any seat's bids, root mean square over its types, relative to the values' range."""
    levels, far = (np.arange(200) + 0.5) / 200, 0.0
    for prior, some, others in zip(environment.priors, one.bids, other.bids, strict=True):
        if prior is not None:
            values = np.asarray(prior.quantile(levels))
            gap = np.abs(_numbers(some(values)) - _numbers(others(values)))
            far = max(far, float(np.sqrt(np.mean(gap**2))) / float(values[-1] - values[0]))
    return far


def _numbers(bids: Array) -> Array:
    return np.where(np.isfinite(bids), bids, 0.0)
