"""Efficiency and budgets (Nath, endnotes)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, vstack

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks.audit import audit
from auctionlab.checks.interim import interim_gain
from auctionlab.environments.priors import Uniform
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, least, mean, play
from auctionlab.mechanisms.expected_externality import ExpectedExternality
from auctionlab.mechanisms.groves import Pivot, VickreyClarkeGroves
from auctionlab.theory.efficient import expected_externality_accounts
from auctionlab.theory.impossibility import green_laffont, least_imbalance

_SEED = "003"
_PROJECT = PublicProject(2, Uniform(low=-1.0, high=1.0))
_TRADE = BilateralTrade(Uniform(), Uniform())


@entry(
    "nath-thm-groves-unique",
    seed=_SEED,
    section="Uniqueness of Groves for efficiency",
    statement="If types are sufficiently rich, every efficient and DSIC mechanism is a Groves mechanism.",
)
def groves_is_unique() -> Reproduction:
    """The others gain 0.7 at a and 1.1 at b; i values b at 0 and a at k/1000, so a is chosen from 0.4 on.

    A linear program finds all p_a − p_b that leave no type of i a reason to lie; theory says only 1.1 − 0.7.
    """
    types = np.linspace(0.0, 1.0, 1_001)
    chosen = types + 0.7 >= 1.1
    rows = np.concatenate([np.ones(chosen.sum()), -np.ones((~chosen).sum())])[:, None]
    limits = np.concatenate([types[chosen], -types[~chosen]])  # p_a − p_b ≤ t where a is chosen, ≥ t where b is
    ends = [sign * least(np.array([sign]), rows, limits, [(None, None)]) for sign in (1.0, -1.0)]
    return Reproduction(
        theory=1.1 - 0.7,
        formula="p_a − p_b = Σ_{j≠i} t_j(b) − Σ_{j≠i} t_j(a)",
        computed=sum(ends) / 2,
        tolerance=1e-3,
        note=f"1/1000 between types leaves [{ends[0]:.4f}, {ends[1]:.4f}]; a continuum the Groves form only.",
    )


@entry(
    "nath-thm-green-laffont",
    seed=_SEED,
    section="Efficiency and budget balance",
    statement="Green and Laffont: no Groves mechanism is budget balanced.",
)
def green_laffont_theorem() -> Reproduction:
    """Types on [−1, 1] of two agents, built where t₁ + t₂ > 0. W = (t₁ + t₂)⁺ is at best 1/2 from a sum h₁ + h₂.

    At the corners W = 2, 0, 0, 0, whose alternating sum, 2, must be shared by four errors. A linear program over all
    h₁, h₂ on 9 × 9 types finds the least largest imbalance.
    """
    grid = np.linspace(-1.0, 1.0, 9)

    def draw(axes: Any) -> None:
        fine = np.linspace(-1.0, 1.0, 81)
        pairs = np.stack(np.meshgrid(fine, fine), axis=-1).reshape(-1, 2)
        budget = Pivot(environment=_PROJECT).run(pairs).payments.sum(axis=1).reshape(81, 81)
        axes.contourf(fine, fine, budget, levels=10)
        axes.set_title("what the pivot mechanism collects, from 0 (dark) to 1")
        label(axes, "t₁", "t₂")

    return Reproduction(
        theory=0.5,
        formula="|W(1, 1) − W(1, −1) − W(−1, 1) + W(−1, −1)| / 4",
        computed=least_imbalance(_PROJECT, (grid, grid)),  # type: ignore[arg-type]
        tolerance=1e-8,
        figure=draw,
    )


@entry(
    "nath-green-laffont-proof",
    seed=_SEED,
    section="Proof sketch of the second theorem",
    statement="Types w₁⁺, w₁⁻ and w₂, slightly altered: balance would need two values of h₂(w₁⁺) − h₂(w₁⁻).",
)
def green_laffont_proof() -> Reproduction:
    """w₁⁺ = 2 builds and w₁⁻ = −2 does not, with w₂ = 0.5 and with 0.9: the payments miss balance by at least 0.1."""
    found = green_laffont(2.0, -2.0, 0.5, 0.9)
    where = PublicProject(2, Uniform(low=-2.0, high=2.0))
    return Reproduction(
        theory=found.imbalance,
        formula="|w₂ − w₂′| / 4 with w₂ = 0.5 and w₂′ = 0.9",
        computed=least_imbalance(where, ((2.0, -2.0), (0.5, 0.9))),
        tolerance=1e-9,
        note=f"h₂(w₁⁺) − h₂(w₁⁻) would have to be {found.required[0]:g} and {found.required[1]:g}.",
    )


@entry(
    "nath-corollary-no-balance",
    seed=_SEED,
    section="Efficiency and budget balance",
    statement="If valuations are sufficiently rich, no efficient mechanism is both DSIC and budget balanced.",
)
def no_balance() -> Reproduction:
    """All payments that make truth dominant, not only Groves', on K × K types of [−1, 1]: least imbalance, by an LP.

    Few types leave slack of the order of their distance; extrapolated from K = 8 and 16, it is 1/2, as for Groves.
    """
    coarse, fine = (_least_dominant_imbalance(count) for count in (8, 16))
    return Reproduction(
        theory=0.5,
        formula="as for Groves mechanisms on [−1, 1]²: 1/2",
        computed=(15 * fine - 7 * coarse) / 8,
        tolerance=1e-6,
        note=f"Least imbalance with 8 × 8 types: {coarse:.4f}; with 16 × 16: {fine:.4f}. The slack falls as 1/(K − 1).",
    )


@entry(
    "nath-dagva-bic",
    seed=_SEED,
    section="Weakening DSIC for budget balance",
    statement="The dAGVA payments implement the efficient allocation in Bayes-Nash equilibrium.",
)
def dagva_is_bayesian() -> Reproduction:
    """The public project: type t reporting s expects t (1 + s)/2 + δ(s) less a constant, with δ(s) = (1 − s²)/4.

    So U(s; t) = t/2 + ts/2 + 1/4 − s²/4 + constant, best at s = t. Computed: the report of 401 that the mechanism
    rewards most for t = 0.3, over 2,000 types of the other.
    """
    mechanism, t = ExpectedExternality(environment=_PROJECT), 0.3
    other, reports = np.linspace(-1.0, 1.0, 2_001), np.linspace(-1.0, 1.0, 401)
    pairs = np.stack(np.meshgrid(reports, (other[1:] + other[:-1]) / 2, indexing="ij"), axis=-1).reshape(-1, 2)
    outcome = mechanism.run(pairs)
    expected = (t * outcome.allocation[:, 0] - outcome.payments[:, 0]).reshape(len(reports), -1).mean(axis=1)

    def draw(axes: Any) -> None:
        axes.plot(reports, expected)
        axes.axvline(t, color="0.7")
        label(axes, "report of type 0.3", "expected utility")

    return Reproduction(
        theory=t,
        formula="argmax over s of ts/2 − s²/4 = t, at t = 0.3",
        computed=float(reports[np.argmax(expected)]),
        tolerance=0.006,
        note=f"The most a type expects to gain by a lie: {max(interim_gain(mechanism, _PROJECT).worst, 0.0):.1e}.",
        correction=(
            "With correlated types δ_i(t_i) = E[· | t_i] would use the beliefs of the reported type, and truth fails "
            "(see okumura-rem-2.7-correlated): types must be independent."
        ),
        figure=draw,
    )


@entry(
    "nath-thm-dagva",
    seed=_SEED,
    section="Budget balance?",
    statement="The dAGVA mechanism is efficient, BIC and budget balanced.",
)
def dagva_is_balanced() -> Reproduction:
    """Three citizens: the worst that the audit finds of lost welfare, gains from lies and budgets other than 0."""
    environment = PublicProject(3, Uniform(low=-1.0, high=1.0))
    found = audit(ExpectedExternality(environment=environment), environment, ("efficient", "bic", "balanced"))
    return Reproduction(
        theory=0.0,
        formula="largest of the loss of welfare, the expected gain from a lie, and |Σ p_i|",
        computed=max(max(one.worst - 5 * one.standard_error, 0.0) for one in found),
        tolerance=1e-7,
        note="; ".join(f"{one.property}: worst {one.worst:.1e} in {one.profiles:,} auctions" for one in found) + ".",
    )


@entry(
    "nath-dagva-efficient",
    seed=_SEED,
    section="Weakening DSIC for budget balance",
    statement="The allocation of dAGVA is still the efficient one: it realises the most welfare that there is.",
)
def dagva_is_efficient() -> Reproduction:
    """Three citizens with values uniform on [−1, 1] of a free project: E[(t₁ + t₂ + t₃)⁺] = ½ · 13/16."""
    environment = PublicProject(3, Uniform(low=-1.0, high=1.0))
    played = play(ExpectedExternality(environment=environment), environment, seed=91)
    return Reproduction(
        theory=13 / 32,
        formula="½ E|t₁ + t₂ + t₃| = 13/32",
        computed=expected_externality_accounts(environment).welfare,
        tolerance=1e-6,
        **mean(environment.value(played.outcome.allocation, played.draw.values).sum(axis=1)),
    )


@entry(
    "nath-dagva-not-iir",
    seed=_SEED,
    section="Budget balance?",
    statement="However, dAGVA is not interim individually rational.",
)
def dagva_participation() -> Reproduction:
    """Bilateral trade, uniform: a buyer expects v²/2 − E[δ_seller], and E[(1 − C²)/2] = 1/3: type 0 pays 1/3.

    Played: a buyer of value 0 against 200,000 sellers.
    """
    mechanism = ExpectedExternality(environment=_TRADE)
    costs = rng.stream(92).random(200_000)
    outcome = mechanism.run(np.stack([np.zeros(len(costs)), costs], axis=1))

    def draw(axes: Any) -> None:
        types = np.linspace(0.0, 1.0, 101)
        axes.plot(types, types**2 / 2 - 1 / 3, label="buyer of value v")
        axes.plot(types, (1 - types) ** 2 / 2 + 1 / 6, label="seller of cost c")
        axes.axhline(0.0, color="0.7")
        label(axes, "type", "expected utility")

    return Reproduction(
        theory=-1 / 3,
        formula="U(0) = −E[(1 − C²)/2]",
        computed=min(expected_externality_accounts(_TRADE).margin),
        tolerance=1e-9,
        figure=draw,
        **mean(-outcome.payments[:, 0]),
    )


@entry(
    "nath-thm-myerson-satterthwaite",
    seed=_SEED,
    section="Budget balance?",
    statement="In bilateral trade no mechanism is BIC, efficient, interim individually rational and budget balanced.",
)
def myerson_satterthwaite() -> Reproduction:
    """Uniform value and cost: the most that an efficient, BIC and IIR mechanism can collect is −1/6.

    A linear program over all interim payments with N equally likely values and costs collects at most
    −(1 − 1/N²)/6: extrapolated from N = 12 and 24. Played: VCG, which attains −1/6.
    """
    coarse, fine = (_most_collected(count) for count in (12, 24))
    return Reproduction(
        theory=-1 / 6,
        formula="−E[(V − C)⁺], the gains from trade",
        computed=(4 * fine - coarse) / 3,
        tolerance=1e-6,
        note=f"The program's optimum: {coarse:.6f} with 12 types each, {fine:.6f} with 24: negative, so no balance.",
        **mean(play(VickreyClarkeGroves(environment=_TRADE), _TRADE, seed=93, auctions=1_000_000).collected),
    )


def _least_dominant_imbalance(count: int) -> float:
    """The least ε such that some payments on a count × count grid are DSIC, efficient and sum to within ±ε of 0.

    Ties, where t₁ + t₂ = 0, build the project. Variables p₁(t), p₂(t), ε.
    """
    grid = np.linspace(-1.0, 1.0, count)
    built = grid[:, None] + grid[None, :] >= -1e-12  # (t₁, t₂)
    cell = np.arange(count * count).reshape(count, count)
    rows: list[Any] = []
    own, lie, rival = (index.ravel() for index in np.meshgrid(*[np.arange(count)] * 3, indexing="ij"))
    limits = []
    for seat in (0, 1):
        told, lied = (cell[own, rival], cell[lie, rival]) if seat == 0 else (cell[rival, own], cell[rival, lie])
        gain = grid[own] * (built.ravel()[told] * 1.0 - built.ravel()[lied])
        rows.append(_differences(told + seat * count**2, lied + seat * count**2, 2 * count**2 + 1))
        limits.append(gain)
    both = np.arange(count * count)
    for sign in (1.0, -1.0):
        data = np.concatenate([np.full(2 * len(both), sign), np.full(len(both), -1.0)])
        columns = np.concatenate([both, both + count**2, np.full(len(both), 2 * count**2)])
        rows.append(coo_array((data, (np.tile(both, 3), columns)), shape=(len(both), 2 * count**2 + 1)))
        limits.append(np.zeros(len(both)))
    goal = np.zeros(2 * count**2 + 1)
    goal[-1] = 1.0
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * (2 * count**2) + [(0, None)]
    return least(goal, vstack(rows).tocsr(), np.concatenate(limits), bounds)


def _differences(plus: Array, minus: Array, width: int) -> Any:
    """Rows x[plus] − x[minus]."""
    index = np.arange(len(plus))
    data = np.concatenate([np.ones(len(plus)), -np.ones(len(plus))])
    return coo_array((data, (np.tile(index, 2), np.concatenate([plus, minus]))), shape=(len(plus), width))


def _most_collected(count: int) -> float:
    """The most that the organiser of efficient trade can expect to collect: N equally likely values and costs.

    Variables: interim payments of the buyer and receipts of the seller; BIC and IIR as inequalities.
    """
    types = (np.arange(count) + 0.5) / count
    chance = (types[:, None] >= types[None, :]).mean(axis=1)  # that a buyer of this value trades
    seller = (types[:, None] >= types[None, :]).mean(axis=0)
    rows, limits = [], []
    for own in range(count):
        for report in range(count):
            for first, wins, worth, sign in ((0, chance, types, 1.0), (count, seller, -types, -1.0)):
                row = np.zeros(2 * count)
                row[first + own] += sign
                if report != own:
                    row[first + report] -= sign
                rows.append(row)  # on the diagonal IIR
                limits.append(worth[own] * (wins[own] - (wins[report] if report != own else 0.0)))
    goal = np.concatenate([-np.full(count, 1 / count), np.full(count, 1 / count)])
    return -least(goal, np.array(rows), np.array(limits), [(None, None)] * (2 * count))
