"""Several buyers: the optimal auction and its examples (Nath, multi-agent design)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks.interim import interim_gain
from auctionlab.environments.data_priors import Discrete, Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.special_priors import Beta, Lognormal
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, least, mean, play
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.theory.comparisons import inefficiency_regions
from auctionlab.theory.optimal import optimal_revenue, second_price_revenue
from auctionlab.theory.virtual import is_mhr, is_regular, virtual_values

_SEED = "003"
_ONE = PrivateValues(priors=(Uniform(high=12.0), Uniform(high=18.0)))  # example 1
_THREE = PrivateValues(priors=(Uniform(high=10.0), Uniform(high=6.0)))  # example 3
_TABLE = {  # example 1: types, and who pays what
    (4.0, 8.0): (0.0, 0.0),
    (2.0, 12.0): (0.0, 9.0),
    (6.0, 6.0): (6.0, 0.0),
    (9.0, 9.0): (6.0, 0.0),
    (8.0, 15.0): (0.0, 11.0),
}


@entry(
    "nath-multi-revenue",
    seed=_SEED,
    section="Optimal mechanism design for multiple agents",
    statement="Expected revenue is the expected total virtual valuation, ∫ Σ w_i(t_i) f_i(t) g(t) dt.",
)
def virtual_surplus() -> Reproduction:
    """Example 1: E[max(w₁, w₂, 0)] = 19/3 with w₁ uniform on [−12, 12] and w₂ on [−18, 18].

    P(max ≤ z) = (z + 12)(z + 18)/(24 · 36) for 0 ≤ z ≤ 12, and (z + 18)/36 up to 18. Played are payments, not virtual
    values; computed is the virtual surplus on a grid of 2,400² midpoints.
    """
    first, second = ((np.arange(2_400) + 0.5) / 2_400 * high for high in (12.0, 18.0))
    best = np.maximum(np.maximum(2 * first[:, None] - 12, 2 * second[None] - 18), 0.0)
    played = play(OptimalAuction(environment=_ONE), _ONE, seed=81)
    return Reproduction(
        theory=12 - (12**3 / 3 + 30 * 12**2 / 2 + 216 * 12) / 864 + (6 - (18**2 - 12**2) / 2 / 36 - 18 * 6 / 36),
        formula="∫ (1 − (z + 12)(z + 18)/864) dz over [0, 12] + ∫ (1 − (z + 18)/36) dz over [12, 18]",
        computed=float(best.mean()),
        tolerance=1e-4,
        **mean(played.collected),
    )


@entry(
    "nath-lemma-regular",
    seed=_SEED,
    section="Optimal mechanism design for multiple agents",
    statement="With regular valuations the unconstrained solution never falls, hence is optimal; MHR implies regular.",
)
def regular_is_enough() -> Reproduction:
    """Where w rises, f_i never falls with t_i against 500 random rivals; the largest fall of f_i, nine pairs of priors.

    To it is added the number of MHR priors, among seven, that are not regular.
    """
    uniforms = (Uniform(high=12.0), Uniform(low=-1.0, high=1.0), Uniform(low=3.0, high=4.0))
    others = (Exponential(mean=2.0), Beta(a=2.0, b=2.0), Lognormal(mu=0.0, sigma=0.5), Power(exponent=3.0))
    fall, broken = 0.0, sum(is_mhr(prior) and not is_regular(prior) for prior in (*uniforms, *others))
    for prior, other in itertools.product(uniforms, uniforms):
        rivals = virtual_values(other, np.asarray(other.quantile(rng.stream(82).random(500))))
        own = virtual_values(prior, np.linspace(prior.low, prior.high, 301))
        wins = ((own[:, None] >= rivals) & (own[:, None] >= 0)) * 1.0
        fall = max(fall, float((np.maximum.accumulate(wins, axis=0) - wins).max()))
    bumpy = Empirical(data=(1.0, 2.0, 5.0))
    grid = np.linspace(1.0, 5.0, 301)
    drops = virtual_values(bumpy, grid)
    return Reproduction(
        theory=0.0,
        formula="largest fall of f_i(·, t_−i)",
        computed=fall + broken,
        tolerance=0.0,
        note=(
            f"The interpolated data (1, 2, 5) are not regular ({is_regular(bumpy)}): w falls by up to "
            f"{float((np.maximum.accumulate(drops) - drops).max()):.3g}, and the auction irons it."
        ),
        correction=(
            "'f_i = 1 if w_i ≥ w_j for all j' also needs w_i ≥ 0. Regular is defined by w(s) ≤ w(t) for s < t; "
            "where w is flat, ties must be broken in the same way for all types of the flat part."
        ),
    )


@entry(
    "nath-thm-optimal",
    seed=_SEED,
    section="Optimal mechanism: allocation and payment",
    statement="The highest virtual value, if not negative, wins and pays max{w_i⁻¹(0), K_i*(t_−i)}: this is optimal.",
)
def optimal_mechanism() -> Reproduction:
    """Two buyers with few types each: E[max(w₁, w₂, 0)] of discrete virtual values against a linear program.

    The program chooses every f_i(t) and interim payment subject to BIC and IIR: it knows no virtual values.
    """
    priors = (Discrete(values=(1.0, 2.0, 3.0, 4.0)), Discrete(values=(1.0, 3.0, 5.0), weights=(2.0, 1.0, 1.0)))
    environment = PrivateValues(priors=priors)
    mechanism = OptimalAuction(environment=environment)
    played = play(mechanism, environment, seed=83)
    return Reproduction(
        theory=optimal_revenue(priors),
        formula="E[max(w₁(t₁), w₂(t₂), 0)], t₁ uniform on {1, 2, 3, 4}, t₂ on {1, 3, 5} with weights 2, 1, 1",
        computed=_most_revenue(*priors),
        tolerance=1e-8,
        note=f"The most that a type gains by a misreport: {max(interim_gain(mechanism, environment).worst, 0.0):.1e}.",
        correction="'f_i = 1 if w_i ≥ w_j' also needs w_i ≥ 0, which the first line says only for all i at once.",
        **mean(played.collected),
    )


@entry(
    "nath-example-1-virtual",
    seed=_SEED,
    section="Example 1",
    statement="Uniform types on [0, 12] and [0, 18] have virtual values 2t₁ − 12 and 2t₂ − 18: reserves 6 and 9.",
)
def example_1_virtual() -> Reproduction:
    """The reserves are also the prices that earn most from each alone, found by search; here their sum."""
    best = [prices[np.argmax(prices * (1 - prices / prices[-1]))] for prices in _price_grids()]
    return Reproduction(
        theory=6.0 + 9.0,
        formula="w₁⁻¹(0) + w₂⁻¹(0)",
        computed=float(sum(best)),
        tolerance=1e-3,
        note=f"w₁(4) = {virtual_values(_ONE.priors[0], np.array(4.0)):g}, w₂(8) = "
        f"{virtual_values(_ONE.priors[1], np.array(8.0)):g}: both negative, unsold.",
    )


def _example_1_row(types: tuple[float, float]) -> None:
    """Register one line of the table: payments by search for the least report that still wins."""
    table = _TABLE[types]
    payer = int(np.argmax(table))

    @entry(
        f"nath-example-1-{types[0]:g}-{types[1]:g}",
        seed=_SEED,
        section="Example 1",
        statement=f"At types ({types[0]:g}, {types[1]:g}) buyer 1 pays {table[0]:g}, buyer 2 pays {table[1]:g}.",
    )
    def row() -> Reproduction:
        mechanism, paid = OptimalAuction(environment=_ONE), np.zeros(2)
        outcome = mechanism.run(np.array([types]))
        winner = int(outcome.allocation[0].argmax()) if outcome.allocation.any() else None
        if winner is not None:
            paid[winner] = _least_winning(mechanism, types, winner)
        who = "unsold" if winner is None else f"sold to {winner + 1}"
        charged = outcome.payments[0]
        return Reproduction(
            theory=table[payer],
            formula=f"max{{w⁻¹(0), K*}} for buyer {payer + 1}, nothing for the other" if max(table) else "both w < 0",
            computed=float(paid[payer] - paid[1 - payer]),
            tolerance=1e-9,
            note=f"{who.capitalize()}; the mechanism charges {charged[0]:g} and {charged[1]:g}.",
        )


for _types in _TABLE:
    _example_1_row(_types)


@entry(
    "nath-example-2",
    seed=_SEED,
    section="Example 2",
    statement="With symmetric bidders the optimal auction is second-price with reserve w⁻¹(0), efficient if it sells.",
)
def example_2() -> Reproduction:
    """Three uniform bidders, r = 1/2. Computed from prices: r P(highest ≥ r) + ∫ P(second-highest > x) dx from r on."""
    environment = PrivateValues(3, Uniform())
    optimal, plain = OptimalAuction(environment=environment), SecondPrice(reserve=0.5)
    played = play(optimal, environment, seed=84)
    signals = played.draw.signals
    same, mine = plain.run(signals), optimal.run(signals)
    sold = mine.allocation.sum(axis=1) > 0
    wrong = (mine.allocation * signals).sum(axis=1)[sold] < signals.max(axis=1)[sold]
    differ = max(np.abs(same.payments - mine.payments).max(), np.abs(same.allocation - mine.allocation).max())
    return Reproduction(
        theory=17 / 32,
        formula="∫ max(2t − 1, 0) 3t² dt = 17/32 for the highest of three uniform types",
        computed=second_price_revenue(environment.priors, 0.5),
        tolerance=1e-9,
        note=f"Largest difference from the second-price auction: {differ:.0e}; sales to a lower value: {wrong.sum()}.",
        **mean(played.collected),
    )


@entry(
    "nath-example-3",
    seed=_SEED,
    section="Example 3: efficiency and optimality",
    statement="Types on [0, 10] and [0, 6]: the optimal auction keeps the item inefficiently with probability 1/4.",
)
def example_3_unsold() -> Reproduction:
    """Reserves 5 and 3: unsold where both are below."""
    points = [(np.arange(1_000) + 0.5) / 1_000 * high for high in (10.0, 6.0)]
    pairs = np.stack(np.meshgrid(*points), axis=-1).reshape(-1, 2)
    kept = OptimalAuction(environment=_THREE).run(pairs).allocation.sum(axis=1) == 0
    played = play(OptimalAuction(environment=_THREE), _THREE, seed=85)
    return Reproduction(
        theory=0.25,
        formula="P(t₁ < 5) P(t₂ < 3)",
        computed=float(kept.mean()),
        tolerance=1e-9,
        note=f"Regions by quadrature: {inefficiency_regions(_THREE.priors).unsold:.9f}.",
        figure=_regions,
        **mean((played.outcome.allocation.sum(axis=1) == 0) * 1.0),
    )


@entry(
    "nath-example-3-misallocated",
    seed=_SEED,
    section="Example 3: efficiency and optimality",
    statement="In a region where buyer 1 has the higher value the item is sold to buyer 2, with probability 1/10.",
)
def example_3_misallocated() -> Reproduction:
    """2 wins where t₂ ≥ 3 and t₂ ≥ t₁ − 2; wrongly where also t₂ < t₁: for each t₂ in [3, 6] a band of width 2."""
    played = play(OptimalAuction(environment=_THREE), _THREE, seed=86)
    types, allocation = played.draw.signals, played.outcome.allocation
    return Reproduction(
        theory=0.1,
        formula="∫ 2 dt₂ over [3, 6], of 60",
        computed=inefficiency_regions(_THREE.priors).second_despite_first,
        tolerance=1e-9,
        figure=_regions,
        **mean(allocation[:, 1] * (types[:, 0] > types[:, 1])),
    )


def _regions(axes: Any) -> None:
    first, second = np.meshgrid(np.linspace(0, 10, 301), np.linspace(0, 6, 181))
    winner = inefficiency_regions(_THREE.priors).winner(first, second)
    axes.contourf(first, second, winner, levels=[-1.5, -0.5, 0.5, 1.5], colors=["0.85", "#9ecae1", "#fdae6b"])
    axes.plot([0, 6], [0, 6], "k--", linewidth=1)
    for x, y, name in ((1.5, 1.0, "unsold"), (7.5, 2.0, "to buyer 1"), (2.0, 5.0, "to buyer 2")):
        axes.text(x, y, name)
    axes.set_title("below the dashed line buyer 1 values it more")
    label(axes, "t₁", "t₂")


def _price_grids() -> tuple[Array, Array]:
    return np.linspace(0.0, 12.0, 24_001), np.linspace(0.0, 18.0, 36_001)


def _least_winning(mechanism: OptimalAuction, types: tuple[float, float], seat: int) -> float:
    """K_i*: the least report with which the seat still wins, by bisection on the mechanism's own choice."""
    low, high = 0.0, types[seat]
    for _ in range(100):
        middle = (low + high) / 2
        reports = np.array([types])
        reports[0, seat] = middle
        if mechanism.run(reports).allocation[0, seat] == 1:
            high = middle
        else:
            low = middle
    return high


