"""Problems 5.1 to 5.5 (Krishna)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq

from auctionlab.environments.licensing import Licensing
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import midpoints, play_sent, play_type, run_all, run_reports, truths
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.expected_externality import ExpectedExternality
from auctionlab.mechanisms.groves import VickreyClarkeGroves
from auctionlab.mechanisms.licensing import LicensingAuction
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.partnership import PartnershipDissolution
from auctionlab.mechanisms.posted import SequentialOffers
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.theory.comparisons import two_uniform_buyers
from auctionlab.theory.impossibility import surplus_extraction
from auctionlab.theory.optimal import best_common_reserve, second_price_revenue

_SEED = "001"
_TWO = PrivateValues(2, Uniform())
_HALF = Partnership(2, Uniform())
_ALPHA = 0.5
_FIRMS = Licensing(_ALPHA, 2, Uniform())


def _unlike(k: float) -> PrivateValues:
    return PrivateValues(priors=(Uniform(high=1 + k), Uniform(high=1 - k)))


@entry(
    "krishna-problem-5.1",
    seed=_SEED,
    section="problem 5.1",
    statement="With independent values no incentive compatible, individually rational mechanism extracts the whole "
    "surplus.",
)
def extraction() -> Reproduction:
    """All of it would need an efficient allocation and U = 0, but U′ = q > 0. What is left to bidders is 2 E[∫ q]."""
    found = surplus_extraction(_TWO)
    return Reproduction(
        theory=1 / 3,
        formula="2 E[∫₀^X t dt] = 2 E[X²/2] = 1/3 of the surplus 2/3, two uniform bidders",
        computed=found.welfare - found.revenue,
        **mean(play(VickreyClarkeGroves(_TWO), _TWO, 51).utility.sum(axis=1)),
    )


@entry(
    "krishna-problem-5.2",
    seed=_SEED,
    section="problem 5.2 b",
    statement="Values uniform on [0, 1 + k] and [0, 1 − k]: optimal are reserves (1 ± k)/2, and the first buyer wins "
    "where "
    "x₁ > x₂ + k.",
)
def two_uniforms() -> Reproduction:
    """Computed by runs of the auction on a grid, k = 0.3."""
    where, found = _unlike(0.3), two_uniform_buyers(0.3)
    auction = OptimalAuction(where)

    def draw(axes: Any) -> None:
        k = np.linspace(0, 0.95, 39)
        both = [two_uniform_buyers(float(each)) for each in k]
        axes.plot(k, [each.optimal_revenue for each in both], label="optimal auction")
        axes.plot(k, [each.common_revenue for each in both], "--", label="best common reserve")
        axes.plot(k, [second_price_revenue(_unlike(float(each)).priors) for each in k], "-.", label="no reserve")
        label(axes, "k", "expected revenue")

    return Reproduction(
        theory=found.optimal_revenue,
        formula="B − (B²/3 + B + AB)/(4A) + k²/A, A = 1 + k, B = 1 − k, k = 0.3",
        computed=float(run_all(auction, where, 1000).collected.mean()),
        tolerance=1e-3,
        note=f"Reserves {auction.design.reserves[0]:.4g} and {auction.design.reserves[1]:.4g}.",
        figure=draw,
        **mean(play(auction, where, 52).collected),
    )


@entry(
    "krishna-problem-5.2a",
    seed=_SEED,
    section="problem 5.2 a",
    statement="The best reserve of a second-price auction among these buyers is 1/2 for k up to 0.41316, then (1 + "
    "k)/2.",
)
def common_reserve() -> Reproduction:
    """Computed: the best of 261 reserves, by runs on a grid, k = 0.3."""
    where, k = _unlike(0.3), 0.3
    signals, reserves = midpoints(where, 300), np.linspace(0, 1.3, 261)
    earned = [float(SecondPrice(reserve=float(r)).run(signals).payments.sum(axis=1).mean()) for r in reserves]

    def draw(axes: Any) -> None:
        axes.plot(reserves, earned, label="k = 0.3")
        grid = np.linspace(0, 1.6, 161)
        axes.plot(grid, [second_price_revenue(_unlike(0.6).priors, float(r)) for r in grid], "--", label="k = 0.6")
        label(axes, "common reserve", "expected revenue")

    return Reproduction(
        theory=(1 - k) * (1 + 2 * k) / (3 * (1 + k)) + 1 / (12 * (1 - k**2)),
        formula="(1 − k)(1 + 2k)/(3(1 + k)) + 1/(12(1 − k²)), k = 0.3",
        computed=max(earned),
        tolerance=1e-3,
        note=f"The best of the 261 reserves is {reserves[int(np.argmax(earned))]:.3f}.",
        figure=draw,
        **mean(play(SecondPrice(reserve=0.5), where, 53).collected),
    )


@entry(
    "krishna-problem-5.2a-large",
    seed=_SEED,
    section="problem 5.2 a",
    statement="From the root of 11k³ − 9k² − 3k + 2 on, only the first buyer is asked: the reserve is (1 + k)/2.",
)
def where_the_peak_moves() -> Reproduction:
    """Computed: where revenue at reserve 1/2 equals the revenue at (1 + k)/2, both by quadrature."""

    def apart(k: float) -> float:
        priors = _unlike(k).priors
        return second_price_revenue(priors, 0.5) - second_price_revenue(priors, (1 + k) / 2)

    roots = np.roots([11, -9, -3, 2]).real
    reserve, _ = best_common_reserve(_unlike(0.6).priors)
    return Reproduction(
        theory=float(roots[(roots > 0) & (roots < 0.5)][0]),
        formula="the root of 11k³ − 9k² − 3k + 2 between 0 and 1/2",
        computed=float(brentq(apart, 0.2, 0.49, xtol=1e-12)),
        tolerance=1e-8,
        note=f"For k = 0.6 the best reserve is {reserve:.6g}.",
        correction="r = 1/2, which the first-order condition gives, is not the whole answer: revenue has a second "
        "peak.",
    )


@entry(
    "krishna-problem-5.3a",
    seed=_SEED,
    section="problem 5.3 a",
    statement="Partners who bid for each other's half, the winner paying the loser's bid, bid x/3 + 1/6 in "
    "equilibrium.",
)
def dissolution_bid() -> Reproduction:
    """Computed: the best of 401 bids of type 0.7 against a rival who bids so."""
    rule = PartnershipDissolution()
    bids, trials = rule.equilibrium(_HALF), np.linspace(0, 1, 401)
    payoffs = run_reports(rule, _HALF, trials, bids=(lambda t: t, bids[1]), points=3000).payoffs(np.array([0.7]))[0]

    def draw(axes: Any) -> None:
        axes.plot(trials, payoffs)
        axes.axvline(0.4, color="#8a8f98", linestyle="--")
        label(axes, "bid", "expected payoff of type 0.7")

    return Reproduction(
        theory=0.4,
        formula="0.7/3 + 1/6",
        computed=float(trials[int(np.argmax(payoffs))]),
        tolerance=3e-3,
        figure=draw,
    )


@entry(
    "krishna-problem-5.3",
    seed=_SEED,
    section="problem 5.3 b",
    statement="This procedure is efficient and individually rational: every type gains at least 1/24 from dissolving.",
)
def dissolution_gain() -> Reproduction:
    rule, x = PartnershipDissolution(), np.linspace(0, 1, 101)
    played = play(rule, _HALF, 54)
    efficient = float((played.draw.values * played.outcome.allocation).sum(axis=1).mean())
    margins = np.diagonal(run_reports(rule, _HALF, x, points=2000).payoffs(x)) - x / 2

    def draw(axes: Any) -> None:
        axes.plot(x, margins)
        axes.axhline(0, color="#22262b", linewidth=0.7)
        label(axes, "value of the firm", "gain from dissolving")

    return Reproduction(
        theory=1 / 24,
        formula="min (x²/2 + 1/6 − x/2), at x = 1/2",
        computed=float(margins.min()),
        tolerance=1e-5,
        note=f"In 200,000 dissolutions the owner's value was {efficient:.4f} on average; E[max] = 2/3.",
        figure=draw,
        **mean(play_type(rule, _HALF, 0.5, 55).utility[:, 0] - 0.25),
    )


@entry(
    "krishna-problem-5.3c",
    seed=_SEED,
    section="problem 5.3 c",
    statement="In the VCG mechanism (5.22) of the partnership the new owner pays the other's value, the other nothing.",
)
def dissolution_vcg() -> Reproduction:
    vcg = VickreyClarkeGroves(_HALF)
    return Reproduction(
        theory=1 / 3,
        formula="E[min{X₁, X₂}] = 1/3 in all",
        computed=float(run_all(vcg, _HALF, 600, truths(_HALF)).collected.mean()),
        tolerance=1e-4,
        note="But half a firm is lost: a partner of value x gets x²/2, less than its share x/2, so (5.22) needs the "
        "pivot "
        "of the type that gains least, 1/2, to be individually rational.",
        **mean(play_sent(vcg, _HALF, truths(_HALF), 56).collected),
    )


@entry(
    "krishna-problem-5.4",
    seed=_SEED,
    section="problem 5.4 a",
    statement="A licence that hurts the loser, sold by a first-price auction: bids (1 + α) x/2 and revenue (1 + α)/3.",
)
def licence() -> Reproduction:
    """Computed: the best of 601 bids of type 0.8 is (1 + α) 0.4; from it, bids being linear, revenue is 5b/6."""
    rule = LicensingAuction(_FIRMS)
    bids, trials = rule.equilibrium(_FIRMS), np.linspace(0, 1.5, 601)
    payoffs = run_reports(rule, _FIRMS, trials, bids=(lambda t: t, bids[1]), points=3000).payoffs(np.array([0.8]))[0]
    best = float(trials[int(np.argmax(payoffs))])
    return Reproduction(
        theory=(1 + _ALPHA) / 3,
        formula="(1 + α)/3 at α = 1/2",
        computed=best / 0.8 * 2 / 3,
        tolerance=2e-3,
        note=f"The best bid of type 0.8 is {best:.4g}.",
        **mean(play(rule, _FIRMS, 57).collected),
    )


@entry(
    "krishna-problem-5.4b",
    seed=_SEED,
    section="problem 5.4 b",
    statement="The VCG mechanism for the licence charges the winner (1 + α) times the loser's value: the same on "
    "average.",
)
def licence_vcg() -> Reproduction:
    vcg = VickreyClarkeGroves(_FIRMS)
    return Reproduction(
        theory=(1 + _ALPHA) / 3,
        formula="(1 + α) E[min{X₁, X₂}] at α = 1/2",
        computed=float(run_all(vcg, _FIRMS, 600).collected.mean()),
        tolerance=1e-4,
        **mean(play(vcg, _FIRMS, 58).collected),
    )


@entry(
    "krishna-problem-5.4c",
    seed=_SEED,
    section="problem 5.4 c",
    statement="The expected externality mechanism for the licence pays (1 + α)(x_i² − x_j²)/2; it is balanced and "
    "individually rational, so such a mechanism exists.",
)
def licence_balanced() -> Reproduction:
    """Who stays out sees the rival licensed and loses αx; type x gains (1 + α)(x²/2 + 1/6) against that."""
    rule, x = ExpectedExternality(_FIRMS), np.linspace(0, 1, 51)
    margins = np.diagonal(run_reports(rule, _FIRMS, x, points=2000).payoffs(x)) + _ALPHA * x
    return Reproduction(
        theory=(1 + _ALPHA) / 6,
        formula="least gain (1 + α)/6, of type 0, at α = 1/2",
        computed=float(margins.min()),
        tolerance=1e-6,
        note="If one firm's refusal stopped the licence, the least gain would be (1 + α)/6 − α²/(2(1 + α)), still "
        "positive "
        f"({(1 + _ALPHA) / 6 - _ALPHA**2 / (2 * (1 + _ALPHA)):.4f}).",
        **mean(play_type(rule, _FIRMS, 0.0, 59).utility[:, 0]),
    )


@entry(
    "krishna-problem-5.5",
    seed=_SEED,
    section="problem 5.5",
    statement="Offering at p₁ = 5/8 and then at p₂ = 1/2 earns 25/64: more than an auction without reserve (1/3), "
    "less than "
    "the optimal one (5/12).",
)
def offers() -> Reproduction:
    """Computed: the best pair of prices on a grid of 321², from 1 − F alone."""
    p = np.linspace(0, 1, 321)
    earned = p[:, None] * (1 - p[:, None]) + p[:, None] * (p * (1 - p))[None, :]
    first, second = np.unravel_index(int(np.argmax(earned)), earned.shape)

    def draw(axes: Any) -> None:
        axes.plot(p, earned.max(axis=1), label="best p₂ after p₁")
        for level, name, dash in ((5 / 12, "optimal auction", "--"), (1 / 3, "no reserve", ":")):
            axes.axhline(level, color="#8a8f98", linestyle=dash, label=name)
        label(axes, "first offer p₁", "expected revenue")

    return Reproduction(
        theory=25 / 64,
        formula="p₁(1 − p₁) + p₁ p₂(1 − p₂) at p₁ = (1 + 1/4)/2, p₂ = 1/2",
        computed=float(earned.max()),
        tolerance=1e-9,
        note=f"The best prices on the grid are {p[first]:.6g} and {p[second]:.6g}. Revenue equivalence does not "
        "apply, as "
        "the item may go to the lower value: the allocation is another one.",
        figure=draw,
        **mean(play(SequentialOffers(environment=_TWO), _TWO, 60).collected),
    )


@entry(
    "krishna-problem-5.5-allocation",
    seed=_SEED,
    section="problem 5.5 c",
    statement="The allocation of sequential offers differs from an auction's: it is kept, or sold to the lower value.",
)
def offers_inefficient() -> Reproduction:
    """In random order: sold first at 5/8 though the second buyer's value is higher, or second at 1/2 though lower."""
    rule = SequentialOffers(environment=_TWO)
    grid = run_all(rule, _TWO, 800)
    values, got = grid.draw.values, grid.outcome.allocation
    lower = got[:, 0] * (values[:, 0] < values[:, 1]) + got[:, 1] * (values[:, 1] < values[:, 0])
    played = play(rule, _TWO, 61)
    won, dealt = played.outcome.allocation, played.draw.values
    wrong = won[:, 0] * (dealt[:, 0] < dealt[:, 1]) + won[:, 1] * (dealt[:, 1] < dealt[:, 0])
    return Reproduction(
        theory=(3 / 8) ** 2 / 2 + (1 / 8) ** 2 / 2,
        formula="P(5/8 ≤ X₁ < X₂) + P(1/2 ≤ X₂ < X₁ < 5/8) = 9/128 + 1/128",
        computed=float(lower.mean()),
        tolerance=1e-3,
        note=f"It is kept with probability (5/8)(1/2) = {math.prod((5 / 8, 1 / 2)):.4f}.",
        **mean(wrong),
    )
