"""Efficient mechanisms, budgets and bilateral trade (Krishna 5.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab.checks.incentives import dominant_gain
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.trade import BilateralTrade
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.grids import limit_of, most_payment, play_type, run_all, run_reports
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.bilateral import DoubleAuction
from auctionlab.mechanisms.expected_externality import ExpectedExternality, KrishnaPerry
from auctionlab.mechanisms.groves import VickreyClarkeGroves
from auctionlab.theory.efficient import expected_externality_accounts, groves_accounts
from auctionlab.theory.partnership import dissolvable
from auctionlab.theory.trade import best_posted_price, double_auction_gains, myerson_satterthwaite

_SEED = "001"
_TWO, _THREE = PrivateValues(2, Uniform()), PrivateValues(3, Uniform())
_TRADE = BilateralTrade(Uniform(), Uniform())
_SHIFTED = BilateralTrade(Uniform(0.5, 1.5), Uniform())


@entry(
    "krishna-5.22",
    seed=_SEED,
    section="5.3.1, (5.22)",
    statement="In an auction the VCG payments W(α, x_-i) − W_-i(x) are those of a second-price auction.",
)
def vcg_payments() -> Reproduction:
    """Computed: (5.22) itself on a grid, welfare by maximising over who wins."""
    vcg = VickreyClarkeGroves(_THREE)
    values = run_all(vcg, _THREE, 60).draw.values
    total = np.zeros(len(values))
    for seat in range(3):
        others = np.delete(values, seat, axis=1).max(axis=1)  # W(0, x_-i), and W_-i where i does not win
        total += np.where(values.argmax(axis=1) == seat, others, 0.0)
    return Reproduction(
        theory=0.5,
        formula="E[second highest of three] = 1/2, uniform values",
        computed=float(total.mean()),
        tolerance=1e-3,
        **mean(play(vcg, _THREE, 41).collected),
    )


@entry(
    "krishna-vcg-dominant",
    seed=_SEED,
    section="5.3.1",
    statement="Truth is a weakly dominant strategy in the VCG mechanism.",
)
def vcg_dominant() -> Reproduction:
    """The most that anybody gains by a false report, by search over types, reports and others' messages."""
    found = dominant_gain(VickreyClarkeGroves(_SHIFTED), _SHIFTED)
    return Reproduction(
        theory=0.0,
        formula="no gain from a false report, whatever the others send; bilateral trade",
        computed=max(0.0, found.worst),
        tolerance=1e-9,
    )


@entry(
    "krishna-prop-5.5",
    seed=_SEED,
    section="5.3.1, proposition 5.5",
    statement="Of all efficient, incentive compatible and individually rational mechanisms VCG collects most from "
    "everybody.",
)
def vcg_collects_most() -> Reproduction:
    """A linear programme over interim payments for the efficient chances, q = x, in the limit of ever more types."""
    return Reproduction(
        theory=1 / 6,
        formula="E[m₁] = ½ E[min{X₁, X₂}] = 1/6 in VCG, two uniform bidders",
        computed=limit_of(_charge, 30),
        tolerance=1e-4,
        **mean(play(VickreyClarkeGroves(_TWO), _TWO, 42).outcome.payments[:, 0]),
    )


def _charge(count: int) -> float:
    types = (np.arange(count) + 0.5) / count
    return most_payment(types, types)


@entry(
    "krishna-5.23",
    seed=_SEED,
    section="5.3.2, (5.23)",
    statement="The AGV mechanism pays everybody the externality it expects to cause; payments always sum to 0.",
)
def agv() -> Reproduction:
    rule = ExpectedExternality(_TWO)
    played = play_type(rule, _TWO, 0.8, 43)
    return Reproduction(
        theory=(0.8**2 - 1 / 3) / 2,
        formula="E[M₁ | x₁ = 0.8] = (x₁² − E[X₂²])/2, as E[W_-i(x, X)] = (1 − x²)/2 for two uniform bidders",
        computed=float(run_reports(rule, _TWO, np.array([0.8]), points=2000).payment[0]),
        tolerance=1e-6,
        note="The largest sum of payments in any auction played is "
        f"{np.abs(played.outcome.payments.sum(axis=1)).max():.0e}.",
        **mean(played.outcome.payments[:, 0]),
    )


@entry(
    "krishna-agv-ir",
    seed=_SEED,
    section="5.3.2",
    statement="The AGV mechanism may not satisfy individual rationality.",
)
def agv_not_rational() -> Reproduction:
    """In bilateral trade U(v) = v²/2 − 1/3, so a buyer of value 0 would rather stay away."""
    accounts = expected_externality_accounts(_TRADE)
    return Reproduction(
        theory=-1 / 3,
        formula="U_b(0) = −E[V; V > C] = −1/3, what the seller is paid for the externality, uniform value and cost",
        computed=accounts.margin[0],
        **mean(play_type(ExpectedExternality(_TRADE), _TRADE, 0.0, 44).utility[:, 0]),
    )


