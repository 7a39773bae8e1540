"""The war of attrition between two different bidders: bids from the bottom up, without bound.

Types v of one and w of the other that bid b are content where w dΛ₁ = db = v dΛ₂, with Λ = −log(1 − F) the accumulated
hazard of each: a moment of waiting costs what it brings, the chance that the rival gives up times the prize. Hence
T₁(v) = T₂(w) + c where T(v) = ∫ dΛ/v, which grows beyond all bounds at the top: both go on bidding, whatever the
constant c, and equilibria are a continuum (Nalebuff and Riley 1985; Fudenberg and Tirole 1986). The one computed

  - has the lowest types of both bid nothing, and none of the others, where the lowest values are above 0;
  - else, where T has no lower bound either and that holds for every c, lets the median types bid the same.

The others, of which `family` gives some, let one of them hold out against higher types of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium, NoMethod
from auctionlab.theory.rivals import private_priors, require_density, risk_of
from auctionlab.theory.symmetric import Bidding

_RULE = "war-of-attrition"
_METHOD = "two different bidders, by Nalebuff and Riley (1985); of a continuum of equilibria the one in which "
_CHOSEN, _MEDIANS = "only the lowest types bid nothing", "median types bid the same"
_SHIFTS = (1.0, -1.0, 2.0, -2.0)  # of log odds, to other equilibria
_FURTHEST, _STEPS = 34.0, 20_000  # log odds of the levels that a double can tell from 0 and 1; cells of them
_FIRST = -15.0  # where T is as good as 0, if it has a lower bound

Function = Callable[[Array], Array]


def war_of_attrition(environment: Environment, reserve: float, fee: float) -> tuple[Bidding, ...]:
    """The bids of both seats.

    Raises NoEquilibrium for more bidders, atoms and gaps; NoMethod with reserve, fee, risk aversion, values below 0.
    """
    priors, risk = private_priors(environment, _RULE), risk_of(environment, _RULE)
    for seat, prior in enumerate(priors):
        require_density(_RULE, prior, seat)
    if len(priors) != 2:
        raise NoEquilibrium(f"{_RULE}: with more than two bidders no formula is known for different priors")
    unknown = {
        "a reserve or an entry fee": reserve > 0 or fee > 0,
        "risk aversion": risk is not None,
        "values below 0": min(prior.low for prior in priors) < 0,
    }
    for what, here in unknown.items():
        if here:
            raise NoMethod(f"{_RULE}: with {what} no method is known for bidders with different priors")
    return _pair(Waiting(priors[0]), Waiting(priors[1]), None)


def _pair(first: Waiting, second: Waiting, shift: float | None) -> tuple[Bidding, ...]:
    """The median type of the first bids as that of the second whose log odds are `shift`; None: the choice above."""
    chosen = first.bounded and second.bounded and shift is None
    meet = 0.0 if chosen else first.waited(0.0) - second.waited(shift or 0.0)
    method = _METHOD + (
        _CHOSEN
        if chosen
        else _MEDIANS
        if shift is None
        else f"the first median bids as the second's quantile {expit(shift):.2g}"
    )
    seats = _seat(first, second, meet, method), _seat(second, first, -meet, method)
    return tuple(
        replace(seat, family=lambda k: _pair(first, second, _SHIFTS[(k - 1) % len(_SHIFTS)])) for seat in seats
    )


@dataclass(frozen=True, eq=False)
class Waiting:
    """One bidder by the log odds z of its levels: its values, and T, from −`_FURTHEST` up."""

    prior: Prior

    @cached_property
    def odds(self) -> Array:
        return np.linspace(-_FURTHEST, _FURTHEST, _STEPS + 1)

    @cached_property
    def worth(self) -> Array:
        return np.asarray(self.prior.quantile(np.minimum(expit(self.odds), 1 - 2**-53)))

    @cached_property
    def total(self) -> Array:
        """T, as dΛ = p dz."""
        return _integral(self.odds, expit(self.odds) / self.worth)

    @property
    def bounded(self) -> bool:
        """Whether T has a lower bound."""
        return self.waited(_FIRST) < 1e-3 * self.waited(0.0)

    def waited(self, odds: float) -> float:
        return float(np.interp(odds, self.odds, self.total))

    def odds_of(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(self.prior.cdf(values))) - np.log(np.asarray(self.prior.sf(values)))


def _integral(x: Array, heights: Array) -> Array:
    return np.append(0.0, np.cumsum(np.diff(x) * (heights[1:] + heights[:-1]) / 2))


def _seat(own: Waiting, rival: Waiting, meet: float, method: str) -> Bidding:
    """db = w dΛ from the lowest type that bids; `meet` is what T of the own type exceeds that of the rival's by."""
    odds = own.odds
    matched = np.interp(own.total - meet, rival.total, odds, left=-np.inf)  # −inf: all of the rival bid more
    worth = np.where(np.isfinite(matched), np.interp(matched, odds, rival.worth), 0.0)
    bids, chances = _integral(odds, worth * expit(odds)), expit(matched)
    paid = np.append(0.0, np.cumsum(np.diff(chances) * (bids[1:] + bids[:-1]) / 2)) + (1 - chances) * bids

    def by_odds(heights: Array) -> Function:
        return lambda values: np.interp(own.odds_of(values), odds, heights)

    bid, win, pay = (by_odds(heights) for heights in (bids, chances, paid))
    return Bidding(method, own.prior.low, bid, win, pay, lambda v: v * win(v) - pay(v), numerical=True)
