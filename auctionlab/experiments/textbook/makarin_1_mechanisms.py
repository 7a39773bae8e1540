"""Mechanisms and their incentives (Makarin)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab.environments.priors import Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import midpoints, play_sent, play_type, run_all, run_reports, truths
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.direct import Direct
from auctionlab.mechanisms.groves import Groves
from auctionlab.mechanisms.posted import SequentialOffers
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice
from auctionlab.theory.adaptive import cumulate
from auctionlab.theory.benchmarks import benchmark

_SEED = "000"
_TWO, _THREE = PrivateValues(2, Uniform()), PrivateValues(3, Uniform())
_SKEWED = PrivateValues(3, Power(exponent=2.0))  # F = x²


@entry(
    "makarin-mechanism",
    seed=_SEED,
    section="Mechanism",
    statement="A mechanism is messages, an allocation rule π and a payment rule μ: first- and second-price auctions "
    "share π "
    "and differ in μ.",
)
def two_payment_rules() -> Reproduction:
    """For the same bids, the values of three uniform bidders: what the two charge differs, who wins does not."""
    first = run_all(FirstPrice(), _THREE, 60, truths(_THREE))
    second = run_all(SecondPrice(), _THREE, 60, truths(_THREE))
    apart = float(np.abs(first.outcome.allocation - second.outcome.allocation).max())
    played = play_sent(FirstPrice(), _THREE, truths(_THREE), 71)
    other = SecondPrice().run(played.draw.signals).payments.sum(axis=1)
    return Reproduction(
        theory=0.25,
        formula="E[highest − second highest] = 1/(n + 1) at n = 3, for the same bids",
        computed=float((first.collected - second.collected).mean()),
        tolerance=1e-3,
        note=f"Allocations differ by {apart:g} at most over 60³ profiles of bids.",
        **mean(played.collected - other),
    )


@entry(
    "makarin-equilibrium",
    seed=_SEED,
    section="Game within a mechanism",
    statement="A profile is a Bayesian Nash equilibrium if β(v) maximises the expected payoff of every type v given "
    "the "
    "others' strategies.",
)
def best_reply() -> Reproduction:
    """First-price auction of two uniform bidders: the best of 241 bids of type 0.9."""
    bids, trials = FirstPrice().equilibrium(_TWO), np.linspace(0, 0.6, 241)
    sent = (lambda t: t, *bids[1:])
    payoffs = run_reports(FirstPrice(), _TWO, trials, bids=sent, points=3000).payoffs(np.array([0.9]))[0]

    def draw(axes: Any) -> None:
        axes.plot(trials, payoffs)
        axes.axvline(0.45, color="#8a8f98", linestyle="--")
        label(axes, "bid", "expected payoff of type 0.9")

    return Reproduction(
        theory=0.45,
        formula="β(0.9) = (n − 1)/n · 0.9 at n = 2",
        computed=float(trials[int(np.argmax(payoffs))]),
        tolerance=3e-3,
        figure=draw,
    )


@entry(
    "makarin-direct",
    seed=_SEED,
    section="Direct mechanisms",
    statement="A direct mechanism (Q, M) asks for values: Q(v) = π(β(v)) and M(v) = μ(β(v)).",
)
def direct_form() -> Reproduction:
    """The first-price auction asked directly: type 0.9 pays 0.6 when it wins, with probability 0.81."""
    direct = Direct(FirstPrice(), _THREE)
    return Reproduction(
        theory=0.9**2 * 0.6,
        formula="m(0.9) = 0.9² · (2/3) 0.9",
        computed=float(run_reports(direct, _THREE, np.array([0.9]), points=400).payment[0]),
        tolerance=1e-4,
        **mean(play_type(direct, _THREE, 0.9, 72).outcome.payments[:, 0]),
    )


@entry(
    "makarin-revelation",
    seed=_SEED,
    section="Revelation principle",
    statement="The outcomes of any equilibrium of any mechanism are those of a truthful equilibrium of a direct "
    "mechanism.",
)
def revelation() -> Reproduction:
    """First-price auction, F = x²: payoffs of all types from all reports, against the payoff from the truth."""
    direct, x = Direct(FirstPrice(), _SKEWED), np.linspace(0, 1, 31)
    found = run_reports(direct, _SKEWED, x, points=150)
    regret = found.payoffs(x) - np.diagonal(found.payoffs(x))[:, None]

    def draw(axes: Any) -> None:
        for k in (12, 18, 24, 30):
            axes.plot(x, found.payoffs(x)[k], label=f"type {x[k]:.1f}")
            axes.plot([x[k]], [found.payoffs(x)[k, k]], "o", color="#22262b", markersize=4)
        label(axes, "report", "expected payoff")

    inside, outside = play(FirstPrice(), _SKEWED, 73), play(direct, _SKEWED, 73)
    return Reproduction(
        theory=0.0,
        formula="the largest gain from a false report",
        computed=float(regret.max()),
        tolerance=1e-4,
        note="Simulated: the difference of revenue between mechanism and direct form, auction by auction.",
        figure=draw,
        **mean(outside.collected - inside.collected),
    )


@entry(
    "makarin-interim-q",
    seed=_SEED,
    section="Interim functions",
    statement="q(z) is the probability of winning when the report is z and all others report their values.",
)
def interim_q() -> Reproduction:
    return Reproduction(
        theory=0.8**4,
        formula="q(0.8) = F(0.8)² = 0.8⁴, three bidders with F = x²",
        computed=float(run_reports(SecondPrice(), _SKEWED, np.array([0.8]), points=500).allocation[0]),
        tolerance=1e-3,
        **mean(play_type(SecondPrice(), _SKEWED, 0.8, 74).outcome.allocation[:, 0]),
    )


@entry(
    "makarin-interim-m",
    seed=_SEED,
    section="Interim functions",
    statement="m(z) is the expected payment when the report is z and all others report their values.",
)
def interim_m() -> Reproduction:
    return Reproduction(
        theory=0.8 * 0.8**5,
        formula="m(0.8) = ∫₀^0.8 y d(y⁴) = (4/5) 0.8⁵, second-price auction of three bidders with F = x²",
        computed=float(run_reports(SecondPrice(), _SKEWED, np.array([0.8]), points=500).payment[0]),
        tolerance=1e-3,
        **mean(play_type(SecondPrice(), _SKEWED, 0.8, 75).outcome.payments[:, 0]),
    )


@entry(
    "makarin-ic",
    seed=_SEED,
    section="Incentive compatibility",
    statement="A direct mechanism is incentive compatible if no type gains by any report; a first-price auction asked "
    "for "
    "values is not.",
)
def not_compatible() -> Reproduction:
    """Against truthful bids of a uniform rival, type 1 gains most by bidding 1/2."""
    x = np.linspace(0, 1, 41)
    found = run_reports(FirstPrice(), _TWO, x, bids=truths(_TWO), points=2000)
    gains = found.best(x) - np.diagonal(found.payoffs(x))
    halved = play_sent(FirstPrice(), _TWO, (lambda t: np.full_like(t, 0.5), truths(_TWO)[1]), 76)
    return Reproduction(
        theory=0.25,
        formula="max over x and z of z(x − z) − 0 = 1/4, at x = 1, z = 1/2",
        computed=float(gains.max()),
        tolerance=1e-9,
        note="Simulated: what type 1 earns with the report 1/2; the truth earns 0.",
        **mean(halved.outcome.allocation[:, 0] * 0.5),
    )


@entry(
    "makarin-ic-slope",
    seed=_SEED,
    section="Incentive compatibility",
    statement="In an incentive compatible mechanism U is convex with slope q, and q does not fall.",
)
def convex() -> Reproduction:
    """All-pay auction of two: the smallest second difference of U = x²/2 on a grid, per squared step, is q′ = 1."""
    x = np.linspace(0, 1, 21)
    u = np.diagonal(run_reports(AllPay(), _TWO, x, points=4000).payoffs(x))
    return Reproduction(
        theory=1.0,
        formula="U″ = q′ = 1 for q = x, so U is convex",
        computed=float(np.diff(u, 2).min()) / 0.05**2,
        tolerance=1e-3,
    )


@entry(
    "makarin-payoff-equivalence",
    seed=_SEED,
    section="Payoff equivalence",
    statement="Payoffs of two incentive compatible mechanisms with the same allocation rule differ by a constant at "
    "most.",
)
def constant_apart() -> Reproduction:
    """A second-price auction, and the same with a charge of 0.1: two Groves mechanisms."""
    charged = Groves(environment=_THREE, rule="lowest", charge=0.1)
    x = np.linspace(0, 1, 11)
    one = np.diagonal(run_reports(charged, _THREE, x, truths(_THREE), 60).payoffs(x))
    other = np.diagonal(run_reports(AllPay(), _THREE, x, points=60).payoffs(x))
    apart = one - other
    played = play_sent(charged, _THREE, truths(_THREE), 77).utility[:, 0] - play(AllPay(), _THREE, 78).utility[:, 0]
    return Reproduction(
        theory=-0.1,
        formula="U(x) − Ū(x) = −0.1 for all x: VCG with a charge of 0.1, and the all-pay auction",
        computed=float(apart[np.argmax(np.abs(apart + 0.1))]),
        tolerance=2e-3,
        **mean(played),
    )


@entry(
    "makarin-revenue-equivalence",
    seed=_SEED,
    section="Generalized revenue equivalence",
    statement="Expected payments of incentive compatible mechanisms with the same allocation rule are the same up to a "
    "constant.",
)
def revenue_equivalence() -> Reproduction:
    """F = x²: the second highest of three, E = 24/35. Computed from first-price bids, played as an all-pay auction."""
    return Reproduction(
        theory=3 * 4 / 5 - 2 * 6 / 7,
        formula="E[second highest] = 3 E[max of 2] − 2 E[max of 3] = 12/5 − 12/7 = 24/35",
        computed=benchmark(FirstPrice(), _SKEWED).revenue,
        **mean(play(AllPay(), _SKEWED, 79).collected),
    )


@entry(
    "makarin-ic-monotone",
    seed=_SEED,
    section="Incentive compatibility",
    statement="A mechanism is incentive compatible if and only if q does not fall (and payments are those of the "
    "formula).",
)
def sufficient() -> Reproduction:
    """Sequential offers have a q of steps: with payments ∫ x dq no type gains, on a grid of 241 values."""
    rule, x = SequentialOffers(environment=_TWO), np.linspace(0, 1, 241)
    found = run_reports(rule, _TWO, x, points=2000)
    step = np.diff(found.allocation, prepend=0.0)
    formula = np.cumsum(x * step)  # m = q x − ∫ q where q jumps on the grid
    gain = float((found.best(x) - np.diagonal(found.payoffs(x))).max())
    return Reproduction(
        theory=0.0,
        formula="largest gain from a false report + largest |m − (q x − ∫ q)|",
        computed=gain + float(np.abs(found.payment - formula).max()),
        tolerance=1e-9,
        correction="Monotone q is necessary, not sufficient: the payments must be those of the formula too, see "
        "makarin-ic "
        "for a rising q with others.",
    )


@entry(
    "makarin-ir",
    seed=_SEED,
    section="Individual rationality",
    statement="An incentive compatible mechanism is individually rational if and only if U(0) ≥ 0, that is m(0) ≤ 0.",
)
def rational() -> Reproduction:
    """VCG of two with a charge of 0.08: U = x²/2 − 0.08, so types below 0.4 lose. Computed: their share on a grid."""
    charged, x = Groves(environment=_TWO, rule="lowest", charge=0.08), (np.arange(500) + 0.5) / 500
    found = run_reports(charged, _TWO, x, truths(_TWO), 2000)
    lowest = play_type(charged, _TWO, 0.0, 80, truths(_TWO)).utility[:, 0]
    return Reproduction(
        theory=0.4,
        formula="P(X²/2 < 0.08) = 0.4 where m(0) = 0.08",
        computed=float((np.diagonal(found.payoffs(x)) < 0).mean()),
        tolerance=2e-3,
        note=f"Type 0 loses {-float(lowest.mean()):.4g}.",
    )


@entry(
    "makarin-expected-payment",
    seed=_SEED,
    section="The seller's problem",
    statement="Ex ante a buyer pays E[m] = m(0) + ∫ (v − (1 − F)/f) q f dv.",
)
def expected_payment() -> Reproduction:
    """F = x², three bidders. Computed before the change of the order of integration: E[q v − ∫₀^v q]."""
    prior, marks = Power(exponent=2.0), np.linspace(0, 1, 33)
    rent = cumulate(lambda v: v**4, marks)
    values = midpoints(PrivateValues(1, prior), 20_000)[:, 0]
    return Reproduction(
        theory=2 * (1 / 7 + 1 / 14 - 1 / 10),
        formula="∫ (v − (1 − v²)/(2v)) v⁴ 2v dv = ∫ (3v⁶ − v⁴) dv = 3/7 − 1/5 = 8/35",
        computed=float((values**5 - rent(values)).mean()),
        tolerance=1e-6,
        correction="The slides have f(x) in place of f(v) in the double integral; only with f(v) does the inner "
        "integral "
        "become 1 − F(x).",
        **mean(play(KthPrice(k=3), _SKEWED, 81).outcome.payments[:, 0]),
    )
