"""Many agents: efficient mechanisms and their budgets (Okumura 2.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks.incentives import dominant_gain
from auctionlab.checks.interim import interim_gain
from auctionlab.core import counterfactual
from auctionlab.environments.alternatives import Alternatives, RichAlternatives
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Uniform
from auctionlab.environments.public_project import PublicProject
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.expected_externality import ExpectedExternality
from auctionlab.mechanisms.groves import Groves, Pivot, VickreyClarkeGroves
from auctionlab.theory.efficient import groves_accounts
from auctionlab.theory.implications import revenue_equivalence
from auctionlab.theory.impossibility import externality_gain
from auctionlab.theory.rochet import implement, rule_worth

_SEED = "002"
_PROJECT = PublicProject(2, Uniform(low=-1.0, high=1.0))  # worth x₁ + x₂ if built, which costs nothing
_TYPES = np.array([-1.0, 2.0])
_SAME = 0.9  # the probability that both agents have the same of the two _TYPES


@entry(
    "okumura-rem-2.5",
    seed=_SEED,
    section="2.5",
    statement="VCG mechanisms are dominant-strategy incentive compatible, whatever τ_i(m_−i) is.",
)
def vcg_is_dominant() -> Reproduction:
    """Three alternatives for two agents with costs, and the public project; four different τ_i, searched for lies."""
    general = Alternatives(((1.0, -0.5), (0.0, 1.0), (0.4, 0.4)), prior=Uniform(), costs=(0.0, 0.2, 0.0))
    found = [dominant_gain(VickreyClarkeGroves(environment=where), where) for where in (general, _PROJECT)]
    for rule in ("none", "others", "worst-off"):
        found.append(dominant_gain(Groves(environment=general, rule=rule, charge=0.3), general))
    return Reproduction(
        theory=0.0,
        formula="largest gain from a misreport, whatever the others report",
        computed=max(max(one.worst, 0.0) for one in found),
        tolerance=1e-12,
        note=f"{sum(one.profiles for one in found):,} misreports tried.",
    )


@entry(
    "okumura-rem-2.6",
    seed=_SEED,
    section="2.5",
    statement="Green and Laffont: on unrestricted preferences only VCG transfers make truth dominant for efficient x.",
)
def only_vcg() -> Reproduction:
    """Three alternatives; one agent's types lie ±ε around each tie of two; payments by longest paths, not by Groves.

    The payments at the three alternatives may differ only as the others' welfare does, up to the spacing ε of types.
    """
    environment, spacing = RichAlternatives(count=3, bidders=2, prior=Uniform()), 1e-5
    others = np.array([[0.0, 0.0, 0.0], [0.2, 0.55, 0.35]])
    types = np.array(
        [0.5 - others[1] + np.array(shift) * spacing - np.array(far)
         for far, shifts in (((0, 0, 9), ((1, 0, 0), (0, 1, 0))), ((0, 9, 0), ((1, 0, 0), (0, 0, 1))),
                             ((9, 0, 0), ((0, 1, 0), (0, 0, 1))))
         for shift in shifts]
    )  # fmt: skip
    mechanism = Pivot(environment=environment)
    worth, _ = rule_worth(mechanism, environment, 0, types, others)
    found = implement(worth)
    signals = np.repeat(others[None], len(types), axis=0)
    signals[:, 0] = types
    chosen = mechanism.run(signals).allocation[:, 0].argmax(axis=1)
    paid = np.array([np.nan if found.payments is None else found.payments[chosen == k].mean() for k in range(3)])
    return Reproduction(
        theory=float(others[1, 1] - others[1, 0]),
        formula="t at alternative 0 less t at alternative 1 = v_j(1) − v_j(0) = 0.55 − 0.2",
        computed=float(paid[0] - paid[1]),
        tolerance=2 * spacing,
        note=(
            f"Alternatives 0 and 2: {paid[0] - paid[2]:.5f}, by Groves {others[1, 2] - others[1, 0]:.5f}. Payments of "
            f"two types are free by at most {found.slack:.1e}."
        ),
    )


@entry(
    "okumura-def-2.5",
    seed=_SEED,
    section="2.5",
    statement="In the pivot mechanism everybody pays its externality and gets its marginal contribution W_N − W_{N∖i}.",
)
def pivot() -> Reproduction:
    """Two agents, values uniform on [−1, 1] of a free project: E[(x₁ + x₂)⁺] = 1/3 and E[x₂⁺] = 1/4."""
    played = play(Pivot(environment=_PROJECT), _PROJECT, seed=61)
    x = played.draw.signals
    contribution = np.maximum(x.sum(axis=1), 0.0) - np.maximum(x[:, 1], 0.0)

    def draw(axes: Any) -> None:
        grid = np.linspace(-1.0, 1.0, 81)
        pairs = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
        paid = Pivot(environment=_PROJECT).run(pairs).payments.sum(axis=1).reshape(81, 81)
        axes.contourf(grid, grid, paid, levels=10)
        axes.set_title("what is collected, from 0 (dark) to 1")
        label(axes, "x₁", "x₂")

    return Reproduction(
        theory=1 / 12,
        formula="E[W_N] − E[W_{N∖i}] = 1/3 − 1/4",
        computed=groves_accounts(_PROJECT, "others").utility[0],
        tolerance=1e-9,
        note=f"Utility is W_N − W_{{N∖i}} each time, up to {np.abs(played.utility[:, 0] - contribution).max():.0e}.",
        correction="τ_i(m_i) should read τ_i(m_−i), the most over x of Σ_{j≠i} v_j(x, m_j), not at x*(m).",
        figure=draw,
        **mean(played.utility[:, 0]),
    )


@entry(
    "okumura-2.5-correlated",
    seed=_SEED,
    section="2.5",
    statement="Correlation of types makes no difference to the pivot mechanism: truth remains dominant.",
)
def pivot_with_correlation() -> Reproduction:
    """Types with correlation ¾ or so: x₂ = ¾ x₁ + ¼ noise. No agent gains in any drawn auction by any of 81 reports."""
    mechanism, drawn = Pivot(environment=_PROJECT), 2 * rng.stream(62).random((4_000, 2)) - 1
    drawn[:, 1] = 0.75 * drawn[:, 0] + 0.25 * drawn[:, 1]
    trials, most = np.linspace(-1.0, 1.0, 81), -np.inf
    told = _PROJECT.utility(mechanism.run(drawn), drawn)
    for seat in (0, 1):
        seats = np.full(len(drawn), seat)
        tried = counterfactual(mechanism, _PROJECT, drawn, drawn, seats, trials)
        most = max(most, float((tried - told[:, seat, None]).max()))
    return Reproduction(
        theory=0.0,
        formula="largest gain from a misreport in any drawn auction",
        computed=most,
        tolerance=1e-12,
        note=f"Correlation of the drawn types: {np.corrcoef(drawn[:, 0], drawn[:, 1]).flat[1]:.3f}.",
    )


@entry(
    "okumura-def-2.6",
    seed=_SEED,
    section="2.5.1",
    statement="Ex-ante budget balance is weaker than ex post: a VCG mechanism can balance on average.",
)
def balance_on_average() -> Reproduction:
    """The pivot mechanism of the project collects 2 · 1/4 − 1/3 = 1/6 on average; giving 1/12 back to each balances."""
    played = play(Groves(environment=_PROJECT, rule="others", charge=-1 / 12), _PROJECT, seed=63)
    return Reproduction(
        theory=0.0,
        formula="E[Σ t_i] = 2 · 1/4 − 1/3 − 2 · 1/12",
        computed=groves_accounts(_PROJECT, "others", -1 / 12).surplus,
        tolerance=1e-9,
        note=f"Ex post it collects between {played.collected.min():.3f} and {played.collected.max():.3f}.",
        **mean(played.collected),
    )


@entry(
    "okumura-rem-2.7",
    seed=_SEED,
    section="2.5.1",
    statement="In the AGV mechanism truth is a Bayes-Nash equilibrium.",
)
def agv_is_bayesian() -> Reproduction:
    """With independent types: the most that a type expects to gain by a lie, by quadrature over the other's type."""
    found = interim_gain(ExpectedExternality(environment=_PROJECT), _PROJECT)
    ex_post = dominant_gain(ExpectedExternality(environment=_PROJECT), _PROJECT)
    return Reproduction(
        theory=0.0,
        formula="largest expected gain from a misreport",
        computed=max(found.worst, 0.0),
        tolerance=1e-6,
        note=f"Not dominant: against a known report of the other a lie can gain {ex_post.worst:.4f}.",
    )