@entry(
    "krishna-prop-5.6",
    seed=_SEED,
    section="5.3.2, proposition 5.6",
    statement="An efficient, incentive compatible, individually rational and balanced mechanism exists if and only if "
    "VCG "
    "expects a surplus.",
)
def balance() -> Reproduction:
    """Half shares of a firm: VCG expects a surplus, so the construction of the proof runs."""
    half = Partnership(2, Uniform())
    rule, vcg = KrishnaPerry(half), VickreyClarkeGroves(half, pivot="worst-off")
    outcome = run_all(rule, half, 200).outcome
    x = np.linspace(0, 1, 21)
    found = run_reports(rule, half, x, points=2000)
    margin = float((np.diagonal(found.payoffs(x)) - x / 2).min())

    def draw(axes: Any) -> None:
        shares = np.linspace(0.5, 1, 41)
        axes.plot(shares, [dissolvable(Uniform(), (r, 1 - r)) for r in shares])
        axes.axhline(0, color="#22262b", linewidth=0.7)
        label(axes, "share of the larger partner", "VCG surplus")

    return Reproduction(
        theory=1 / 12,
        formula="VCG surplus 2 (5/8 − 1/4) − E[max{X₁, X₂}] = 3/4 − 2/3: type 1/2 gains least from dissolving",
        computed=float(run_all(vcg, half, 400).collected.mean()),
        tolerance=1e-4,
        note=f"The balanced mechanism: payments sum to {np.abs(outcome.payments.sum(axis=1)).max():.0e} at most, and "
        "all "
        f"types gain at least {margin:.4f}. With other shares the surplus turns into a deficit (figure).",
        correction="The pivot must be the type that gains least from taking part, 1/2 here, and its outside option "
        "must be "
        "taken off. The text takes the lowest type, right where outside options are 0.",
        figure=draw,
        **mean(play(vcg, half, 45).collected),
    )


@entry(
    "krishna-bilateral-trade",
    seed=_SEED,
    section="5.3.3",
    statement="In bilateral trade by VCG the buyer pays max{C, v̲} and the seller receives min{V, c̄}, always a deficit.",
)
def shifted_deficit() -> Reproduction:
    """Values uniform on [½, 1½], costs on [0, 1]. Computed: the mechanism itself, by adaptive quadrature."""
    found = myerson_satterthwaite(_SHIFTED.buyer, _SHIFTED.seller)
    return Reproduction(
        theory=19 / 24 - 25 / 48,
        formula="E[min{V, 1}; V > C] − E[max{C, ½}; V > C] = 19/24 − 25/48 = 13/48",
        computed=-float(run_all(VickreyClarkeGroves(_SHIFTED), _SHIFTED, 1000).collected.mean()),
        tolerance=1e-4,
        correction="The text has a deficit of V − C, the whole gain from trade. That is so where the supports "
        "coincide; "
        f"with V > c̄ or C < v̲ it is less: here 13/48 of gains of {found.gains:.6g} = 25/48.",
        **mean(-play(VickreyClarkeGroves(_SHIFTED), _SHIFTED, 46).collected),
    )


@entry(
    "krishna-prop-5.7",
    seed=_SEED,
    section="5.3.3, proposition 5.7",
    statement="Myerson and Satterthwaite: no mechanism for bilateral trade is efficient, incentive compatible, "
    "individually rational and balanced.",
)
def no_efficient_trade() -> Reproduction:
    """The largest expected budget of efficient, IC, IR trade, by linear programmes for both sides."""

    def draw(axes: Any) -> None:
        possible = groves_accounts(_TRADE).welfare
        names = ["possible", "double auction", "posted price"]
        double = double_auction_gains(Uniform(), Uniform(), 0.5)
        axes.barh(names[::-1], [best_posted_price(Uniform(), Uniform())[1], double, possible], color="#0072b2")
        axes.set_xlabel("expected gains from trade")

    played = play(DoubleAuction(), _TRADE, 47)
    return Reproduction(
        theory=-1 / 6,
        formula="−E[(V − C)⁺] = −1/6, the VCG budget for uniform value and cost",
        computed=limit_of(_budget, 30),
        tolerance=5e-4,
        note="A budget of 0 or more would be needed. What balanced mechanisms reach is in the figure; the double "
        "auction "
        f"played reached {float(played.utility.sum(axis=1).mean()):.4f} of the 1/6 possible.",
        figure=draw,
        **mean(play(VickreyClarkeGroves(_TRADE), _TRADE, 48).collected),
    )


def _budget(count: int) -> float:
    """What the buyer can be charged less what the seller must be left: a seller of cost c sells with chance 1 − c."""
    types = (np.arange(count) + 0.5) / count
    return most_payment(types, types) + most_payment(types - 1.0, types)
