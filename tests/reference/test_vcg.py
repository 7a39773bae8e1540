"""VCG, Groves and pivot payments in expectation, against closed forms; what they cannot do."""

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.environments.licensing import Licensing
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Beta, Discrete, Exponential, Power, TruncatedNormal, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.expected_externality import ExpectedExternality
from auctionlab.mechanisms.groves import Groves, Pivot, VickreyClarkeGroves
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice
from auctionlab.theory.efficient import budget_balance, groves_accounts
from auctionlab.theory.impossibility import (
    green_laffont,
    groves_remainder,
    least_imbalance,
    surplus_extraction,
)
from auctionlab.theory.lines import mean_of_highest_line, shortfall
from auctionlab.theory.partnership import dissolvable
from auctionlab.theory.welfare import welfare_of

U = Uniform()
SIGNED = Uniform(low=-1.0, high=1.0)


@pytest.mark.parametrize(
    ("environment", "welfare"),
    [
        (PrivateValues(2, U), 2 / 3),
        (PrivateValues(4, U), 4 / 5),
        (PrivateValues(2, Exponential(mean=1.0)), 3 / 2),
        (BilateralTrade(U, U), 1 / 6),
        (PublicProject(2, U, project_cost=1.0), 1 / 6),  # E(X + Y − 1)⁺
        (PublicProject(3, U, project_cost=1.5), 13 / 64),  # E(S − 3/2)⁺, S of Irwin and Hall
        (PublicProject(4, U, project_cost=2.0), 7 / 30),  # half of E|S − 2| = 7/15
        (PublicProject(1, SIGNED), 1 / 4),
        (Partnership(2, U), 2 / 3),
        (Licensing(0.5, 2, U), 1 / 2),  # E max − α E min = 2/3 − 1/6
        (PrivateValues(2, Discrete(values=(0.0, 1.0))), 3 / 4),
    ],
)
def test_expected_welfare(environment, welfare):
    assert welfare_of(environment).expected == pytest.approx(welfare, abs=2e-8)  # quadrature


@pytest.mark.parametrize("prior", [U, Exponential(mean=2.0), Beta(a=0.5, b=0.5), TruncatedNormal(mean=0.0, sd=1.0)])
def test_the_mean_of_the_highest_line_is_that_of_many_quantiles(prior):
    points = np.asarray(prior.quantile((np.arange(200_000) + 0.5) / 200_000))
    slopes, intercepts = np.array([0.0, 1.0, -1.0, 1.0]), np.array([0.3, -0.2, 0.1, -0.4])
    lines = intercepts + slopes * points[:, None]
    mean, chance = mean_of_highest_line(prior, slopes, intercepts)
    assert mean == pytest.approx(lines.max(axis=1).mean(), abs=2e-5)  # the tail beyond the last quantile
    np.testing.assert_allclose(chance, np.bincount(lines.argmax(axis=1), minlength=4) / len(points), atol=1e-5)


def test_the_shortfall_of_a_uniform():
    t = np.array([-1.0, 0.0, 0.25, 1.0, 3.0])
    np.testing.assert_allclose(shortfall(U)(t), [0, 0, 1 / 32, 1 / 2, 5 / 2], atol=1e-15)


def test_vcg_is_the_second_price_auction_of_one_item():  # Krishna (2010), after (5.22)
    auction = PrivateValues(3, U)
    messages = auction.sample(rng.stream(1), 500).signals
    for mechanism in (VickreyClarkeGroves(environment=auction), Pivot(environment=auction)):
        vcg, second = mechanism.run(messages), SecondPrice().run(messages)
        np.testing.assert_allclose(vcg.allocation, second.allocation)
        np.testing.assert_allclose(vcg.payments, second.payments, atol=1e-15)


def test_vcg_charges_the_pivotal_citizen_what_is_missing():  # cost 1: each pays 1 − the other's value where built
    project = PublicProject(2, U, project_cost=1.0)
    outcome = VickreyClarkeGroves(environment=project).run(np.array([[0.75, 0.5], [0.5, 0.25]]))
    np.testing.assert_allclose(outcome.payments, [[0.5, 0.25], [0.0, 0.0]])
    np.testing.assert_allclose(outcome.allocation, [[1, 1], [0, 0]])


def test_the_pivot_mechanism_charges_the_externality():  # Okumura (2018), definition 2.5: w_N\i − Σ_j≠i v_j
    project = PublicProject(3, SIGNED)
    outcome = Pivot(environment=project).run(np.array([[1.0, -0.5, -0.25], [0.5, 0.25, -0.5]]))
    np.testing.assert_allclose(outcome.payments, [[0.75, 0.0, 0.0], [0.25, 0.0, 0.0]])


