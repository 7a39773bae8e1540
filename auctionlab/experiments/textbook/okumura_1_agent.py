"""One agent: the envelope theorem, single crossing and incentive compatibility (Okumura 1.1 and 1.2)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks.revelation import revelation
from auctionlab.environments.priors import Uniform
from auctionlab.environments.screening import Screening
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.screening import Menu
from auctionlab.theory.adaptive import integrate
from auctionlab.theory.incentive import (
    best_misreport,
    envelope,
    envelope_payments,
    increasing_differences,
    rises_in_strong_order,
    single_crossing,
)
from auctionlab.theory.rochet import implement, worth_of

_SEED = "002"
_MENU, _PRICES = (0.5, 1.0), (0.15, 0.6)


@entry(
    "okumura-1-revelation",
    seed=_SEED,
    section="1",
    statement="Revelation principle for one agent: what a mechanism implements, a direct one implements with truth.",
)
def revelation_principle() -> Reproduction:
    """A menu, Σ = quantities, and the direct mechanism that asks for θ and chooses from the menu for it."""
    found = revelation(Menu(quantities=_MENU, prices=_PRICES), Screening(prior=Uniform(), quantities=_MENU))
    return Reproduction(
        theory=0.0,
        formula="largest difference of quantities and transfers, and largest gain from a false report",
        computed=max(found.difference, found.truth.worst),
        tolerance=1e-12,
        note=f"{found.profiles:,} types looked at.",
    )


@entry(
    "okumura-thm-1.1",
    seed=_SEED,
    section="1.1.1",
    statement="Envelope theorem: V(θ) = max f(x, θ) changes by the integral of f_θ along any selection of maximisers.",
)
def envelope_theorem() -> Reproduction:
    """f = θx − x³/3 on x ≥ 0 is best at x* = √θ, so V = (2/3) θ^{3/2}. Here x* is found by search over 5,001 x."""
    x, theta = np.linspace(0.0, 2.0, 5_001), np.linspace(1.0, 3.0, 161)
    found = envelope(lambda x, theta: theta * x - x**3 / 3, x, theta, slope=lambda x, theta: x)

    def draw(axes: Any) -> None:
        for allocation in (1.0, 1.3, 1.6):
            axes.plot(theta, theta * allocation - allocation**3 / 3, color="0.7")
        axes.plot(theta, found.value, label="V(θ)")
        axes.plot(theta, found.by_integral, "--", label="V(1) + ∫ f_θ(x*(s), s) ds")
        label(axes, "type θ", "f(x, θ)")

    return Reproduction(
        theory=2 / 3 * (3**1.5 - 1),
        formula="V(3) − V(1) = (2/3)(3^{3/2} − 1) for f(x, θ) = θx − x³/3",
        computed=float(found.by_integral[-1] - found.by_integral[0]),
        tolerance=2e-5,
        note=f"V by search over x and by the integral differ by at most {found.gap:.1e}.",
        figure=draw,
    )


@entry(
    "okumura-thm-1.1-bound",
    seed=_SEED,
    section="1.1.1",
    statement="The envelope theorem needs one integrable bound on |f_θ| for all x: without it V may jump.",
)
def envelope_theorem_without_bound() -> Reproduction:
    """f = sin²(π min(θ/x, 1)/2), x in (0, 1]: smooth in θ for each x, yet V(0) = 0 and V(θ) = 1 for θ > 0."""
    x, theta = np.geomspace(1e-12, 1.0, 2_000), np.linspace(0.0, 1.0, 21)

    def f(x: Array, theta: Array) -> Array:
        return np.asarray(np.sin(np.pi / 2 * np.minimum(theta / x, 1.0)) ** 2)

    def slope(x: Array, theta: Array) -> Array:
        return np.asarray(np.where(theta < x, np.pi / (2 * x) * np.sin(np.pi * np.minimum(theta / x, 1.0)), 0.0))

    return Reproduction(
        theory=1.0,
        formula="V(1) − V(0) − ∫ f_θ(x*(s), s) ds = 1 − 0 − 0",
        computed=envelope(f, x, theta, slope).gap,
        correction=(
            "As stated it assumes only that f(x, ·) is absolutely continuous and differentiable for each x, and "
            "its proof uses that integrable functions are bounded, which is false. Milgrom and Segal (2002) "
            "also assume, in theorem 2, an integrable b(θ) ≥ |f_θ(x, θ)| for all x; here V is not continuous."
        ),
    )


@entry(
    "okumura-thm-1.2",
    seed=_SEED,
    section="1.1.2",
    statement="Revenue equivalence: with quasi-linear utility transfers follow from x up to the constant V(lowest).",
)
def revenue_equivalence() -> Reproduction:
    """The menu of 1/2 for 0.15 and 1 for 0.6: types from 0.3 on buy 1/2, from 0.9 on 1. Then t(θ) = θx − ∫ x."""
    environment, menu = Screening(prior=Uniform(), quantities=_MENU), Menu(quantities=_MENU, prices=_PRICES)
    quantities, prices = np.array([0.0, *_MENU]), np.array([0.0, *_PRICES])

    def chosen(theta: Array) -> Array:
        return np.argmax(theta[..., None] * quantities - prices, axis=-1)

    cuts = np.array([0.0, *np.diff(prices) / np.diff(quantities), 1.0])
    played = play(menu, environment, seed=12)

    def draw(axes: Any) -> None:
        theta = np.linspace(0.0, 1.0, 501)
        axes.plot(theta, quantities[chosen(theta)], label="x(θ)")
        axes.plot(theta, prices[chosen(theta)], label="t(θ)")
        axes.plot(theta, theta * quantities[chosen(theta)] - prices[chosen(theta)], label="V(θ), slope x(θ)")
        label(axes, "type θ", "quantity, money")

    return Reproduction(
        theory=0.5 * ((0.9**2 - 0.9) - (0.3**2 - 0.3)) - (0.9**2 - 0.9),
        formula="E[θx(θ) − ∫ x(s) ds] = E[(2θ − 1) x(θ)] for uniform θ, where ∫ (2θ − 1) = θ² − θ",
        computed=integrate(lambda theta: prices[chosen(theta)], cuts),
        note="Computed from what the agent chooses from the menu; theory from x(θ) alone.",
        figure=draw,
        **mean(played.outcome.payments[:, 0]),
    )


@entry(
    "okumura-rem-1.1",
    seed=_SEED,
    section="1.2.1",
    statement="Increasing differences imply single crossing; the converse fails.",
)
def single_crossing_is_weaker() -> Reproduction:
    """2,000 random families on 5 × 4 grids: sums of rising differences, rounded so that ties occur.

    For the converse, v = x e^{−θ}: everyone wants more, so preferences cross nowhere, but differences fall with θ.
    """
    source, broken, x, theta = rng.stream(31), 0, np.arange(5.0), np.arange(4.0)
    for _ in range(2_000):
        rises = np.floor(3 * source.random((5, 4)))
        table = np.cumsum(np.cumsum(rises, axis=0), axis=1) - np.floor(9 * source.random((5, 1)))
        order, crossing = (check(_lookup(table), x, theta) for check in (increasing_differences, single_crossing))
        broken += order.holds and not crossing.holds
    v = (lambda x, theta: x * np.exp(-theta), x, theta)
    converse = single_crossing(*v).holds and not increasing_differences(*v).holds
    return Reproduction(
        theory=0.0,
        formula="number of families with increasing differences but without single crossing",
        computed=float(broken),
        tolerance=0.0,
        note=f"v = x e^(−θ) has single crossing without increasing differences: {'yes' if converse else 'no'}.",
    )


@entry(
    "okumura-rem-1.2",
    seed=_SEED,
    section="1.2.1",
    statement="Strictly increasing differences are symmetric in x and θ.",
)
def strict_differences_are_symmetric() -> Reproduction:
    """2,000 random families, about half of them with strictly increasing differences, looked at from both sides."""
    source, differ, strict, grid = rng.stream(32), 0, 0, np.arange(3.0)
    for _ in range(2_000):
        table = np.floor(6 * source.random((3, 3))) + 5 * np.outer(grid, grid)
        one = increasing_differences(_lookup(table), grid, grid, strict=True).holds
        other = increasing_differences(_lookup(table.T), grid, grid, strict=True).holds
        differ, strict = differ + (one != other), strict + one
    return Reproduction(
        theory=0.0,
        formula="number of families for which the two sides disagree",
        computed=float(differ),
        tolerance=0.0,
        note=f"{strict:,} of 2,000 families have strictly increasing differences.",
    )


@entry(
    "okumura-thm-1.3",
    seed=_SEED,
    section="1.2.1",
    statement="Maximisers over every Y rise from f to g in the strong set order exactly where g dominates f by SCP.",
)
def monotone_comparative_statics() -> Reproduction:
    """Every pair of functions from 3 allocations to {0, 1, 2} (729 pairs), each with all subsets Y."""
    functions = [np.array(values, dtype=float) for values in itertools.product(range(3), repeat=3)]
    x, types, differ, dominated = np.arange(3.0), np.arange(2.0), 0, 0
    for f, g in itertools.product(functions, functions):
        crossing = single_crossing(_lookup(np.stack([f, g], axis=1)), x, types).holds
        differ += crossing != (rises_in_strong_order(f, g) is None)
        dominated += crossing
    return Reproduction(
        theory=0.0,
        formula="number of pairs (f, g) for which the two conditions disagree",
        computed=float(differ),
        tolerance=0.0,
        note=f"g dominates f in {dominated} of 729 pairs.",
        correction="In the definition of the strong set order, 'y ∨ x' should read 'y ∨ z'.",
    )


@entry(
    "okumura-lem-1.1",
    seed=_SEED,
    section="1.2.2",
    statement="Where (x, t) is incentive compatible, V(θ) = V(lowest) + ∫ v_θ(x(s), s) ds.",
)
def local_incentive_compatibility() -> Reproduction:
    """v = θ√x at the tariff T(x) = x: x(θ) = θ²/4 and v_θ = θ/2, so V(1) = ∫ θ/2 = 1/4; found by search over x."""
    x = np.linspace(0.0, 0.5, 200_001)
    best = [float((theta * np.sqrt(x) - x).max()) for theta in (0.0, 1.0)]
    return Reproduction(
        theory=0.25,
        formula="∫ √x(s) ds = ∫ s/2 ds over [0, 1]",
        computed=best[1] - best[0],
        tolerance=1e-8,
        note="Choosing from a tariff is incentive compatible, whatever the tariff.",
    )


@entry(
    "okumura-lem-1.2",
    seed=_SEED,
    section="1.2.2",
    statement="With strictly increasing differences, x rises with θ in every incentive compatible mechanism.",
)
def allocations_rise() -> Reproduction:
    """500 random tariffs for 6 quantities, from which 101 types of v = θ ln(1 + x) choose; the largest fall of x(θ)."""
    return Reproduction(
        theory=0.0,
        formula="largest fall of x(θ) from a type to a higher one",
        computed=_largest_fall(lambda x, theta: theta * np.log1p(x)),
        tolerance=0.0,
        note=(
            "Without increasing differences it falls: with v = x(3 − x) θ(1 − θ) + x/4 the largest fall is "
            f"{_largest_fall(lambda x, theta: x * (3 - x) * theta * (1 - theta) + x / 4):.3g}."
        ),
    )


@entry(
    "okumura-lem-1.3",
    seed=_SEED,
    section="1.2.2",
    statement="With increasing differences, a rising x with transfers by the envelope formula is incentive compatible.",
)
def envelope_transfers_suffice() -> Reproduction:
    """300 random rising rules of 21 types with v = θ√x; the most that any type gains by reporting another."""
    source, theta, most = rng.stream(33), np.linspace(0.5, 2.0, 21), -np.inf
    for _ in range(300):
        rule = np.cumsum(source.random(21) * (source.random(21) < 0.4))
        paid = envelope_payments(_root, rule, theta)
        most = max(most, best_misreport(_root, rule, paid, theta).gain)
    return Reproduction(
        theory=0.0,
        formula="largest gain from a misreport (0: the type just above is indifferent)",
        computed=float(most),
        tolerance=1e-12,
    )


@entry(
    "okumura-thm-1.4",
    seed=_SEED,
    section="1.2.2",
    statement="With strictly increasing differences, x can be made incentive compatible exactly where it never falls.",
)
def characterisation() -> Reproduction:
    """All 4⁵ rules from 5 types to 4 quantities, v = θ√x; which have payments is found by longest paths."""
    theta, quantities = np.linspace(1.0, 2.0, 5), np.arange(4.0)
    found = [
        implement(worth_of(lambda x, t: float(t * np.sqrt(x)), rule, list(theta))).implementable
        for rule in itertools.product(quantities, repeat=5)
    ]
    rising = [all(np.diff(rule) >= 0) for rule in itertools.product(quantities, repeat=5)]
    return Reproduction(
        theory=float(math.comb(4 + 5 - 1, 5)),
        formula="number of rising rules, (4 + 5 − 1 choose 5) = 56",
        computed=float(sum(found)),
        tolerance=0.0,
        note=f"Of {len(found):,} rules, payments exist for those that rise and no others: {found == rising}.",
    )


def _lookup(table: Array) -> Any:
    """v(x, θ) from a table (X, T), for indices."""

    def v(x: Array, theta: Array) -> Array:
        return np.asarray(table[np.asarray(x).astype(int), np.asarray(theta).astype(int)])

    return v


def _largest_fall(v: Any) -> float:
    source, theta, most = rng.stream(34), np.linspace(0.0, 1.0, 101), 0.0
    for _ in range(500):
        quantities, prices = np.sort(3 * source.random(6)), np.sort(source.random(6))
        rule = quantities[np.argmax(v(quantities, theta[:, None]) - prices, axis=1)]
        most = max(most, float((np.maximum.accumulate(rule) - rule).max()))
    return most


def _root(x: Array, theta: Array) -> Array:
    return np.asarray(theta * np.sqrt(x))
