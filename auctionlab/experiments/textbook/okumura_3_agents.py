"""Many agents: equilibrium, participation and the revelation principle (Okumura 2.1 to 2.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks.incentives import dominant_gain, ex_post_gain, ex_post_participation
from auctionlab.checks.interim import interim_gain, interim_participation
from auctionlab.checks.revelation import revelation
from auctionlab.core import expected_utility
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.experiments.textbook.plays import label, mean, play
from auctionlab.mechanisms.clock import Ascending
from auctionlab.mechanisms.direct import Direct
from auctionlab.mechanisms.groves import Groves
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from auctionlab.theory.efficient import groves_accounts

_SEED = "002"
_TWO = PrivateValues(2, Uniform())


@entry(
    "okumura-def-2.1",
    seed=_SEED,
    section="2.1",
    statement="A Bayes-Nash equilibrium need not be an ex-post equilibrium: who knew the others' types would deviate.",
)
def bayes_is_not_ex_post() -> Reproduction:
    """The direct form of the first-price auction, two uniform bidders who bid v/2: truth is best on average only.

    Against a known w, type v gains v/2 by reporting just above w where w → 0, and where w ↓ v: at most 1/2.
    """
    direct = Direct(of=FirstPrice(), environment=_TWO)
    on_average = interim_gain(direct, _TWO)
    return Reproduction(
        theory=0.5,
        formula="sup over v, w of the gain v/2, at v = 1",
        computed=ex_post_gain(direct, _TWO).worst,
        tolerance=2e-3,
        note=f"On average over w the best misreport gains {on_average.worst:.1e}. The supremum is not attained.",
    )


@entry(
    "okumura-rem-2.1",
    seed=_SEED,
    section="2.1",
    statement="A dominant-strategy equilibrium is an ex-post equilibrium, and that a Bayes-Nash equilibrium.",
)
def order_of_equilibria() -> Reproduction:
    """1,000 random mechanisms for an agent with three types: the best gain from lying, by what the other sends.

    The other has three types with a message each, and a fourth message that no type sends: for dominance only.
    """
    source, broken = rng.stream(51), 0
    for _ in range(1_000):
        payoff, beliefs = source.random((3, 3, 4)), source.random(3)  # of own type, own report, the other's message
        gain = payoff - payoff[np.arange(3), np.arange(3)][:, None, :]
        on_average, ex_post, dominant = gain[:, :, :3] @ (beliefs / beliefs.sum()), gain[:, :, :3], gain
        broken += not on_average.max() <= ex_post.max() + 1e-12 <= dominant.max() + 2e-12
    gaps = [check(SecondPrice(), _TWO).worst for check in (interim_gain, ex_post_gain, dominant_gain)]
    return Reproduction(
        theory=0.0,
        formula="number of mechanisms in which lying gains more on average than ex post, or ex post than at all",
        computed=float(broken),
        tolerance=0.0,
        note=f"Second-price auction: gains {', '.join(f'{gap:.1e}' for gap in gaps)} on average, ex post, dominant.",
    )


@entry(
    "okumura-rem-2.2",
    seed=_SEED,
    section="2.1",
    statement="Revelation principle: any equilibrium is the truth of a direct mechanism with the same outcomes.",
)
def revelation_principle() -> Reproduction:
    """Dominant (second-price), ex-post (ascending) and Bayes-Nash (first-price, all-pay) equilibria of 3 bidders."""
    environment = PrivateValues(3, Uniform())
    found = [revelation(one, environment) for one in (SecondPrice(), Ascending(), FirstPrice(), AllPay())]
    return Reproduction(
        theory=0.0,
        formula="largest difference between the outcomes of the mechanism and of its direct form",
        computed=max(one.difference for one in found),
        tolerance=1e-12,
        note=(
            f"Most that a false report gains: {max(one.truth.worst for one in found):.1e}; "
            f"truth is an equilibrium in all four: {all(one.holds for one in found)}."
        ),
    )


@entry(
    "okumura-def-2.2",
    seed=_SEED,
    section="2.3",
    statement="Interim individual rationality is weaker than ex post: in the all-pay auction losers pay for nothing.",
)
def interim_is_not_ex_post() -> Reproduction:
    """Two uniform bidders bid v²/2 and expect v²/2 ≥ 0; but the highest type, if it ties and loses, loses 1/2."""
    direct = Direct(of=AllPay(), environment=_TWO)
    expected = interim_participation(direct, _TWO)
    utility = play(AllPay(), _TWO, seed=52).utility[:, 0]

    def draw(axes: Any) -> None:
        axes.hist(utility[:20_000], bins=60, density=True)
        label(axes, "utility of a bidder ex post", "density")

    return Reproduction(
        theory=0.5,
        formula="sup of the payment v²/2 of a loser",
        computed=ex_post_participation(direct, _TWO).worst,
        tolerance=1e-6,
        note=f"On average no type falls short by more than {max(expected.worst, 0.0):.1e}.",
        figure=draw,
    )


@entry(
    "okumura-def-2.2-ex-ante",
    seed=_SEED,
    section="2.3",
    statement="Ex-ante individual rationality is weaker than interim: an entry charge that only high types earn back.",
)
def ex_ante_is_not_interim() -> Reproduction:
    """A second-price auction with 0.1 charged to all: 1/6 − 0.1 before the type is known, −0.1 for the lowest type."""
    accounts = groves_accounts(_TWO, "others", 0.1)
    charged = Groves(environment=_TWO, rule="others", charge=0.1)
    return Reproduction(
        theory=1 / 6 - 0.1,
        formula="E[(X₁ − X₂)⁺] − 0.1",
        computed=accounts.utility[0],
        tolerance=1e-9,
        note=f"The worst-off type ({accounts.critical[0]:g}) expects {accounts.margin[0]:.6g} < 0.",
        **mean(play(charged, _TWO, seed=54, truthful=True).utility[:, 0]),
    )


@entry(
    "okumura-rem-2.3",
    seed=_SEED,
    section="2.3",
    statement="An ex-post individually rational mechanism is interim and ex-ante individually rational.",
)
def order_of_participation() -> Reproduction:
    """2,000 random tables of utilities, 4 own types by 5 profiles of the others: least ex post ≤ interim ≤ ex ante."""
    source, broken = rng.stream(53), 0
    for _ in range(2_000):
        utility, others, own = source.random((4, 5)) - 0.5, source.random(5), source.random(4)
        interim = utility @ (others / others.sum())
        broken += not utility.min() <= interim.min() <= interim @ (own / own.sum())
    return Reproduction(
        theory=0.0,
        formula="number of tables in which the least utility ex post exceeds that in the interim, or that ex ante",
        computed=float(broken),
        tolerance=0.0,
    )


@entry(
    "okumura-rem-2.4",
    seed=_SEED,
    section="2.3",
    statement="Ex-post individual rationality can be asked for whatever the others report, truthful or not.",
)
def safe_against_lies() -> Reproduction:
    """A truthful bidder against any reports, also ones that no type would send.

    In a second-price auction the truth never loses. In an all-pay auction one who sends its value pays it for nothing.
    """
    source = rng.stream(55)
    own, others = source.random((100_000, 1)), 5 * source.random((100_000, 1))
    reports, values = np.concatenate([own, others], axis=1), np.concatenate([own, own], axis=1)
    worst = _worst(SecondPrice(), reports, values)
    return Reproduction(
        theory=0.0,
        formula="lowest utility of a truthful bidder in the second-price auction, rivals reporting anything",
        computed=worst,
        tolerance=0.0,
        note=f"In the all-pay auction a bidder who sends its value can end at {_worst(AllPay(), reports, values):.4f}.",
    )


def _worst(mechanism: Any, reports: Array, values: Array) -> float:
    return float(expected_utility(mechanism, _TWO, reports, values)[:, 0].min())