@pytest.mark.parametrize("environment", [PublicProject(3, SIGNED), PrivateValues(3, U)])
def test_pivotal_utility_is_the_marginal_contribution(environment):  # Okumura (2018), section 2.5
    values = environment.sample(rng.stream(2), 200).signals
    utility = environment.utility(Pivot(environment=environment).run(values), values)
    for seat in range(environment.n):
        alone = values.copy()
        alone[:, seat] = 0.0
        rest = environment.best_welfare(alone)
        np.testing.assert_allclose(utility[:, seat], environment.best_welfare(values) - rest, atol=1e-12)


def test_trade_by_vcg_pays_each_the_others_number():
    trade = BilateralTrade(U, U)
    outcome = VickreyClarkeGroves(environment=trade).run(np.array([[0.75, 0.25], [0.25, 0.75]]))
    np.testing.assert_allclose(outcome.payments, [[0.25, -0.75], [0.0, 0.0]])


def test_trade_by_vcg_with_shifted_supports():  # Krishna (2010), prop. 5.7: max{C, v̲} and min{V, c̄}
    trade = BilateralTrade(Uniform(low=0.5, high=2.0), U)
    values = trade.sample(rng.stream(3), 300).signals
    outcome = VickreyClarkeGroves(environment=trade).run(values)
    done = values[:, 0] > values[:, 1]
    np.testing.assert_allclose(outcome.payments[:, 0], done * np.maximum(values[:, 1], 0.5), atol=1e-12)
    np.testing.assert_allclose(-outcome.payments[:, 1], done * np.minimum(values[:, 0], 1.0), atol=1e-12)


def test_the_winning_partner_pays_the_others_value():  # Krishna (2010), problem 5.3c, with (5.22) and α_i = 0
    partners = Partnership(2, U)
    outcome = VickreyClarkeGroves(environment=partners).run(np.array([[0.75, 0.5]]))
    np.testing.assert_allclose(outcome.payments, [[0.5, 0.0]])
    accounts = groves_accounts(partners)
    assert accounts.payments == pytest.approx((1 / 6, 1 / 6))
    assert accounts.margin == pytest.approx((-1 / 8, -1 / 8))  # x²/2 − x/2 at 1/2: not individually rational


def test_partners_with_the_worst_off_pivot():  # s = 1/2 gains least: h_i = max(1/2, x_j) − 1/4
    partners = Partnership(2, U)
    mechanism = VickreyClarkeGroves(environment=partners, pivot="worst-off")
    outcome = mechanism.run(np.array([[0.75, 0.25], [0.875, 0.75]]))
    np.testing.assert_allclose(outcome.payments, [[0.25, -0.25], [0.5, -0.25]], atol=1e-9)
    accounts = groves_accounts(partners, "worst-off")
    assert accounts.critical == pytest.approx((0.5, 0.5), abs=1e-6)
    assert accounts.surplus == pytest.approx(1 / 12)
    assert min(accounts.margin) >= -1e-12


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_the_licence_costs_as_much_by_vcg_as_by_first_price(alpha):  # Krishna (2010), problem 5.4 a and b
    licence = Licensing(alpha, 2, U)
    outcome = VickreyClarkeGroves(environment=licence).run(np.array([[0.75, 0.5]]))
    np.testing.assert_allclose(outcome.payments, [[(1 + alpha) * 0.5, 0.0]], atol=1e-12)
    assert sum(groves_accounts(licence).payments) == pytest.approx((1 + alpha) / 3)
    veto = groves_accounts(Licensing(alpha, 2, U, stay_out="nobody"))
    assert veto.critical == pytest.approx((alpha / (1 + alpha),) * 2, abs=1e-5)
    assert veto.margin == pytest.approx((-(alpha**2) / (2 * (1 + alpha)),) * 2)  # the lowest type is not the worst off


def test_groves_mechanisms_differ_by_a_constant_of_the_others():
    project = PublicProject(3, SIGNED)
    signals = np.repeat(project.sample(rng.stream(4), 20).signals, 9, axis=0)
    signals[:, 0] = np.tile(np.linspace(-1, 1, 9), 20)
    plain = Groves(environment=project).run(signals).payments[:, 0]
    for other in (Pivot(environment=project), VickreyClarkeGroves(environment=project), Groves(project, "none", 0.3)):
        gap = (other.run(signals).payments[:, 0] - plain).reshape(20, 9)
        assert np.ptp(gap, axis=1).max() < 1e-12


