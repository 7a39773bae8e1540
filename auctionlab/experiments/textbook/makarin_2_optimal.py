"""Virtual valuations and the optimal auction (Makarin)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.special_priors import Beta
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import midpoints, run_all
from auctionlab.experiments.textbook.plays import AUCTIONS, label, mean, play
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.posted import PostedPrice
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.theory.comparisons import inefficiency_regions
from auctionlab.theory.marginal_revenue import inverse_demand
from auctionlab.theory.optimal import second_price_revenue
from auctionlab.theory.virtual import virtual_values

_SEED = "000"
_TWO, _THREE = PrivateValues(2, Uniform()), PrivateValues(3, Uniform())
_UNLIKE = PrivateValues(priors=(Uniform(), Power(exponent=2.0)))  # ψ₁ = 2x − 1, ψ₂ = (3x² − 1)/(2x)


@entry(
    "makarin-virtual",
    seed=_SEED,
    section="Virtual valuations",
    statement="The virtual valuation is ψ(v) = v − (1 − F(v))/f(v), and E[ψ(V)] = 0.",
)
def expectation() -> Reproduction:
    """Why: ∫ (v f − (1 − F)) dv = −[v (1 − F)], the lower end of the support. Computed on 100,000 quantiles."""
    prior = Beta(a=2.0, b=3.0)
    quantiles = midpoints(PrivateValues(1, prior), 100_000)[:, 0]
    values = PrivateValues(1, prior).sample(rng.stream(91), AUCTIONS).values[:, 0]
    return Reproduction(
        theory=0.0,
        formula="E[ψ(V)] = the lower end of the support, 0 for Beta(2, 3)",
        computed=float(virtual_values(prior, quantiles).mean()),
        tolerance=1e-3,
        correction="E[ψ(V)] = 0 holds for supports that begin at 0, as those of the slides do; in general it is the "
        "lower "
        "end (krishna-5.11).",
        **mean(virtual_values(prior, values)),
    )


@entry(
    "makarin-regular",
    seed=_SEED,
    section="Virtual valuations",
    statement="The problem is regular if ψ rises; a rising hazard rate is sufficient.",
)
def regular() -> Reproduction:
    """ψ = v − 1/λ(v), so ψ′ = 1 + λ′/λ² ≥ 1 where λ rises: the least slope on grids of four such priors."""

    def steepness(prior: Any) -> float:
        v = np.asarray(prior.quantile(np.linspace(0.01, 0.99, 991)))
        return float((np.diff(virtual_values(prior, v)) / np.diff(v)).min())

    priors = (Exponential(mean=2.0), Uniform(), Power(exponent=2.0), Beta(a=2.0, b=2.0))

    def draw(axes: Any) -> None:
        for prior, name in zip(priors, ("exponential", "uniform", "x²", "Beta(2, 2)"), strict=True):
            v = np.asarray(prior.quantile(np.linspace(0.05, 0.95, 200)))
            axes.plot(v, virtual_values(prior, v), label=name)
        axes.axhline(0, color="#22262b", linewidth=0.7)
        axes.set(xlim=(0, 2), ylim=(-2, 2))
        label(axes, "value", "virtual value")

    return Reproduction(
        theory=1.0,
        formula="min ψ′ = 1, of the exponential distribution, whose hazard rate is constant",
        computed=min(steepness(prior) for prior in priors),
        figure=draw,
    )


@entry(
    "makarin-optimal",
    seed=_SEED,
    section="Optimal mechanism",
    statement="The maximised expected revenue is E[max{ψ₁(V₁), …, ψ_N(V_N), 0}].",
)
def optimal_revenue() -> Reproduction:
    return Reproduction(
        theory=17 / 32,
        formula="∫₀¹ (1 − ((z + 1)/2)³) dz = 17/32, three uniform bidders",
        computed=float(run_all(OptimalAuction(_THREE), _THREE, 80).collected.mean()),
        tolerance=1e-3,
        **mean(play(OptimalAuction(_THREE), _THREE, 92).collected),
    )


@entry(
    "makarin-optimal-payment",
    seed=_SEED,
    section="Optimal mechanism",
    statement="Only the winner pays: y_i, the smallest value that would still win, which is v − ∫ Q.",
)
def winner_pays() -> Reproduction:
    """Against x₂ = 0.9, F₁ = x, F₂ = x². Computed: 0.95 less the integral of Q₁ over 100,000 reports."""
    auction, count = OptimalAuction(_UNLIKE), 100_000
    reports = np.full((count, 2), 0.9)
    reports[:, 0] = 0.95 * (np.arange(count) + 0.5) / count
    psi = (3 * 0.81 - 1) / 1.8
    return Reproduction(
        theory=(1 + psi) / 2,
        formula="y₁ = ψ₁⁻¹(ψ₂(0.9)) = (1 + (3 · 0.81 − 1)/1.8)/2",
        computed=0.95 - 0.95 * float(auction.run(reports).allocation[:, 0].mean()),
        tolerance=1e-5,
    )


@entry(
    "makarin-proposition",
    seed=_SEED,
    section="Proposition",
    statement="In a regular problem it is optimal to give the item to the highest nonnegative virtual value, at price "
    "y_i.",
)
def proposition() -> Reproduction:
    """Computed: payments y_i on a grid, whose mean is E[max{ψ₁, ψ₂, 0}]."""
    grid = midpoints(_UNLIKE, 1200)
    psi = np.maximum(2 * grid[:, 0] - 1, (3 * grid[:, 1] ** 2 - 1) / (2 * grid[:, 1]))
    return Reproduction(
        theory=float(np.maximum(psi, 0).mean()),
        formula="E[max{2V₁ − 1, (3V₂² − 1)/(2V₂), 0}] on 1,200² quantiles, F₁ = x, F₂ = x²",
        computed=float(run_all(OptimalAuction(_UNLIKE), _UNLIKE, 1000).collected.mean()),
        tolerance=5e-4,
        correction="The line Q_i = 0 must also say ψ_i < 0, see krishna-prop-5.3, where a linear programme shows that "
        "nothing earns more.",
        **mean(play(OptimalAuction(_UNLIKE), _UNLIKE, 93).collected),
    )


@entry(
    "makarin-symmetric",
    seed=_SEED,
    section="Symmetric case",
    statement="In the symmetric regular problem the optimal mechanism is a second-price auction with reserve ψ⁻¹(0).",
)
def symmetric() -> Reproduction:
    """Exponential values, ψ = x − 1. Computed: the best of 301 reserves by quadrature of second prices."""
    two = PrivateValues(2, Exponential())
    reserves = np.linspace(0, 3, 301)
    earned = [second_price_revenue(two.priors, float(r)) for r in reserves]

    def draw(axes: Any) -> None:
        axes.plot(reserves, earned)
        axes.axvline(1, color="#8a8f98", linestyle="--")
        label(axes, "reserve price", "expected revenue")

    return Reproduction(
        theory=2 * math.exp(-1) - math.exp(-2) / 2,
        formula="E[max{X₁ − 1, X₂ − 1, 0}] = 2/e − 1/(2e²), exponential values of mean 1",
        computed=max(earned),
        figure=draw,
        **mean(play(OptimalAuction(two), two, 94).collected),
    )


@entry(
    "makarin-inefficiency",
    seed=_SEED,
    section="Discussion",
    statement="The optimal mechanism is inefficient: it keeps the item though somebody values it more than the seller.",
)
def kept() -> Reproduction:
    played = play(SecondPrice(reserve=0.5), _TWO, 95)
    lost = played.draw.values.max(axis=1) * (played.outcome.allocation.sum(axis=1) == 0)
    return Reproduction(
        theory=1 / 12,
        formula="E[max; both below ½] = ∫₀^½ 2x² dx = 1/12, two uniform bidders",
        computed=inefficiency_regions(_TWO.priors).loss_unsold,
        **mean(lost),
    )


@entry(
    "makarin-inefficiency-virtual",
    seed=_SEED,
    section="Discussion",
    statement="Second, it goes to the highest virtual value, which in the asymmetric case need not be the highest "
    "value.",
)
def misallocated() -> Reproduction:
    """F₁ = x, F₂ = x²: buyer 1 is the disadvantaged one and wins where ψ₁ > ψ₂ though x₁ < x₂."""

    def wrongly(values: Any, allocation: Any) -> Any:
        return (allocation[:, 0] == 1) & (values[:, 0] < values[:, 1])

    x = np.linspace(0.5, 1, 200_001)
    x = (x[1:] + x[:-1]) / 2
    won = np.maximum(((2 * x - 1) + np.sqrt((2 * x - 1) ** 2 + 3)) / 3, x)  # x₂ up to ψ₂⁻¹(ψ₁(x))
    played = play(OptimalAuction(_UNLIKE), _UNLIKE, 96)
    grid = run_all(OptimalAuction(_UNLIKE), _UNLIKE, 1000)
    return Reproduction(
        theory=float((won**2 - x**2).mean()) / 2,
        formula="P(½ ≤ V₁ < V₂ < ψ₂⁻¹(ψ₁(V₁))), ψ₂⁻¹(z) = (z + √(z² + 3))/3",
        computed=float(wrongly(grid.draw.values, grid.outcome.allocation).mean()),
        tolerance=1e-3,
        **mean(wrongly(played.draw.values, played.outcome.allocation)),
    )


@entry(
    "makarin-marginal-revenue",
    seed=_SEED,
    section="Interpretation",
    statement="ψ is marginal revenue: the derivative of q F⁻¹(1 − q) with respect to the quantity q is ψ at the price.",
)
def marginal_revenue() -> Reproduction:
    """Exponential demand q = e^−p. Computed: the central difference of revenue."""
    prior, step = Exponential(), 1e-5
    q = np.array([0.25 - step, 0.25 + step])
    earned = q * inverse_demand(prior, q)
    return Reproduction(
        theory=math.log(4) - 1,
        formula="ψ(p) = p − 1 at p = F⁻¹(0.75) = log 4",
        computed=float(earned[1] - earned[0]) / (2 * step),
        tolerance=1e-8,
    )


@entry(
    "makarin-monopoly-price",
    seed=_SEED,
    section="Interpretation",
    statement="Facing one buyer the seller asks the monopoly price r* = ψ⁻¹(0), where marginal revenue is 0.",
)
def monopoly() -> Reproduction:
    """Computed: the best of 100,001 offers to a buyer with F = x²."""
    prior = Power(exponent=2.0)
    prices = np.linspace(0, 1, 100_001)
    one = PrivateValues(1, prior)
    return Reproduction(
        theory=2 / (3 * math.sqrt(3)),
        formula="r*(1 − r*²) at r* = 1/√3, where 3r² = 1",
        computed=float((prices * prior.sf(prices)).max()),
        tolerance=1e-9,
        **mean(play(PostedPrice(environment=one), one, 97).collected),
    )
