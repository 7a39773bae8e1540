"""Expected externalities, and the balanced mechanisms that are or are not individually rational."""

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.environments.licensing import Licensing
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Beta, Discrete, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.expected_externality import ExpectedExternality, KrishnaPerry
from auctionlab.theory.efficient import budget_balance, expected_externality_accounts
from auctionlab.theory.impossibility import externality_gain

U = Uniform()
TRADE = BilateralTrade(U, U)
X = np.linspace(0, 1, 11)


def paid(mechanism, *types):
    return mechanism.run(np.array([types], float)).payments[0]


def test_one_item():  # δ(x) = E[Y; Y > x] = (1 − x²)/2
    mechanism = ExpectedExternality(environment=PrivateValues(2, U))
    np.testing.assert_allclose(paid(mechanism, 0.8, 0.3), [(0.64 - 0.09) / 2, (0.09 - 0.64) / 2], atol=1e-12)


@pytest.mark.parametrize("n", [3, 5])
def test_one_item_and_more_bidders(n):  # δ(x) = E[M; M > x] = (n−1)/n (1 − x^n)
    mechanism = ExpectedExternality(environment=PrivateValues(n, U))
    types = np.linspace(0.1, 0.9, n)
    delta = (n - 1) / n * (1 - types**n)
    expected = (delta.sum() - delta) / (n - 1) - delta
    np.testing.assert_allclose(paid(mechanism, *types), expected, atol=1e-12)


def test_licence():  # Krishna (2010), problem 5.4c: M_1 = (1 + α)(x_1² − x_2²)/2
    for alpha in (0.25, 0.75):
        mechanism = ExpectedExternality(environment=Licensing(alpha, 2, U))
        expected = (1 + alpha) * (0.49 - 0.16) / 2
        np.testing.assert_allclose(paid(mechanism, 0.7, 0.4), [expected, -expected], atol=1e-12)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_the_licence_is_individually_rational_even_under_a_veto(alpha):
    """U(x) = (1+α)x²/2 − αx + (1+α)/6, at least (1+α)/6 − α²/(2(1+α)) > 0."""
    rival = expected_externality_accounts(Licensing(alpha, 2, U))
    assert rival.margin == pytest.approx(((1 + alpha) / 6,) * 2)
    veto = expected_externality_accounts(Licensing(alpha, 2, U, stay_out="nobody"))
    assert veto.margin == pytest.approx(((1 + alpha) / 6 - alpha**2 / (2 * (1 + alpha)),) * 2)
    assert min(veto.margin) > 0
    assert budget_balance(Licensing(alpha, 2, U)).surplus == pytest.approx((1 + alpha) / 3)


def test_trade():  # δ_b(v) = −E[C; C < v] = −v²/2, δ_s(c) = E[V; V > c] = (1 − c²)/2
    price = paid(ExpectedExternality(environment=TRADE), 0.6, 0.2)
    np.testing.assert_allclose(price, [(1 - 0.04) / 2 + 0.36 / 2, -(1 - 0.04) / 2 - 0.36 / 2], atol=1e-12)


def test_the_buyer_would_rather_not_trade_by_agv():  # U_b(0) = −E[δ_s] = −1/3
    accounts = expected_externality_accounts(TRADE)
    assert accounts.margin == pytest.approx((-1 / 3, 1 / 6))
    assert accounts.critical == pytest.approx((0.0, 1.0))
    assert accounts.surplus == pytest.approx(0)


def test_a_project_shares_its_cost():
    project = PublicProject(2, U, project_cost=1.0)
    mechanism = ExpectedExternality(environment=project)
    drawn = project.sample(rng.stream(1), 300).signals
    outcome = mechanism.run(drawn)
    np.testing.assert_allclose(outcome.payments.sum(axis=1), project.cost(outcome.allocation), atol=1e-12)
    # δ(x) = E[(Y − 1/2) built] = ∫_{1−x}^1 (y − 1/2) dy = x(1 − x)/2
    delta = drawn * (1 - drawn) / 2
    expected = delta[:, ::-1] - delta + outcome.allocation / 2
    np.testing.assert_allclose(outcome.payments, expected, atol=1e-12)