def test_vcg_takes_most_among_individually_rational_efficient_mechanisms():  # Krishna (2010), prop. 5.5
    auction = PrivateValues(2, U)
    most = groves_accounts(auction, "worst-off")
    for rule, charge in (("none", 0.0), ("others", 0.0), ("lowest", -0.1)):
        other = groves_accounts(auction, rule, charge)
        assert min(other.margin) >= -1e-12
        assert all(less <= more + 1e-12 for less, more in zip(other.payments, most.payments, strict=True))
    assert min(groves_accounts(auction, "lowest", 0.01).margin) == pytest.approx(-0.01)


def test_what_is_efficient_and_dominant_has_groves_payments():  # Green and Laffont (1979); Holmström (1979)
    auction, project = PrivateValues(3, U), PublicProject(2, SIGNED)
    assert groves_remainder(SecondPrice(), auction) == 0
    assert groves_remainder(VickreyClarkeGroves(environment=project), project) < 1e-12
    assert groves_remainder(FirstPrice(), auction) > 0.5
    assert groves_remainder(ExpectedExternality(environment=project), project) > 0.1


def test_no_groves_mechanism_is_balanced():  # Green and Laffont (1979); Nath, the two-alternative argument
    argument = green_laffont(1.0, -1.0, 0.25, -0.25)
    assert argument.required == (1.25, 0.75)
    project = PublicProject(2, SIGNED)
    assert argument.imbalance == pytest.approx(1 / 8)
    assert least_imbalance(project, [[1.0, -1.0], [0.25, -0.25]]) == pytest.approx(argument.imbalance, abs=1e-9)
    grid = np.linspace(-1, 1, 9)
    assert least_imbalance(project, [grid, grid]) == pytest.approx(0.5, abs=1e-9)
    with pytest.raises(ConfigError, match="should be built with"):
        green_laffont(1.0, 0.5, 0.25, -0.25)


def test_a_known_type_makes_balance_possible():  # what the theorem's rich types are needed for
    grid = np.linspace(-1, 1, 7)
    assert least_imbalance(PublicProject(3, SIGNED), [grid, grid, [0.3]]) == pytest.approx(0, abs=1e-9)
    assert least_imbalance(PublicProject(3, SIGNED), [grid, grid, grid]) > 0.1


def test_the_whole_surplus_cannot_be_extracted():  # Krishna (2010), problem 5.1
    found = surplus_extraction(PrivateValues(2, U))
    assert (found.welfare, found.revenue) == pytest.approx((2 / 3, 1 / 3))
    assert found.rents == pytest.approx((1 / 6, 1 / 6))
    for environment in (PrivateValues(3, Power(exponent=2.0)), BilateralTrade(U, U), Partnership(2, U)):
        found = surplus_extraction(environment)
        assert min(found.rents) > 0.01
        outside = found.welfare - found.revenue - sum(found.rents)
        expected = 0.5 if isinstance(environment, Partnership) else 0.0  # E[x/2] each
        assert outside == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.3), (0.85, 0.15), (1.0, 0.0), (1 / 3, 1 / 3, 1 / 3)])
@pytest.mark.parametrize("prior", [U, Beta(a=2.0, b=2.0)])
def test_partnerships_that_can_be_dissolved(prior, shares):  # Cramton, Gibbons and Klemperer (1987), theorem 1
    partners = Partnership(len(shares), prior, shares=shares)
    assert budget_balance(partners).surplus == pytest.approx(
        dissolvable(prior, shares), abs=3e-4 if len(shares) > 2 else 1e-7
    )


def test_equal_partners_always_can_and_owners_never():  # the same, propositions 1 and 2
    assert dissolvable(U, (0.5, 0.5)) == pytest.approx(1 / 12)
    assert dissolvable(U, (1.0, 0.0)) == pytest.approx(-1 / 6)  # bilateral trade


def test_by_simulation():
    project = PublicProject(3, U, project_cost=1.5)
    drawn = project.sample(rng.stream(9), 200_000)
    payments = VickreyClarkeGroves(environment=project).run(drawn.signals).payments
    accounts = groves_accounts(project)
    error = payments.std(axis=0) / np.sqrt(len(payments))
    assert (np.abs(payments.mean(axis=0) - accounts.payments) < 4.5 * error).all()
    assert sum(accounts.payments) == pytest.approx(13 / 32, abs=1e-6)
    assert accounts.cost == pytest.approx(3 / 4, abs=1e-6)
