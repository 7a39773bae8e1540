"""Raffles of two: against first-order conditions by sums over quantiles, and a limit that is known."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara
from auctionlab.environments.special_priors import Lognormal
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import AllPay, FirstPrice
from auctionlab.theory.contested import contested
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.sealed import Sealed
from tests.reference.raffles import Raffle


def drawn(prior, bid, count: int = 20_000):
    return np.asarray(bid(prior.quantile((np.arange(count) + 0.5) / count)))


@pytest.mark.parametrize("priors", [(Uniform(1.0, 2.0),) * 2, (Uniform(), Power(2.0)), (Lognormal(0.0, 0.5),) * 2])
def test_the_risk_neutral_spend_until_a_ticket_is_worth_its_price(priors) -> None:
    """v E[y/(x + y)²] = 1, y the rival's bid: the derivative of v E[x/(x + y)] − x."""
    bids = equilibrium(Raffle(), PrivateValues(priors=priors)).bids
    for own, other, bid, rival in ((*priors, *bids), (*priors[::-1], *bids[::-1])):
        values = np.asarray(own.quantile(np.linspace(0.3, 0.95, 14)))
        x, y = bid(values)[:, None], drawn(other, rival)
        assert np.abs(values * np.mean(y / (x + y) ** 2, axis=1) - 1).max() < 2e-3  # sums, interpolated bids


def test_the_risk_averse_weigh_what_a_ticket_costs() -> None:
    """K = x/(x + y): E[K_x (u(v − x) − u(−x)) − K u′(v − x) − (1 − K) u′(−x)] = 0, under CARA with α = 2."""
    prior, risk = Uniform(0.5, 2.0), Cara(alpha=2.0)
    bid = equilibrium(Raffle(), PrivateValues(2, prior, risk=risk)).bids[0]
    values = np.linspace(0.55, 1.95, 15)[:, None]
    x, y = bid(values), drawn(prior, bid)
    chance, win, lose = x / (x + y), np.exp(-2 * (values - x)), np.exp(2 * x)
    gain = y / (x + y) ** 2 * (lose - win) / 2
    assert np.abs(np.mean(gain - chance * win - (1 - chance) * lose, axis=1)).max() < 2e-3 * np.exp(2.0)


def test_bidders_whose_values_are_nearly_known_bid_a_quarter_of_them() -> None:
    """x = v/4 for two equals.  Tullock (1980)"""
    bid = equilibrium(Raffle(), PrivateValues(2, Uniform(1.0, 1.001))).bids[0]
    assert float(bid(np.array(1.0005))) == pytest.approx(0.25, abs=1e-3)  # values differ by so much


def test_raffles_are_certified() -> None:
    for environment in (
        PrivateValues(2, Uniform()),
        PrivateValues(priors=(Uniform(1.0, 2.0), Power(2.0))),
        PrivateValues(2, Uniform(0.5, 2.0), risk=Cara(alpha=2.0)),
    ):
        found = equilibrium(Raffle(), environment).certificate
        assert found is not None
        assert found.exact
        assert found.bound < 3e-4  # low types of the weaker bidder give up, where bids bend


def test_what_bidders_expect_is_what_they_get_in_play() -> None:
    """Also where nearly all bids of one are above those of the other; play by sums over 500² values."""
    priors = Uniform(0.5, 1.0), Uniform(0.5, 3.0)
    bids = equilibrium(Raffle(), PrivateValues(priors=priors)).bids
    x, y = (drawn(prior, bid, 500) for prior, bid in zip(priors, bids, strict=True))
    won = x[:, None] / (x[:, None] + y)
    for prior, bid, chance, sent in ((priors[0], bids[0], won, x), (priors[1], bids[1], 1 - won.T, y)):
        values = np.asarray(prior.quantile((np.arange(500) + 0.5) / 500))
        assert np.abs(bid.win(values) - chance.mean(axis=1)).max() < 1e-3  # type: ignore[attr-defined]
        assert np.abs(bid.payment(values) - sent).max() < 1e-3  # type: ignore[attr-defined]
        earned = values * chance.mean(axis=1) - sent
        assert np.abs(bid.utility(values) - earned).max() < 2e-3  # type: ignore[attr-defined]


def test_where_the_highest_bid_is_sure_to_win_nothing_is_smooth() -> None:
    environment = PrivateValues(2, Uniform())
    assert contested(Sealed(Raffle(), environment, 0))
    assert not any(contested(Sealed(rule, environment, 0)) for rule in (FirstPrice(), AllPay()))


def test_raffles_of_three_are_refused_at_once() -> None:
    with pytest.raises(NoEquilibrium, match="where no bid is sure to win, only two bidders are searched"):
        equilibrium(Raffle(), PrivateValues(3, Uniform()))
