"""One buyer: the optimal mechanism is a posted price (Nath, single-agent design)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, least, mean, play
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.theory.adaptive import integrate
from auctionlab.theory.marginal_revenue import market
from auctionlab.theory.screening import envelope
from auctionlab.theory.virtual import is_mhr, is_regular, virtual_values

_SEED = "003"


@entry(
    "nath-single-characterisation",
    seed=_SEED,
    section="Mechanism design for a single agent",
    statement="(f, p) is IC exactly where f rises and p(t) = p(0) + t f(t) − ∫ f; then IR is p(0) ≤ 0.",
)
def characterisation() -> Reproduction:
    """Fifty types t = k/50, f = t²: all payments that are IC, by a linear program for the most p(1) − p(0).

    With types this far apart p(1) − p(0) is free between the sums of (t_{k+1} − t_k) times f at the lower and at the
    upper type; the mean of the most and the least is the trapezoidal ∫ t dF = 1 − ∫ f, right up to 1/6 of 1/50².
    """
    types = np.linspace(0.0, 1.0, 51)
    rule = types**2
    own, report = (index.ravel() for index in np.meshgrid(np.arange(51), np.arange(51), indexing="ij"))
    matrix = np.zeros((len(own), 51))
    matrix[np.arange(len(own)), own] += 1.0
    matrix[np.arange(len(own)), report] -= 1.0
    limits = types[own] * (rule[own] - rule[report])
    spread = np.eye(51)[50] - np.eye(51)[0]
    ends = [sign * least(sign * spread, matrix, limits, [(0, 0), *[(None, None)] * 50]) for sign in (1.0, -1.0)]
    return Reproduction(
        theory=2 / 3,
        formula="p(1) − p(0) = 1 · f(1) − ∫ t² dt",
        computed=sum(ends) / 2,
        tolerance=1e-4,
        note=f"With 51 types p(1) − p(0) may lie from {ends[0]:.4f} to {ends[1]:.4f}; a continuum leaves 2/3 only.",
    )


@entry(
    "nath-lemma-revenue",
    seed=_SEED,
    section="The optimization problem",
    statement="For any implementable f, expected revenue is ∫ w f g dt with virtual valuation w(t) = t − (1 − G)/g.",
)
def revenue_lemma() -> Reproduction:
    """f(t) = t for uniform types: p(t) = t²/2. A random price, uniform on [0, 1], is that mechanism, and is played."""
    prior, ends = Uniform(), np.array([0.0, 1.0])
    payment, _ = envelope(lambda t: t, lambda x, t: x * t, lambda x, t: x, ends)
    source = rng.stream(71)
    types, prices = source.random(200_000), source.random(200_000)
    return Reproduction(
        theory=2 / 3 - 1 / 2,
        formula="∫ (2t − 1) t dt = 2/3 − 1/2",
        computed=integrate(lambda t: payment(t) * prior.pdf(t), ends),
        tolerance=1e-9,
        note="Computed as E[p(t)] from the payments, without virtual values.",
        **mean(np.where(types >= prices, prices, 0.0)),
    )


@entry(
    "nath-mhr-examples",
    seed=_SEED,
    section="The modified optimization problem",
    statement="Uniform and exponential distributions satisfy the monotone hazard rate condition.",
)
def hazard_rates() -> Reproduction:
    """The largest fall of g/(1 − G) between 2,001 neighbouring types; 1/(β − t) and 1/mean."""
    uniform, exponential = Uniform(high=10.0), Exponential(mean=3.0)
    grids = np.linspace(0.0, 9.99, 2_001), np.linspace(0.0, 30.0, 2_001)
    falls = [-np.diff(prior.hazard(grid)).min() for prior, grid in zip((uniform, exponential), grids, strict=True)]
    lomax = Scipy(name="lomax", parameters={"c": 5.0})

    def draw(axes: Any) -> None:
        for prior, name in ((uniform, "uniform"), (exponential, "exponential"), (lomax, "Lomax: not MHR, yet regular")):
            axes.plot(grids[0], prior.hazard(grids[0]), label=name)
        axes.set_ylim(0, 5)
        label(axes, "type t", "hazard rate g/(1 − G)")

    return Reproduction(
        theory=0.0,
        formula="largest fall of the hazard rate",
        computed=max(0.0, float(max(falls))),
        tolerance=1e-12,
        note=f"The Lomax distribution: monotone hazard rate {is_mhr(lomax)}, regular {is_regular(lomax)}.",
        figure=draw,
    )


@entry(
    "nath-fact-reserve",
    seed=_SEED,
    section="Observation",
    statement="Under the MHR condition x = (1 − G(x))/g(x) has a solution x*, with w ≤ 0 below and w ≥ 0 above.",
)
def reserve_exists() -> Reproduction:
    """Exponential with mean 3: (1 − G)/g = 3 everywhere, so x* = 3; computed as the price that earns most."""
    prior = Exponential(mean=3.0)
    grid = np.linspace(0.0, 12.0, 4_001)
    virtual = virtual_values(prior, grid)
    above = virtual_values(Uniform(low=5.0, high=7.0), np.linspace(5.0, 7.0, 101)).min()
    return Reproduction(
        theory=3.0,
        formula="x* = mean of the exponential",
        computed=_best_price(prior, 12.0),
        tolerance=1e-6,
        note=f"Below x* w is at most {virtual[grid < 3].max():.3g}, above at least {virtual[grid > 3].min():.3g}.",
        correction=(
            "There is a solution where w(lowest) ≤ 0, as with the supports [0, β] of the slides. For uniform types on "
            f"[5, 7] the condition holds but w is at least {above:g}: no solution, and everybody is served."
        ),
    )


@entry(
    "nath-thm-single",
    seed=_SEED,
    section="Solution to the optimization problem",
    statement="With one buyer and MHR the optimal mechanism posts the price x*, where x* = (1 − G(x*))/g(x*).",
)
def single_agent() -> Reproduction:
    """Uniform on [0, 10]: x* = 5 earns 5/2. The other route: the best of all lotteries over prices, a linear program.

    With few types the program, which chooses all f and p subject to IC and IR, earns O(1/types) more: extrapolated.
    """
    prior = Uniform(high=10.0)
    environment = PrivateValues(1, prior)
    played = play(OptimalAuction(environment=environment), environment, seed=72)
    coarse, fine = (_best_lottery(count) for count in (50, 100))

    def draw(axes: Any) -> None:
        found = market(prior)
        axes.plot(found.quantities, found.revenue, label="revenue")
        axes.axvline(0.5, color="0.7")
        label(axes, "probability of selling", "revenue, money")

    return Reproduction(
        theory=2.5,
        formula="x* (1 − G(x*)) = 5 · ½",
        computed=2 * fine - coarse,
        tolerance=1e-6,
        note=(
            f"The best of all incentive compatible lotteries for 50 and 100 types earns {coarse:.4f} and {fine:.4f}; "
            "their linear extrapolation is what is computed."
        ),
        correction=(
            "At t = x* itself the payment is α x*, not x*, where f(x*) = α < 1: else that type would be charged for an "
            "item it may not get. This has probability 0. 'Iff' holds up to such types."
        ),
        figure=draw,
        **mean(played.collected),
    )


def _best_price(prior: Prior, high: float) -> float:
    """argmax p (1 − G(p)), by narrowing a grid."""
    low = 0.0
    for _ in range(12):
        prices = np.linspace(low, high, 101)
        best = int(np.argmax(prices * prior.sf(prices)))
        low, high = float(prices[max(best - 1, 0)]), float(prices[min(best + 1, 100)])
    return (low + high) / 2


def _best_lottery(count: int) -> float:
    """The most that f and p earn from `count` equally likely types in the middle of equal parts of [0, 10].

    Variables f, p; IC between neighbours in both directions and IR of all: enough on a line, where f then rises.
    """
    types = 10 * (np.arange(count) + 0.5) / count
    rows: list[Array] = []
    for k in range(count):
        for other in (k - 1, k + 1, None):
            if other is not None and not 0 <= other < count:
                continue
            row = np.zeros(2 * count)
            row[k], row[count + k] = -types[k], 1.0
            if other is not None:
                row[other] += types[k]
                row[count + other] -= 1.0
            rows.append(row)
    goal = np.concatenate([np.zeros(count), -np.full(count, 1 / count)])
    bounds: list[tuple[float | None, float | None]] = [(0, 1)] * count + [(None, None)] * count
    return -least(goal, np.array(rows), np.zeros(len(rows)), bounds)
