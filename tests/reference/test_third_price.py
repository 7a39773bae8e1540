"""Third-price bids of the risk-averse: against the condition itself, closed forms, played auctions, certificates."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Lognormal
from auctionlab.mechanisms.single_item import KthPrice
from auctionlab.theory.certificate import certify
from auctionlab.theory.equilibria import equilibrium

U, RULE = Uniform(), KthPrice(k=3)


@pytest.mark.parametrize("rho", [0.2, 0.5, 0.9])
def test_three_uniform_crra_bidders_bid_twice_their_value(rho) -> None:
    """∫_0^1 u(1 − κ x) dx = 0 for an odd u where κ = 2, whatever the risk."""
    v = np.linspace(0, 1, 21)
    assert np.abs(equilibrium(RULE, PrivateValues(3, U, risk=Crra(rho=rho))).bids[0](v) - 2 * v).max() < 1e-9


@pytest.mark.parametrize(
    ("prior", "n", "risk"),
    [(U, 4, Crra(rho=0.5)), (Power(2.0), 5, Crra(rho=0.3)), (U, 4, Cara(2.0)), (Lognormal(0.0, 0.5), 3, Cara(1.0))],
)
def test_the_price_is_worth_the_value_on_average(prior, n, risk) -> None:
    """The mean of u(v − b(y)) over lower rivals, at 400,000 levels of F^(n−2)."""
    bid = equilibrium(RULE, PrivateValues(n, prior, risk=risk)).bids[0]
    levels = (np.arange(400_000) + 0.5) / 400_000
    for level in (0.2, 0.5, 0.9):
        value = float(prior.quantile(np.array(level ** (1 / (n - 2)))))
        below = np.asarray(prior.quantile((level * levels) ** (1 / (n - 2))))
        worth = np.asarray(risk.u(value - bid(below)))
        assert abs(worth.mean()) < 1e-4 * np.abs(worth).mean()  # sums


@pytest.mark.parametrize(
    ("rule", "prior", "risk"), [(KthPrice(k=3, reserve=0.3), U, Cara(2.0)), (RULE, Power(2.0), Crra(rho=0.5))]
)
def test_nobody_gains_and_payments_are_those_of_play(rule, prior, risk) -> None:
    environment = PrivateValues(4, prior, risk=risk)
    bids = equilibrium(rule, environment).bids
    found = certify(rule, environment, bids)
    assert found.exact
    assert found.bound < 1e-4
    values = np.asarray(prior.quantile(np.random.default_rng(7).random((100_000, 4))))
    paid = rule.run(bids[0](values)).payments
    expected = bids[0].payment(values)  # type: ignore[attr-defined]
    assert abs(paid.mean() - expected.mean()) < 4 * (paid - expected).std() / 100_000**0.5  # sampling error
