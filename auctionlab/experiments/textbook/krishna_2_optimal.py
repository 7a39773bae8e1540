"""Optimal mechanisms (Krishna 5.2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import best_sale, midpoints, run_all
from auctionlab.experiments.textbook.plays import AUCTIONS, label, mean, play
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.posted import PostedPrice
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.theory.comparisons import bulow_klemperer, inefficiency_regions
from auctionlab.theory.implications import expected_rents
from auctionlab.theory.marginal_revenue import market, revenue
from auctionlab.theory.virtual import expected_virtual_value, virtual_values

_SEED = "001"
_TWO = PrivateValues(2, Uniform())
_UNLIKE = PrivateValues(priors=(Uniform(high=2.0), Uniform()))


@entry(
    "krishna-5.11",
    seed=_SEED,
    section="5.2.2, (5.11)",
    statement="The expected virtual value is the lower end of the support.",
)
def expected_psi() -> Reproduction:
    prior = Uniform(1.0, 3.0)
    values = PrivateValues(1, prior).sample(rng.stream(21), AUCTIONS).values[:, 0]
    return Reproduction(
        theory=1.0,
        formula="E[ψ(X)] = α = 1 for values uniform on [1, 3]",
        computed=expected_virtual_value(prior),
        correction="The text has E[ψ(X)] = 0, which is the case α = 0 of its supports [0, ω]. In general "
        "∫ (x f − (1 − F)) dx = −[x (1 − F)] = α.",
        **mean(virtual_values(prior, values)),
    )


@entry(
    "krishna-5.15",
    seed=_SEED,
    section="5.2.2, (5.15)",
    statement="The winner of the optimal auction pays x − ∫ Q, which is y, the smallest value with which it still "
    "wins.",
)
def winners_payment() -> Reproduction:
    """At x = (1.8, 0.7). Computed: x₁ − ∫ Q₁ from runs at 100,000 reports of the first buyer."""
    auction, count = OptimalAuction(_UNLIKE), 100_000
    reports = np.full((count, 2), 0.7)
    reports[:, 0] = 1.8 * (np.arange(count) + 0.5) / count
    won = auction.run(reports).allocation[:, 0]
    paid = float(auction.run(np.array([[1.8, 0.7]])).payments[0, 0])
    return Reproduction(
        theory=1.2,
        formula="y₁ = ψ₁⁻¹(ψ₂(0.7)) = (2 + 0.4)/2, values uniform on [0, 2] and [0, 1]",
        computed=1.8 - 1.8 * float(won.mean()),
        tolerance=2e-5,
        note=f"The auction charges {paid:.12g}.",
    )


@entry(
    "krishna-5.16",
    seed=_SEED,
    section="5.2.2, (5.16)",
    statement="The optimal mechanism earns the expectation of the highest virtual value, or 0 where that is negative.",
)
def highest_psi() -> Reproduction:
    """Computed: payments of the auction itself, which are y_i and not virtual values, on a grid of 1,000² profiles."""
    auction = OptimalAuction(_UNLIKE)
    return Reproduction(
        theory=1 - 23 / 48 + 1 / 8,
        formula="E[max{2X₁ − 2, 2X₂ − 1, 0}] = B − [B³/3 + (A + B)B²/2 + AB²]/(4AB) + (A − B)²/(4A), A = 2, B = 1",
        computed=float(run_all(auction, _UNLIKE, 1000).collected.mean()),
        tolerance=1e-3,
        **mean(play(auction, _UNLIKE, 22).collected),
    )


@entry(
    "krishna-prop-5.3",
    seed=_SEED,
    section="5.2.2, proposition 5.3",
    statement="In a regular problem it is optimal to give the item to the highest virtual value if that is not "
    "negative, "
    "at the smallest value that would still win.",
)
def optimal() -> Reproduction:
    """Buyers with 8 and 4 equally likely values; a linear programme finds the best of all mechanisms."""
    supports = np.arange(1, 9) / 4, np.arange(1, 5) / 4
    masses = np.full(8, 1 / 8), np.full(4, 1 / 4)
    first, second = (2 * x - x[-1] for x in supports)  # ψ(x_k) = x_k − ¼ (K − k)
    where = PrivateValues(priors=tuple(Discrete(values=tuple(x.tolist())) for x in supports))

    def draw(axes: Any) -> None:
        for prior, ink, name in zip(_UNLIKE.priors, ("#0072b2", "#d55e00"), ("ψ₁", "ψ₂"), strict=True):
            x = np.linspace(0, prior.high, 50)
            axes.plot(x, virtual_values(prior, x), color=ink, label=name)
        axes.axhline(0, color="#22262b", linewidth=0.7)
        axes.plot([1.8, 1.8, 1.2, 1.2], [0, 1.6, 0.4, 0], "o:", color="#0072b2", markersize=4)
        axes.plot([0.7, 0.7, 1.2], [0, 0.4, 0.4], "o:", color="#d55e00", markersize=4)
        for at, name in ((1.8, "x₁"), (1.2, "y₁"), (0.7, "x₂")):
            axes.annotate(name, (at, -0.25))
        label(axes, "value", "virtual value")

    return Reproduction(
        theory=float(np.maximum(np.maximum.outer(first, second), 0).mean()),
        formula="E[max{ψ₁, ψ₂, 0}], ψ_i(x_k) = x_k − (x_{k+1} − x_k) P(X > x_k)/P(X = x_k), values ¼, ½, … to 2 and "
        "to 1",
        computed=best_sale(supports, masses),
        tolerance=1e-8,
        note="The linear programme searches all incentive compatible, individually rational mechanisms. The figure is "
        "Krishna's 5.4, for uniform values on [0, 2] and [0, 1].",
        correction="The line Q_i = 0 of the text covers ψ_i < max ψ_j only; it must also say ψ_i < 0, or the item "
        "would "
        "be undetermined where all virtual values are negative.",
        figure=draw,
        **mean(play(OptimalAuction(where), where, 23).collected),
    )


@entry(
    "krishna-prop-5.4",
    seed=_SEED,
    section="5.2.2, proposition 5.4",
    statement="In a regular symmetric problem a second-price auction with reserve r* = ψ⁻¹(0) is optimal.",
)
def symmetric() -> Reproduction:
    """Computed: the best of 51 reserves, by runs on a grid; r* = 1/2 is among them."""
    signals = midpoints(_TWO, 400)
    reserves = np.linspace(0, 1, 51)
    earned = [float(SecondPrice(reserve=float(r)).run(signals).payments.sum(axis=1).mean()) for r in reserves]

    def draw(axes: Any) -> None:
        axes.plot(reserves, earned)
        axes.axvline(0.5, color="#8a8f98", linestyle="--")
        label(axes, "reserve price", "expected revenue")

    return Reproduction(
        theory=5 / 12,
        formula="E[max{2X₁ − 1, 2X₂ − 1, 0}] = 5/12 for two uniform bidders, r* = 1/2",
        computed=max(earned),
        tolerance=1e-4,
        note=f"The best of 51 reserves is {reserves[int(np.argmax(earned))]:.2f}.",
        figure=draw,
        **mean(play(SecondPrice(reserve=0.5), _TWO, 24).collected),
    )


@entry(
    "krishna-unsold",
    seed=_SEED,
    section="5.2.3",
    statement="First source of inefficiency: the optimal auction keeps the item where all virtual values are negative.",
)
def unsold() -> Reproduction:
    found = run_all(OptimalAuction(_UNLIKE), _UNLIKE, 400).outcome.allocation.sum(axis=1)
    return Reproduction(
        theory=0.25,
        formula="P(X₁ < 1) P(X₂ < ½) = 1/4, values uniform on [0, 2] and [0, 1]",
        computed=1 - float(found.mean()),
        tolerance=1e-9,
        **mean(1 - play(OptimalAuction(_UNLIKE), _UNLIKE, 25).outcome.allocation.sum(axis=1)),
    )


@entry(
    "krishna-discrimination",
    seed=_SEED,
    section="5.2.3",
    statement="Second source of inefficiency: the buyer with the higher hazard rate is favoured and wins with lower "
    "values.",
)
def discrimination() -> Reproduction:
    """The second buyer wins where x₂ ≥ ½ and x₂ > x₁ − ½."""
    regions = inefficiency_regions(_UNLIKE.priors)
    played = play(OptimalAuction(_UNLIKE), _UNLIKE, 26)
    values = played.draw.values

    def draw(axes: Any) -> None:
        x, y = np.meshgrid(np.linspace(0, 2, 121), np.linspace(0, 1, 121))
        axes.contourf(
            x, y, regions.winner(x, y), levels=[-1.5, -0.5, 0.5, 1.5], colors=["#d5d9de", "#56b4e9", "#e69f00"]
        )
        axes.plot([0, 1], [0, 1], color="#22262b", linestyle="--")
        for at, name in (((0.2, 0.25), "kept"), ((1.5, 0.3), "buyer 1"), ((0.3, 0.85), "buyer 2")):
            axes.annotate(name, at)
        label(axes, "value of buyer 1", "value of buyer 2")

    return Reproduction(
        theory=0.125,
        formula="P(X₂ < X₁ < X₂ + ½, X₂ ≥ ½) = ½ · ½ · ½, values uniform on [0, 2] and [0, 1]",
        computed=regions.second_despite_first,
        note="Below the dashed line buyer 1 has the higher value.",
        figure=draw,
        **mean((played.outcome.allocation[:, 1] > 0.5) & (values[:, 0] > values[:, 1])),
    )


@entry(
    "krishna-informational-rent",
    seed=_SEED,
    section="5.2.3",
    statement="Buyers keep informational rents, E[(1 − F)/f q] each, because only they know their values.",
)
def rents() -> Reproduction:
    auction = SecondPrice(reserve=0.5)
    return Reproduction(
        theory=1 / 6,
        formula="2 ∫_½¹ (1 − x) x dx = 1/6, two uniform bidders and the optimal reserve",
        computed=expected_rents(auction, _TWO),
        **mean(play(auction, _TWO, 27).utility.sum(axis=1)),
    )


@entry(
    "krishna-figure-5.5",
    seed=_SEED,
    section="5.2.3, figure 5.5",
    statement="A buyer's virtual value at p is the marginal revenue of a monopolist whose demand is q(p) = 1 − F(p).",
)
def marginal() -> Reproduction:
    """F = x², q = 0.4. Computed: the central difference of R(q) = q F⁻¹(1 − q)."""
    prior, step = Power(exponent=2.0), 1e-4
    earned = revenue(prior, np.array([0.4 - step, 0.4 + step]))
    curves = market(prior)

    def draw(axes: Any) -> None:
        axes.plot(curves.quantities, curves.prices, label="demand p(q)")
        axes.plot(curves.quantities, curves.marginal, "--", label="marginal revenue ψ(p(q))")
        axes.plot(curves.quantities, curves.revenue, "-.", label="revenue q p(q)")
        at, price = curves.monopoly_quantity, curves.monopoly_price
        axes.plot([0, at, at], [price, price, 0], ":", color="#22262b", linewidth=1)
        axes.annotate(f"r* = {price:.3f}", (0.02, price + 0.03))
        axes.set_ylim(-0.6, 1.05)
        label(axes, "quantity: probability of sale", "price")

    return Reproduction(
        theory=math.sqrt(0.6) - 0.4 / (2 * math.sqrt(0.6)),
        formula="ψ(p) = p − (1 − p²)/(2p) at p = F⁻¹(0.6) = √0.6",
        computed=float(earned[1] - earned[0]) / (2 * step),
        tolerance=1e-7,
        note=f"The monopoly price, where marginal revenue is 0, is {curves.monopoly_price:.6g} = 1/√3.",
        figure=draw,
    )


@entry(
    "krishna-5.17",
    seed=_SEED,
    section="5.2.3, (5.17)",
    statement="No negotiation with one buyer earns more than E[max{ψ(X), 0}], which the offer r* earns.",
)
def negotiation() -> Reproduction:
    """Computed: the best of 20,001 offers."""
    prices, one = np.linspace(0, 4, 20_001), PrivateValues(1, Exponential())
    return Reproduction(
        theory=math.exp(-1),
        formula="E[max{X − 1, 0}] = 1/e for exponential values of mean 1, r* = 1",
        computed=float(np.max(prices * Exponential().sf(prices))),
        **mean(play(PostedPrice(amount=1.0), one, 28).collected),
    )


@entry(
    "krishna-5.18",
    seed=_SEED,
    section="5.2.3, (5.18)",
    statement="A second-price auction without reserve among two such buyers earns E[max{ψ(X₁), ψ(X₂)}].",
)
def without_reserve() -> Reproduction:
    """Computed: the highest virtual value on a grid of profiles. Played: what bidders pay, the second-highest value."""
    two = PrivateValues(2, Exponential())
    highest = virtual_values(Exponential(), midpoints(two, 2000)).max(axis=1)
    return Reproduction(
        theory=0.5,
        formula="E[max{X₁, X₂}] − 1 = E[min{X₁, X₂}] = 1/2",
        computed=float(highest.mean()),
        tolerance=1e-3,
        **mean(play(SecondPrice(), two, 29).collected),
    )


@entry(
    "krishna-bulow-klemperer",
    seed=_SEED,
    section="5.2.3, auctions versus negotiations",
    statement="An auction without reserve among two buyers earns more than the best negotiation with one: (5.18) > "
    "(5.17).",
)
def one_more_bidder() -> Reproduction:
    found = bulow_klemperer(Exponential())
    played = play(SecondPrice(), PrivateValues(2, Exponential()), 30)
    offer = 1.0 * (played.draw.values[:, 0] >= 1.0)
    return Reproduction(
        theory=0.5 - math.exp(-1),
        formula="1/2 − 1/e, exponential values of mean 1",
        computed=found.gain,
        note="The argument uses E[ψ(X)] ≥ 0, a support that does not begin below the seller's value, and regularity.",
        **mean(played.collected - offer),
    )
