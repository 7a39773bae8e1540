"""Mechanisms, the revelation principle and incentive compatibility (Krishna 5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab.environments.priors import Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import limit_of, most_payment, play_type, run_all, run_reports
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.direct import Direct
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice
from auctionlab.theory.adaptive import integrate
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.implications import revenue_equivalence, revenue_from_allocation

_SEED = "001"
_TWO, _THREE = PrivateValues(2, Uniform()), PrivateValues(3, Uniform())
_GRID = np.linspace(0, 1, 41)


@entry(
    "krishna-prop-5.1",
    seed=_SEED,
    section="5.1.1, proposition 5.1",
    statement="Revelation principle: any equilibrium of any mechanism is the truthful equilibrium of a direct "
    "mechanism "
    "with the same outcomes.",
)
def revelation() -> Reproduction:
    """Of the all-pay auction. Conclusion 1 by trying all reports, 2 by running both mechanisms on one grid."""
    direct = Direct(AllPay(), _TWO)
    found = run_reports(direct, _TWO, _GRID, points=2000)
    gain = float((found.best(_GRID) - np.diagonal(found.payoffs(_GRID))).max())
    inside, outside = run_all(AllPay(), _TWO).outcome, run_all(direct, _TWO).outcome
    apart = np.abs(inside.allocation - outside.allocation).max() + np.abs(inside.payments - outside.payments).max()
    samples = play(direct, _TWO, 11).collected - play(AllPay(), _TWO, 12).collected
    return Reproduction(
        theory=0.0,
        formula="largest gain from a false report + largest difference of outcomes, all-pay auction",
        computed=gain + float(apart),
        tolerance=1e-9,
        note="The simulated value is the difference of revenue in separate plays of the two.",
        **mean(samples),
    )


@entry(
    "krishna-5.5",
    seed=_SEED,
    section="5.1.2, (5.5)",
    statement="Incentive compatibility means that q(x) is the slope of a line that supports the payoff U at x, so U is "
    "convex: U(z) ≥ U(x) + q(x)(z − x).",
)
def supporting_lines() -> Reproduction:
    """First-price auction of three uniform bidders: U = x³/3. The highest of the lines of all reports at x = 0.8."""
    lines = run_reports(FirstPrice(), _THREE, np.linspace(0, 1, 51), points=150)

    def draw(axes: Any) -> None:
        for k in range(10, 51, 5):
            axes.plot(_GRID, lines.payoffs(_GRID)[:, k], color="#8a8f98", linewidth=0.7)
        axes.plot(_GRID, lines.best(_GRID), color="#0072b2", label="U, the highest line")
        axes.set_ylim(-0.15, 0.36)
        label(axes, "value x", "expected payoff")

    return Reproduction(
        theory=0.8**3 / 3,
        formula="U(0.8) = 0.8³/3, the highest of the lines q(z) x − m(z)",
        computed=float(lines.best(np.array([0.8]))[0]),
        tolerance=1e-4,
        figure=draw,
        **mean(play_type(FirstPrice(), _THREE, 0.8).utility[:, 0]),
    )


@entry(
    "krishna-5.6",
    seed=_SEED,
    section="5.1.2, (5.6)",
    statement="Where the equilibrium payoff is differentiable, U′(x) = q(x); as U is convex, q does not fall.",
)
def slope() -> Reproduction:
    """All-pay auction of two, F = x²: U from runs, differentiated by central differences."""
    where, step = PrivateValues(2, Power(exponent=2.0)), 0.01
    x = np.array([0.7 - step, 0.7 + step])
    payoff = np.diagonal(run_reports(AllPay(), where, x, points=40_000).payoffs(x))
    return Reproduction(
        theory=0.7**2,
        formula="q(0.7) = F(0.7) = 0.7²",
        computed=float(payoff[1] - payoff[0]) / (2 * step),
        tolerance=2e-3,
        **mean(play_type(AllPay(), where, 0.7).outcome.allocation[:, 0]),
    )


@entry(
    "krishna-5.7",
    seed=_SEED,
    section="5.1.2, (5.7)",
    statement="Payoff equivalence: U(x) = U(0) + ∫ q up to x, so the shape of the payoff depends on the allocation "
    "only.",
)
def payoff_equivalence() -> Reproduction:
    """Four auctions with one allocation rule; the payoff of type 0.9 in the one that is furthest from the formula."""
    rules = (FirstPrice(), SecondPrice(), AllPay(), KthPrice(k=3))
    x = np.array([0.9])
    payoffs = [float(run_reports(rule, _THREE, x, points=400).payoffs(x)[0, 0]) for rule in rules]
    theory = 0.9**3 / 3
    return Reproduction(
        theory=theory,
        formula="U(0.9) = ∫₀^0.9 t² dt = 0.9³/3, three uniform bidders",
        computed=max(payoffs, key=lambda found: abs(found - theory)),
        tolerance=1e-3,
        note="The same in first-price, second-price, all-pay and third-price auctions; played: the third-price.",
        **mean(play_type(KthPrice(k=3), _THREE, 0.9).utility[:, 0]),
    )


@entry(
    "krishna-5.8",
    seed=_SEED,
    section="5.1.2, (5.8)",
    statement="Expected payments follow from the allocation: m(x) = m(0) + q(x) x − ∫ q up to x.",
)
def payment_formula() -> Reproduction:
    """F = x², three bidders: q = x⁴ and m = 4x⁵/5. Computed: the average of what a first-price bidder really pays."""
    where = PrivateValues(3, Power(exponent=2.0))
    x = np.array([0.7])
    return Reproduction(
        theory=0.8 * 0.7**5,
        formula="m(0.7) = 0.7⁵ − 0.7⁵/5 = (4/5) 0.7⁵",
        computed=float(run_reports(FirstPrice(), where, x, points=600).payment[0]),
        tolerance=1e-3,
        **mean(play_type(FirstPrice(), where, 0.7).outcome.payments[:, 0]),
    )


@entry(
    "krishna-ic-monotone",
    seed=_SEED,
    section="5.1.2",
    statement="A mechanism is incentive compatible if and only if q does not fall and payments are those of (5.8).",
)
def monotone() -> Reproduction:
    """The most a seat can be charged for a rising q, by a linear programme over incentive compatible payments."""
    return Reproduction(
        theory=1 / 6,
        formula="E[q(X) X − ∫ q] = E[X²/2] = 1/6 for q = x",
        computed=limit_of(_charge, 30),
        tolerance=1e-4,
        correction="The text says that a mechanism is incentive compatible if and only if q is nondecreasing. A "
        "rising q "
        "alone is not enough: truthful bids in a first-price auction have q = x, and every type gains x²/4 by halving "
        "its bid. Payments must also be those of (5.8), which the proof uses.",
        **mean(play(SecondPrice(), _TWO, 5).outcome.payments[:, 0]),
    )


def _charge(count: int) -> float:
    types = (np.arange(count) + 0.5) / count
    return most_payment(types, types)


@entry(
    "krishna-prop-5.2",
    seed=_SEED,
    section="5.1.2, proposition 5.2",
    statement="Revenue equivalence: expected payments in any two incentive compatible mechanisms with the same "
    "allocation rule are the same up to a constant.",
)
def equivalence() -> Reproduction:
    """The same revenue from four auctions; computed by quadrature of all-pay bids, played as a third-price auction."""
    rules = (FirstPrice(), SecondPrice(), AllPay(), KthPrice(k=3))
    found = revenue_equivalence(rules, _THREE)

    def draw(axes: Any) -> None:
        names = ("first price", "second price", "all pay", "third price")
        for name, dash, row in zip(names, ("-", "--", "-.", ":"), found.payment[:, 0], strict=True):
            axes.plot(found.types[0], row, dash, linewidth=2.2, label=name)
        label(axes, "value x", "expected payment m(x)")

    return Reproduction(
        theory=0.5,
        formula="(n − 1)/(n + 1) at n = 3, uniform values",
        computed=benchmark(AllPay(), _THREE).revenue,
        note=f"Payments of the four differ by at most {found.payment_gap:.0e} for any type.",
        figure=draw,
        **mean(play(KthPrice(k=3), _THREE, 6).collected),
    )


@entry(
    "krishna-5.9",
    seed=_SEED,
    section="5.2.1, (5.9)",
    statement="Expected revenue is the expected virtual value of whoever gets the item, plus what the lowest types "
    "pay.",
)
def revenue_of_allocation() -> Reproduction:
    """Second-price auction, uniform on [1, 2] and [1, 3]: α = 1, so −U(α) takes the place of m(0)."""
    where = PrivateValues(priors=(Uniform(1.0, 2.0), Uniform(1.0, 3.0)))
    return Reproduction(
        theory=integrate(lambda t: (2 - t) * (3 - t) / 2, np.array([1.0, 2.0])) + 1,
        formula="E[min(X₁, X₂)] = 1 + ∫₁² (2 − t)(3 − t)/2 dt = 17/12",
        computed=revenue_from_allocation(SecondPrice(), where),
        **mean(play(SecondPrice(), where, 7).collected),
    )