@entry(
    "okumura-rem-2.7-correlated",
    seed=_SEED,
    section="2.5.1",
    statement="The AGV mechanism does need independence: with correlated types lies pay (against the remark's N.B.).",
)
def agv_needs_independence() -> Reproduction:
    """Types −1 or 2, the same with probability q = 0.9; a free project is built unless both are −1.

    With E over θ_−i by the prior, ½ each, δ(2) = ½ and δ(−1) = 1. Type 2 gets 2 + ½ from the truth; if it says −1
    it is built with probability q, for 2q + 1: a gain of 2q − 3/2 = 0.3.
    """
    prior = Discrete(values=(-1.0, 2.0))
    environment = PublicProject(2, prior)
    mechanism = ExpectedExternality(environment=environment)
    chances = np.array([1 - _SAME, _SAME])  # of the other's type, for an agent of type 2
    reports = np.array([[2.0, -1.0], [2.0, 2.0], [-1.0, -1.0], [-1.0, 2.0]])
    gained = _first(mechanism, reports, 2.0)
    uniforms = rng.stream(64).random(200_000)
    other = np.where(uniforms < _SAME, 2.0, -1.0)
    told, lied = (_first(mechanism, np.stack([np.full(len(other), own), other], axis=1), 2.0) for own in (2.0, -1.0))
    return Reproduction(
        theory=2 * _SAME - 1.5,
        formula="2q − 3/2 at q = 0.9",
        computed=float(chances @ gained[2:] - chances @ gained[:2]),
        tolerance=1e-12,
        correction=(
            "'No need to use independence here' is wrong. The proof needs E over θ_−i by the beliefs of the true type, "
            "which transfers cannot use: with the prior, as here, or with the beliefs of the reported type, lies pay."
        ),
        **mean(lied - told),
    )


