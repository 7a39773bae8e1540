"""One agent: cyclical monotonicity and the optimal mechanism (Okumura 1.3 and 1.4)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.environments.priors import Uniform
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.screening import Screening
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, least, mean, play
from auctionlab.mechanisms.screening import OptimalScreening
from auctionlab.theory import screening
from auctionlab.theory.adaptive import integrate
from auctionlab.theory.rochet import implement, weak_monotonicity
from auctionlab.theory.screening import demand_profile, optimal_offer
from auctionlab.theory.virtual import is_mhr, is_regular

_SEED = "002"
_HALF_WAY = Screening(prior=Uniform(low=1.0, high=2.0))  # v = θx, c = x²/2, θ uniform on [1, 2]


@entry(
    "okumura-prop-1.1",
    seed=_SEED,
    section="1.3",
    statement="An allocation rule that transfers make incentive compatible is weakly monotone.",
)
def weakly_monotone() -> Reproduction:
    """All 27 rules from 3 types to 3 alternatives, at 15 random tables of values; payments searched for by an LP."""
    source, broken, implementable = rng.stream(41), 0, 0
    for _ in range(15):
        values = source.random((3, 3))  # (alternative, type)
        for rule in itertools.product(range(3), repeat=3):
            worth = values[list(rule)]
            possible = _least_temptation(worth) <= 1e-9
            implementable += possible
            broken += possible and weak_monotonicity(worth)[0] > 1e-9
    return Reproduction(
        theory=0.0,
        formula="number of implementable rules that are not weakly monotone",
        computed=float(broken),
        tolerance=0.0,
        note=f"{implementable} of 405 rules have transfers.",
    )


@entry(
    "okumura-thm-1.5",
    seed=_SEED,
    section="1.3",
    statement="Rochet: transfers that make x incentive compatible exist exactly where x is cyclically monotone.",
)
def rochet() -> Reproduction:
    """250 random rules of 4 types: cycles by longest paths against feasibility of the incentive constraints, an LP."""
    source, differ, possible = rng.stream(42), 0, 0
    for _ in range(250):
        worth = source.random((4, 4)) + 0.5 * np.eye(4)
        by_cycles = implement(worth).implementable
        differ += by_cycles != (_least_temptation(worth) <= 1e-9)
        possible += by_cycles
    return Reproduction(
        theory=0.0,
        formula="number of rules on which cyclical monotonicity and the existence of transfers disagree",
        computed=float(differ),
        tolerance=0.0,
        note=f"{possible} of 250 rules are cyclically monotone.",
    )


@entry(
    "okumura-thm-1.5-cycle",
    seed=_SEED,
    section="1.3",
    statement="Weak monotonicity is not enough: a cycle of three types can rule out a weakly monotone rule.",
)
def weak_is_not_enough() -> Reproduction:
    """Types are three directions 120° apart, v = x·θ, and x(θ) is θ turned by 90°: cycles of two are 0 long.

    The cycle of three is 3 √3/2 long. However transfers are chosen, on average over the cycle a type gains √3/2 by
    reporting the one before: a lie pays by at least the mean of the longest cycle.
    """
    angles = np.array([0.0, 2.0, 4.0]) * np.pi / 3
    types = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    worth = np.stack([-types[:, 1], types[:, 0]], axis=1) @ types.T
    found = implement(worth)

    def draw(axes: Any) -> None:
        for k, (x, y) in enumerate(types):
            axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->"})
            axes.annotate("", (-y, x), (0, 0), arrowprops={"arrowstyle": "->", "linestyle": "--"})
            axes.text(1.1 * x, 1.1 * y, f"θ{k}")
            axes.text(-1.1 * y, 1.1 * x, f"x(θ{k})")
        axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")

    return Reproduction(
        theory=float(np.sqrt(3) / 2),
        formula="mean length of the longest cycle, √3/2: the least that the most tempting lie can be worth",
        computed=_least_temptation(worth),
        tolerance=1e-9,
        note=f"Longest cycle of two: {weak_monotonicity(worth)[0]:.1e}. {found.line(('θ0', 'θ1', 'θ2'))}.",
        figure=draw,
    )


@entry(
    "okumura-1.4-revenue",
    seed=_SEED,
    section="1.4",
    statement="Expected revenue of an incentive compatible rule is E[S(x, θ) − v_θ(x, θ)(1 − F)/f] − V(lowest).",
)
def expected_revenue() -> Reproduction:
    """x(θ) = θ − 1, half of what is optimal, for v = θx, c = x²/2 and θ uniform on [1, 2]: t(θ) = (θ² − 1)/2."""
    prior, ends = _HALF_WAY.prior, np.array([1.0, 2.0])
    transfer, _ = screening.envelope(lambda s: s - 1, lambda x, s: x * s, lambda x, s: x, ends)
    types = _HALF_WAY.sample(rng.stream(43), 200_000).signals[:, 0]
    return Reproduction(
        theory=0.5,
        formula="∫ [(θ − 1)(2θ − 2) − (θ − 1)²/2] dθ over [1, 2] = 3/2 · 1/3",
        computed=integrate(lambda s: (transfer(s) - (s - 1) ** 2 / 2) * prior.pdf(s), ends),
        note="Computed from transfers along the envelope, theory from the virtual surplus.",
        **mean(transfer(types) - (types - 1) ** 2 / 2),
    )


@entry(
    "okumura-1.4-optimal",
    seed=_SEED,
    section="1.4",
    statement="The optimal mechanism maximises S(x, θ) − v_θ(x, θ)(1 − F)/f type by type (Mussa and Rosen).",
)
def optimal_mechanism() -> Reproduction:
    """ψ(θ) = 2θ − 2, so x(θ) = 2θ − 2 and profit is E[ψ²/2] = 2/3. The other route prices units one by one."""
    units = np.linspace(0.0, 2.0, 401)
    middle = (units[1:] + units[:-1]) / 2
    tariff = demand_profile(_HALF_WAY.prior, _HALF_WAY.marginal_value, _HALF_WAY.marginal_cost, middle)
    sold = np.where(np.isfinite(tariff.cutoffs), _HALF_WAY.prior.sf(tariff.cutoffs), 0.0)
    margins = np.where(sold > 0, tariff.prices - _HALF_WAY.marginal_cost(middle), 0.0)
    played = play(OptimalScreening(environment=_HALF_WAY), _HALF_WAY, seed=44)

    def draw(axes: Any) -> None:
        offer, theta = optimal_offer(_HALF_WAY), np.linspace(1.0, 2.0, 201)
        axes.plot(theta, theta, color="0.6", label="first best")
        axes.plot(theta, offer.quantity(theta), label="x(θ)")
        axes.plot(theta, offer.transfer(theta), label="t(θ)")
        axes.plot(theta, offer.rent(theta), label="rent")
        label(axes, "type θ", "quantity, money")

    return Reproduction(
        theory=2 / 3,
        formula="E[(2θ − 2)²/2] for θ uniform on [1, 2], v = θx, c = x²/2",
        computed=float((margins * sold) @ np.diff(units)),
        tolerance=1e-5,
        note="Computed by pricing every unit of x as a monopolist would: ∫ (p(x) − c′(x)) P(θ ≥ p(x)) dx.",
        figure=draw,
        **mean(played.collected),
    )


@entry(
    "okumura-1.4-mhr",
    seed=_SEED,
    section="1.4",
    statement="A monotone hazard rate is sufficient for the solution of the relaxed problem to rise with θ.",
)
def monotone_hazard_rate() -> Reproduction:
    """The Lomax distribution F = 1 − (1 + θ)^{−5} has a falling hazard rate but ψ = (4θ − 1)/5 rises.

    With v = θx and c = x²/2, x(θ) = max(ψ, 0), so the relaxed solution is optimal: profit ½ E[max(ψ, 0)²]. With
    y = 1 + θ that is ∫ (16 y⁻⁴ − 40 y⁻⁵ + 25 y⁻⁶) dy / 10 from 5/4 on.
    """
    prior = Scipy(name="lomax", parameters={"c": 5.0})
    environment = Screening(prior=prior)
    offer, y = optimal_offer(environment), 1.25
    played = play(OptimalScreening(environment=environment), environment, seed=45)
    types = np.linspace(0.0, 5.0, 2_001)
    quantity = offer.quantity(types)

    def draw(axes: Any) -> None:
        axes.plot(types, prior.hazard(types), label="hazard rate: falls")
        axes.plot(types, quantity, label="x(θ): rises")
        label(axes, "type θ", "")

    return Reproduction(
        theory=(16 / (3 * y**3) - 10 / y**4 + 5 / y**5) / 10,
        formula="½ E[max(ψ, 0)²] = (1/10) ∫ (4y − 5)² y⁻⁶ dy from 5/4 on",
        computed=offer.profit,
        tolerance=1e-7,
        note=(
            f"Monotone hazard rate: {is_mhr(prior)}; regular: {is_regular(prior)}; largest fall of x(θ): "
            f"{float((np.maximum.accumulate(quantity) - quantity).max()):.1e}. Computed from transfers."
        ),
        correction=(
            "Sufficient, but not needed: x rises wherever the virtual value does (regularity), as the notes' sign "
            "condition 1 − d/dθ (1 − F)/f ≥ 0 says. The hazard rate may fall."
        ),
        figure=draw,
        **mean(played.collected),
    )


def _least_temptation(worth: Array) -> float:
    """The least, over all transfers, that the most tempting lie is worth; 0 where transfers make truth optimal.

    worth[r, k] is what type k gets from the allocation of r. A linear program in the transfers and the temptation.
    """
    count, rows, limits = len(worth), [], []
    for report, own in itertools.permutations(range(count), 2):
        row = np.zeros(count + 1)
        row[own], row[report], row[count] = 1.0, -1.0, -1.0
        rows.append(row)
        limits.append(worth[own, own] - worth[report, own])
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * count + [(0, None)]
    return least(np.eye(count + 1)[count], np.array(rows), np.array(limits), bounds)