def _most_revenue(first: Discrete, second: Discrete) -> float:
    """The most that any BIC and IIR mechanism earns from two buyers: f_i(t) and interim payments by linear program."""
    sizes = len(first.support), len(second.support)
    cells, start = sizes[0] * sizes[1], 2 * sizes[0] * sizes[1]
    rows, limits = [], []

    def share(seat: int, report: int) -> Array:
        """The chance that the seat wins by this report, as a row of coefficients."""
        row = np.zeros(start + sum(sizes))
        for other, mass in enumerate((second, first)[seat].masses):
            place = (report, other) if seat == 0 else (other, report)
            row[seat * cells + place[0] * sizes[1] + place[1]] = mass
        return row

    def payment(seat: int, report: int) -> int:
        return start + (sizes[0] if seat else 0) + report

    for seat, prior in enumerate((first, second)):
        for own, value in enumerate(prior.support):
            told = -value * share(seat, own)
            told[payment(seat, own)] += 1.0
            for report in range(sizes[seat]):
                lied = value * share(seat, report)
                lied[payment(seat, report)] -= 1.0
                rows.append(told + lied if report != own else told)  # the diagonal holds IIR
                limits.append(0.0)
    once = np.hstack([np.eye(cells), np.eye(cells), np.zeros((cells, sum(sizes)))])  # the item is sold at most once
    goal = np.concatenate([np.zeros(start), -first.masses, -second.masses])
    bounds: list[tuple[float | None, float | None]] = [(0, 1)] * start + [(None, None)] * sum(sizes)
    matrix = np.vstack([np.array(rows), once])
    return -least(goal, matrix, np.concatenate([limits, np.ones(cells)]), bounds)
