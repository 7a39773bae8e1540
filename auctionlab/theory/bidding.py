"""Equilibrium bids of single-item auctions with independent private values, by quadrature for any prior.

Notation: F the prior, G = F^(n-1), g = G′, r the reserve, e the entry fee, t the lowest type that takes part. A reserve
is the lowest legal bid and the least a winner pays; a fee is paid by everyone who bids. In all of these auctions the
highest type wins, so the risk-neutral expect to pay the same, m(v) = v G(v) − ∫_t^v G, in each in which type t is
indifferent (Krishna 2010, prop. 3.1).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium, NoneExists
from auctionlab.theory import asymmetric, attrition, entrants, means
from auctionlab.theory.order_price import kth_price_bid
from auctionlab.theory.risk_averse import bid_with_fee, second_price_utility
from auctionlab.theory.rivals import distinct, log_chance, private_priors, top_value
from auctionlab.theory.symmetric import Bidding, Function, Game
from auctionlab.theory.third_price import third_price
from auctionlab.theory.truth import gather, truthful_payment, winning_chance

__all__ = ["Bidding", "all_pay", "first_price", "kth_price", "second_price", "war_of_attrition"]


def first_price(environment: Environment, reserve: float = 0.0, entry_fee: float = 0.0) -> tuple[Bidding, ...]:
    """The highest bid wins and pays itself: b(v) = v − ∫_t^v G / G(v) − e / G(v).  Krishna (2010), prop. 2.2

    Type t bids r and wins only if alone: (t − r) G(t) = e, in utility G u(t − r − e) + (1 − G) u(−e) = 0.
    crra  no fee: the first-order condition b′ = (g/G)(v − b)/(1 − rho) is that of the risk-neutral with G^(1/(1−rho))
          (Krishna 2010, section 4.1). With a fee, b′ = (g/G)(u(w) + u(e))/u′(w), w = v − b − e, is solved numerically.
          Its solution is an equilibrium: the right side rises in v where w ≥ 0, and bids with w < 0 are worth less
          than staying out.
    cara  b′ = (g/G)(exp(α(v − b)) − 1)/α, in which the fee cancels, is linear in exp(αb):
          exp(αb) G(v) = exp(αr) G(t) + ∫_t^v exp(αx) dG  (Matthews 1987).
    Bidders with different priors bid by `asymmetric.first_price`, without a fee.
    Raises NoEquilibrium for atoms, a single bidder, and different priors with a fee.
    """
    if entry_fee == 0 and len(distinct(private_priors(environment, "first-price"))) > 1:
        return asymmetric.first_price(environment, reserve)
    game = Game.of(environment, "first-price", reserve, entry_fee)
    risk, start = game.risk, game.entry()
    bid: Function
    if risk is None:
        mean = game.mean(start)
        method = "quadrature of Krishna (2010), prop. 2.2"

        def bids(v: Array) -> Array:
            shade = entry_fee / game.chance(v) if entry_fee > 0 else 0.0
            return np.maximum(mean(v) - shade, reserve)

        return game.seats(method, start, bids, game.envelope(start))
    if not np.isfinite(start):
        bid, method = _none, "nobody takes part"
    elif hasattr(risk, "alpha"):
        bid = means.certainty_equivalent(game.rivals, start, reserve, risk.alpha)
        method = "quadrature of the first-order condition under CARA, Matthews (1987)"
    elif entry_fee == 0:
        bid = means.mean_value_below(((game.prior, (game.n - 1) / (1 - risk.rho)),), start)
        method = "quadrature of Krishna (2010), section 4.1, with F^((n-1)/(1-rho))"
    else:
        bid = bid_with_fee(game.prior, game.n, start, reserve, entry_fee, risk.rho)
        method = "numerical solution of the first-order condition under CRRA with an entry fee"

    def floored(v: Array) -> Array:
        return np.maximum(bid(v), reserve)

    def gains(v: Array) -> Array:
        win = game.chance(v)
        return win * game.utility(v - floored(v) - entry_fee) + (1 - win) * game.utility(np.array(-entry_fee))

    return game.seats(method, start, floored, lambda v: game.chance(v) * floored(v) + entry_fee, gains)


def all_pay(environment: Environment, reserve: float = 0.0, entry_fee: float = 0.0) -> tuple[Bidding, ...]:
    """The highest bid wins, everybody pays the own bid: b(v) = v G(v) − ∫_t^v G − e.  Krishna (2010), section 3.2

    Type t bids r and wins only if alone: t G(t) = r + e.
    cara  maximising G(z)(1 − exp(−α(v − b(z)))) + (1 − G(z))(1 − exp(αb(z))) over z gives
          α b′ (1 − G s) = g s with s = 1 − exp(−αv), of which the right side over 1 − G s rises in v. By parts,
          α(b + e) = −log(1 − G s) − α ∫_t^v G exp(−αx)/(1 − G s) dx, with α(r + e) = −log(1 − G(t) s(t)).
    Raises NoEquilibrium under CRRA: wealth then matters and the condition has no closed solution.
    """
    game = Game.of(environment, "all-pay", reserve, entry_fee)
    risk, start = game.risk, game.entry(lost=reserve)
    if hasattr(risk, "rho"):
        raise NoEquilibrium("all-pay: no formula is known under CRRA, where losers' and winners' wealth differ")
    if not np.isfinite(start):
        return game.seats("nobody takes part", start, _none, _none)
    if risk is None:
        price = game.mean(start)
        method = "quadrature of Krishna (2010), section 3.2"
    else:
        price = _all_pay_price(game, start, risk.alpha)
        method = "quadrature of the first-order condition under CARA"

    def paid(v: Array) -> Array:
        return game.chance(v) * price(v)

    def gains(v: Array) -> Array:
        win = game.chance(v)
        return win * game.utility(v - paid(v)) + (1 - win) * game.utility(-paid(v))

    return game.seats(method, start, lambda v: np.maximum(paid(v) - entry_fee, reserve), paid, gains)


def _all_pay_price(game: Game, start: float, alpha: float) -> Function:
    """(b + e) / G under CARA."""
    integral = means.attrition_of_utility(game.rivals, start, alpha)

    top = top_value(game.prior)

    def price(v: Array) -> Array:
        v = np.minimum(v, top)
        log = log_chance(game.rivals, v)
        win, gain = np.exp(log), -np.expm1(-alpha * v)
        with np.errstate(divide="ignore", invalid="ignore"):
            # 1 − G s = (1 − G) + G exp(−αv)
            near = -np.log(-np.expm1(log) + np.exp(log - alpha * v)) / win
            whole = np.where(win * gain < 0.5, -np.log1p(-np.minimum(win * gain, 0.5)) / win, near)
        return np.where(win > 1e-300, whole, gain) / alpha - integral(v)

    return price


def war_of_attrition(environment: Environment, reserve: float = 0.0, entry_fee: float = 0.0) -> tuple[Bidding, ...]:
    """The winner pays the second-highest bid, losers their own: b(v) = r + ∫_t^v x g/(1 − G) dx.

    Bidding like type z earns ∫_t^z (v − b) dG + (v − r) G(t) − (1 − G(z)) b(z) − e, so (1 − G) b′ = v g, and the
    derivative (v − z) g(z) has one sign on each side of v. A reserve or fee keeps out the types below t with
    t G(t) = r + e: type t bids r, wins only if alone, then pays the reserve, and loses r otherwise. Bids grow without
    bound as v nears the top of the support; there they are those of the highest type that a double can tell from it.
    cara  a prize of x is worth exp(αb) w(x) with w = (1 − exp(−αx))/α to who has bid b, whom a further unit costs
          exp(αb): w stands for x in b, and, as payments are r + ∫ w dG + e, in those too.
    Under CRRA, where b enters its own slope, and among different bidders equations are solved by `attrition`.
    Raises NoEquilibrium for atoms and a single bidder.
    Source: Krishna and Morgan (1997), extended to a reserve, a fee and risk aversion.
    """
    if len(distinct(private_priors(environment, "war-of-attrition"))) > 1:
        return attrition.war_of_attrition(environment, reserve, entry_fee)
    game = Game.of(environment, "war-of-attrition", reserve, entry_fee)
    if hasattr(game.risk, "rho"):
        return attrition.war_of_attrition(environment, reserve, entry_fee)
    start = game.entry(lost=reserve)
    if not np.isfinite(start):
        return game.seats("nobody takes part", start, _none, _none)
    if game.risk is not None:
        return _cautious_attrition(game, start)
    slope = means.mean_value_of_attrition(game.prior, game.n - 1.0, start)
    top = float(slope.edges[-1])

    def hazard(v: Array) -> Array:
        return np.exp(means.log_hazard(log_chance(game.rivals, np.minimum(v, top))))

    lowest = float(start * hazard(np.array(start))) if start > game.prior.low else 0.0

    def bids(v: Array) -> Array:
        return np.maximum(reserve + hazard(v) * slope(v) - lowest, reserve)

    seats = game.seats("quadrature of Krishna and Morgan (1997)", start, bids, game.envelope(start))
    return (replace(seats[0], unbounded=True),) * game.n


def _cautious_attrition(game: Game, start: float) -> tuple[Bidding, ...]:
    """The war of attrition under CARA."""
    alpha, power = game.risk.alpha, game.n - 1.0
    waiting, below = (means.utility_below(game.prior, power, start, alpha, wait) for wait in (True, False))
    top = float(waiting.edges[-1])

    def worth(v: Array) -> Array:
        return np.asarray(-np.expm1(-alpha * v) / alpha)

    def hazard(v: Array) -> Array:
        return np.exp(means.log_hazard(log_chance(game.rivals, np.minimum(v, top))))

    at = np.array(start)
    first, alone = (
        (float(hazard(at) * worth(at)), float(game.chance(at) * worth(at))) if start > game.prior.low else (0.0, 0.0)
    )

    def bids(v: Array) -> Array:
        v = np.minimum(v, top)
        return np.maximum(game.reserve + hazard(v) * (worth(v) - waiting(v)) - first, game.reserve)

    def paid(v: Array) -> Array:
        return game.reserve + game.fee + game.chance(v) * (worth(v) - below(v)) - alone

    method = "quadrature of Krishna and Morgan (1997) under CARA"
    return (Bidding(method, start, bids, game.chance, paid, unbounded=True),) * game.n


def kth_price(environment: Environment, k: int, reserve: float = 0.0, entry_fee: float = 0.0) -> tuple[Bidding, ...]:
    """The highest bid wins and pays the k-th highest, n ≥ k ≥ 3: b(v) = v + F(v) / ((n − 2) f(v)) for k = 3.

    Payments as in the second-price auction fix the bid of the type at quantile p = F(v), Q = F⁻¹, by differentiating
    E[b(k-th highest) 1{v wins}] = ∫_0^p Q(s) ds^(n−1) k − 1 times in p:
    b = Σ_i C(k−2, i) (n−k)!/(n−k+i)! p^i Q^(i)(p). It must rise with v (for k = 3 it does where F is log-concave).
    A reserve above the lowest value changes nothing for k = 3, where types from r up bid as before; for k ≥ 4 the
    derivatives at r cannot match, and with a fee, for any k ≥ 3, the lowest types would outbid their equals, because
    the price is the reserve: no rising bid function exists. The risk-averse bid by `third_price` for k = 3.
    k = 1 and 2 are `first_price` and `second_price`.
    Source: Kagel and Levin (1993) for k = 3; Monderer and Tennenholtz (2000).
    """
    if k <= 2:
        return (first_price if k == 1 else second_price)(environment, reserve, entry_fee)
    rule = f"kth-price with k = {k}"
    game = Game.of(environment, rule, reserve, entry_fee)
    if game.n < k:
        raise NoneExists(f"{rule}: {game.n} bidders never pay a bid, so every one wants to bid more than the others")
    if entry_fee > 0:
        raise NoneExists(
            f"{rule}: with an entry fee the lowest entrants outbid each other, as the price is the reserve"
        )
    if reserve > game.prior.low and k > 3:
        raise NoneExists(f"{rule}: with a reserve above the lowest value no rising bid function exists for k > 3")
    if game.risk is not None and k > 3:
        raise NoEquilibrium(f"{rule}: no formula is known for risk-averse bidders")
    start = game.entry()
    if start >= game.prior.high:
        return game.seats("nobody takes part", np.inf, _none, _none)
    if game.risk is not None:
        return (third_price(game.prior, game.n, game.risk, start, reserve),) * game.n
    bids = kth_price_bid(game.prior, game.n, k, start)
    method = (
        "Kagel and Levin (1993)" if k == 3 else "derivatives of the quantile function, Monderer and Tennenholtz (2000)"
    )
    return game.seats(method, start, bids, game.envelope(start))


def second_price(environment: Environment, reserve: float = 0.0, entry_fee: float = 0.0) -> tuple[Bidding, ...]:
    """The highest bid wins and pays the second-highest: the value is dominant.  Krishna (2010), prop. 2.1

    Types from max(r, low) up take part, whatever the priors. With a fee, bidders with one prior take part from the type
    t that expects nothing when it wins only if alone: (t − r) G(t) = e, or the same in utility; with several priors by
    `entrants.second_price`.
    """
    rule = "second-price"
    if entry_fee == 0:
        return _truth(environment, private_priors(environment, rule), reserve)
    if len(distinct(private_priors(environment, rule))) > 1:
        return entrants.second_price(environment, reserve, entry_fee)
    game = Game.of(environment, rule, reserve, entry_fee)
    start = game.entry()
    if not np.isfinite(start):
        return game.seats("nobody takes part", start, _none, _none)
    mean, gains = game.mean(start, reserve), None
    if game.risk is not None:
        gains = second_price_utility(game.prior, game.n, start, reserve, entry_fee, game.utility)

    def paid(v: Array) -> Array:
        return entry_fee + game.chance(v) * mean(v)

    return game.seats("truth is dominant for those who enter, Krishna (2010), prop. 2.1", start, _identity, paid, gains)


def _truth(environment: Environment, priors: tuple[Prior, ...], reserve: float) -> tuple[Bidding, ...]:
    seats: dict[int, Bidding] = {}
    kinds = distinct(priors)
    for kind, prior in enumerate(kinds):
        seat, start = priors.index(prior), max(prior.low, reserve)
        others = gather(priors[:seat] + priors[seat + 1 :])
        chances, paid = partial(winning_chance, others), partial(truthful_payment, others, reserve)
        gains: Function | None = None
        if environment.risk_neutral:
            gains = partial(_surplus, chances, paid)
        elif len(kinds) == 1 and len(priors) > 1 and not prior.atoms and hasattr(environment, "risk"):
            gains = second_price_utility(prior, len(priors), start, reserve, 0.0, environment.risk.u)
        seats[kind] = Bidding("truth is dominant, Krishna (2010), prop. 2.1", start, _identity, chances, paid, gains)
    return tuple(seats[kinds.index(prior)] for prior in priors)


def _surplus(chances: Function, paid: Function, values: Array) -> Array:
    return values * chances(values) - paid(values)


def _identity(values: Array) -> Array:
    return values


def _none(values: Array) -> Array:
    return np.zeros(np.shape(values))