@pytest.mark.parametrize(
    "environment",
    [
        PrivateValues(3, U),
        PublicProject(3, Uniform(low=-1.0, high=1.0)),
        PublicProject(2, Beta(a=2.0, b=1.0), project_cost=0.7),
        Partnership(2, U),
        BilateralTrade(Uniform(low=0.5, high=1.5), Beta(a=2.0, b=2.0)),
        PrivateValues(2, Discrete(values=(0.0, 1.0, 3.0), weights=(1.0, 2.0, 1.0))),
    ],
)
def test_balanced_in_every_outcome_whatever_is_reported(environment):
    mechanism = ExpectedExternality(environment=environment)
    messages = 3 * environment.sample(rng.stream(3), 200).signals - 1
    messages[::7, 0] = -np.inf
    for random in (None, rng.stream(4)):
        outcome = mechanism.run(messages, random)
        missing = outcome.payments.sum(axis=1) - environment.cost(outcome.allocation)
        np.testing.assert_allclose(missing, 0, atol=1e-12)


def test_discrete_types_with_ties():  # two of 0, 1 equally likely: δ(0) = E[Y] = 1/2, δ(1) = E[Y/2] = 1/4
    mechanism = ExpectedExternality(environment=PrivateValues(2, Discrete(values=(0.0, 1.0))))
    np.testing.assert_allclose(paid(mechanism, 1.0, 0.0), [0.25, -0.25])
    np.testing.assert_allclose(paid(mechanism, 0.8, 0.4), [0.25, -0.25])  # nearest types


def test_krishna_perry_exists_exactly_where_vcg_has_a_surplus():  # Krishna (2010), prop. 5.6
    for environment in (Partnership(2, U), Licensing(0.5, 2, U), BilateralTrade(Uniform(low=1.0, high=2.0), U)):
        assert budget_balance(environment).possible
        assert "interim-ir" in KrishnaPerry(environment=environment).claims(environment)
    for environment, deficit in ((TRADE, 1 / 6), (PublicProject(2, U, project_cost=1.0), 1 / 6)):
        assert budget_balance(environment).surplus == pytest.approx(-deficit)
        with pytest.raises(ConfigError, match=r"expects a deficit of 0\.166667"):
            KrishnaPerry(environment=environment)


@pytest.mark.parametrize("split", ["equal", "first"])
def test_krishna_perry_gives_everybody_at_least_the_outside_option(split):
    partners = Partnership(prior=U, partners=2, shares=(0.75, 0.25))
    mechanism = KrishnaPerry(environment=partners, split=split)
    assert sum(mechanism.gifts) == pytest.approx(0)
    own = np.linspace(0, 1, 41)
    rivals = (np.arange(2000) + 0.5) / 2000
    for seat in (0, 1):
        signals = np.stack([np.repeat(own, 2000), np.tile(rivals, 41)], axis=1)[:, :: 1 if seat == 0 else -1]
        values = np.ascontiguousarray(signals)
        gain = partners.utility(mechanism.run(values), values) - partners.outside(values)
        least = gain[:, seat].reshape(41, 2000).mean(axis=1).min()
        share = budget_balance(partners).surplus * {"equal": 0.5, "first": 1.0 - seat}[split]
        assert least == pytest.approx(share, abs=2e-4)  # midpoints of 2000 rivals, 41 own types


def test_krishna_perry_of_disjoint_trade_is_a_price():
    mechanism = KrishnaPerry(environment=BilateralTrade(Uniform(low=1.0, high=2.0), U))
    for value, cost in ((1.1, 0.9), (2.0, 0.0)):
        np.testing.assert_allclose(paid(mechanism, value, cost), [1.0, -1.0], atol=1e-9)


def test_a_designer_with_a_wrong_prior_is_balanced_but_not_incentive_compatible():
    actual = BilateralTrade(Beta(a=2.0, b=1.0), U)
    mechanism = ExpectedExternality(environment=TRADE)
    assert mechanism.claims(actual) == {"balanced", "no-deficit"}
    with pytest.raises(NoEquilibrium, match="priors are right"):
        mechanism.equilibrium(actual)


def test_with_correlated_types_a_lie_can_pay():  # where Okumura (2018), remark 2.7 says that it cannot
    types = ((-1.0, 2.0), (-1.0, 2.0))
    assert externality_gain(types, np.full((2, 2), 0.25)) <= 1e-12
    assert externality_gain(types, np.array([[0.4, 0.1], [0.1, 0.4]])) == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="sum to 1"):
        externality_gain(types, np.full((2, 2), 0.3))


def test_what_agv_needs():
    from auctionlab.environments.alternatives import RichAlternatives
    from auctionlab.environments.risk import Crra

    for environment, complaint in (
        (RichAlternatives(2, 2, U), "scalar"),
        (PrivateValues(1, U), "at least 2 seats"),
        (PrivateValues(2, U, risk=Crra(rho=0.5)), "risk-neutral"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            ExpectedExternality(environment=environment)