@entry(
    "okumura-rem-2.7-reported",
    seed=_SEED,
    section="2.5.1",
    statement="Nor is independence spared by computing expected externalities with the beliefs of the reported type.",
)
def agv_with_reported_beliefs() -> Reproduction:
    """The same types: δ(2) = 3q − 1 and δ(−1) = 2(1 − q). Type −1 gets 1 − q from the truth, 3q − 2 from saying 2."""
    joint = np.array([[_SAME, 1 - _SAME], [1 - _SAME, _SAME]]) / 2
    independent = externality_gain(([-1.0, 2.0], [-1.0, 2.0]), np.full((2, 2), 0.25))
    return Reproduction(
        theory=4 * _SAME - 3,
        formula="4q − 3 at q = 0.9",
        computed=externality_gain(([-1.0, 2.0], [-1.0, 2.0]), joint),
        tolerance=1e-12,
        note=f"With independent types (q = ½) the best lie gains {independent:.3g}.",
    )


@entry(
    "okumura-rem-2.8",
    seed=_SEED,
    section="2.5.1",
    statement="The AGV mechanism with τ_i = Σ_{j≠i} E_j(m_j)/(N − 1) is ex-post budget balanced.",
)
def agv_is_balanced() -> Reproduction:
    """Three agents and unequal priors; the largest budget in 200,000 auctions."""
    priors = (Uniform(low=-1.0, high=1.0), Uniform(low=-2.0, high=1.0), Uniform(low=0.0, high=1.0))
    environment = PublicProject(priors=priors)
    played = play(ExpectedExternality(environment=environment), environment, seed=65)
    return Reproduction(
        theory=0.0,
        formula="largest |Σ t_i|, in any auction",
        computed=float(np.abs(played.collected).max()),
        tolerance=1e-12,
        note=f"Single payments range from {played.outcome.payments.min():.3f} to {played.outcome.payments.max():.3f}.",
    )


@entry(
    "okumura-2.5.2",
    seed=_SEED,
    section="2.5.2",
    statement="All Bayes-Nash equilibria with the efficient decision give the same expected payoffs up to constants.",
)
def payoff_equivalence() -> Reproduction:
    """Pivot, VCG, Groves without charge and AGV in the public project, at 41 types: payments up to a constant."""
    mechanisms = (
        Pivot(environment=_PROJECT),
        VickreyClarkeGroves(environment=_PROJECT),
        Groves(environment=_PROJECT),
        ExpectedExternality(environment=_PROJECT),
    )
    found = revenue_equivalence(mechanisms, _PROJECT)

    def draw(axes: Any) -> None:
        for mechanism, utility in zip(mechanisms, found.utility[:, 0], strict=True):
            axes.plot(found.types[0], utility, label=type(mechanism).__name__)
        label(axes, "type", "expected utility")

    constants = ", ".join(f"{constant:.4f}" for constant in found.constants[:, 0])
    return Reproduction(
        theory=0.0,
        formula="largest difference of m_i(x) + U_i(lowest) between the mechanisms",
        computed=found.payment_gap,
        tolerance=max(1e-9, found.tolerance),
        note=f"Constants U_i(lowest): {constants}.",
        figure=draw,
    )


def _first(mechanism: ExpectedExternality, reports: Array, value: float) -> Array:
    """What the first agent of this value ends with at these reports, (B,)."""
    outcome = mechanism.run(reports)
    return np.asarray(value * outcome.allocation[:, 0] - outcome.payments[:, 0])
