"""Environments with finitely many outcomes: public projects, alternatives, trade, partnerships, licences."""

import numpy as np
import pytest

from auctionlab.arrays import namespace
from auctionlab.checks.contracts import check_environment
from auctionlab.core import Outcome, Seat
from auctionlab.environments.alternatives import Alternatives, RichAlternatives
from auctionlab.environments.licensing import Licensing
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Beta, Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.groves import VickreyClarkeGroves
from auctionlab.registry import build, describe
from auctionlab.rng import stream

U = Uniform()
SHIFTED = Uniform(low=-1.0, high=2.0)
EVERY = [
    PublicProject(3, U, project_cost=1.5),
    PublicProject(priors=(SHIFTED, Uniform(low=-2.0, high=1.0)), outside_options=(0.1, -0.1)),
    BilateralTrade(U, U),
    BilateralTrade(Uniform(low=0.5, high=2.0), Exponential(mean=1.0)),
    Partnership(2, U),
    Partnership(prior=Beta(a=2.0, b=1.0), partners=3, shares=(0.5, 0.25, 0.25)),
    Licensing(0.5, 2, U),
    Licensing(0.2, 3, SHIFTED, stay_out="nobody"),
    Alternatives(((1.0, 0.0, -0.5), (0.0, 1.0, 0.0)), prior=U, costs=(0.0, 0.1)),
    RichAlternatives(3, 2, U, costs=(0.0, 0.1, 0.2)),
    RichAlternatives(2, each=(U, SHIFTED)),
]
IDS = [f"{type(each).__name__}-{place}" for place, each in enumerate(EVERY)]


@pytest.mark.parametrize("environment", EVERY, ids=IDS)
def test_it_keeps_its_contract(environment):
    check_environment(environment)


@pytest.mark.parametrize("environment", EVERY, ids=IDS)
def test_its_config_builds_it_again(environment):
    assert build("environments", describe(environment)) == environment


@pytest.mark.parametrize("environment", EVERY, ids=IDS)
def test_best_welfare_is_reached_by_an_outcome(environment):
    values = environment.sample(stream(2), 50).values
    outcomes = environment.outcomes()
    reached = [
        environment.value(np.broadcast_to(outcome, (50, *outcome.shape)), values).sum(axis=1)
        - environment.cost(np.broadcast_to(outcome, (50, *outcome.shape)))
        for outcome in outcomes
    ]
    np.testing.assert_allclose(environment.best_welfare(values), np.max(reached, axis=0), atol=1e-12)


@pytest.mark.parametrize("environment", EVERY, ids=IDS)
def test_something_can_always_be_decided_without_everybody(environment):
    possible = environment.without()
    assert possible.shape == (len(environment.outcomes()), environment.n)
    assert possible.all(axis=1).any()


@pytest.mark.parametrize("environment", EVERY, ids=IDS)
def test_it_runs_on_other_array_libraries(environment):
    torch = pytest.importorskip("torch")
    signals = environment.sample(stream(3), 8).signals
    values = environment.values(torch.asarray(signals))
    assert namespace(values) is not np
    np.testing.assert_allclose(
        environment.best_welfare(values).numpy(), environment.best_welfare(environment.values(signals))
    )


def test_everybody_receives_the_public_decision():
    project = PublicProject(2, U, project_cost=1.0)
    values = np.array([[0.4, 0.9]])
    built = Outcome(np.ones((1, 2)), np.zeros((1, 2)))
    np.testing.assert_allclose(project.utility(built, values), values)
    np.testing.assert_allclose(project.cost(built.allocation), 1.0)
    np.testing.assert_allclose(project.best_welfare(values), 0.3)
    np.testing.assert_allclose(project.best_welfare(values / 2), 0.0)
    assert project.without().all()


def test_the_sellers_value_of_trading_is_minus_the_cost():
    trade = BilateralTrade(U, U)
    values = trade.values(np.array([[0.8, 0.3]]))
    np.testing.assert_allclose(values, [[0.8, -0.3]])
    np.testing.assert_allclose(trade.best_welfare(values), 0.5)
    assert trade.roles() == (0, 1)
    assert not trade.without()[1].any()


def test_partners_keep_their_shares_when_they_stay_out():
    partners = Partnership(prior=U, partners=2, shares=(0.7, 0.3))
    np.testing.assert_allclose(partners.outside(np.array([[1.0, 0.5]])), [[0.7, 0.15]])
    np.testing.assert_array_equal(partners.outcomes()[-1], [0.7, 0.3])
    assert partners.roles() == (0, 1)
    assert Partnership(2, U).roles() == (0, 0)


def test_outside_a_licence_depends_on_who_then_gets_it():
    values = np.array([[1.0, 0.5]])
    np.testing.assert_allclose(Licensing(0.4, 2, U).outside(values), [[-0.4, -0.2]])
    np.testing.assert_allclose(Licensing(0.4, 2, U, stay_out="nobody").outside(values), 0.0)


def test_alternatives_multiply_types():
    decision = Alternatives(((1.0, -0.5), (0.0, 2.0)), prior=U, costs=(0.0, 0.25))
    signals = np.array([[1.0, 0.5]])
    np.testing.assert_allclose(decision.values(signals), [[[1.0, 0.0], [-0.25, 1.0]]])
    np.testing.assert_allclose(decision.best_welfare(decision.values(signals)), 0.75)


def test_a_licence_is_a_case_of_alternatives():
    licence = Licensing(0.5, 2, U)
    same = Alternatives(((1.0, -0.5), (-0.5, 1.0), (0.0, 0.0)), prior=U)
    signals = licence.sample(stream(5), 100).signals
    np.testing.assert_allclose(licence.best_welfare(signals), same.best_welfare(same.values(signals)))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Alternatives(((1.0, 0.0), (1.0,)), priors=(U, U)), "alternatives.1: no value for bidder 1"),
        (lambda: Alternatives(((1.0, 0.0, 2.0),), priors=(U, U)), "alternatives.0: a value for nobody"),
        (lambda: Alternatives(((1.0, 0.0),), prior=U, costs=(1.0, 2.0)), "costs: should be 1"),
        (lambda: Licensing(1.0, 2, U), "externality: should be greater than 0 and less than 1, got 1.0"),
        (lambda: Licensing(0.0, 2, U), "externality: should be greater than 0 and less than 1, got 0.0"),
        (lambda: BilateralTrade(U, Uniform(low=1.0, high=2.0)), "supports should overlap"),
        (lambda: Partnership(2, U, shares=(0.5, 0.6)), "shares: should be 0 or more and sum to 1"),
        (lambda: Partnership(2, U, shares=(1.0,)), "shares: should be 2"),
        (lambda: PublicProject(prior=U), "citizens: should be the number of seats"),
        (lambda: PublicProject(2), "missing key 'prior'"),
        (lambda: PublicProject(2, U, outside_options=(0.0,)), "outside_options: should be 2"),
        (lambda: RichAlternatives(2, 3, each=(U, U)), "priors: should be 3, one a seat"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(make, complaint):
    with pytest.raises(ConfigError) as error:
        make()
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_learners_bid_below_zero_where_values_are():
    project = PublicProject(2, SHIFTED)
    seat = Seat(0, 1, 1, project, VickreyClarkeGroves(environment=project))
    np.testing.assert_allclose(seat.grid(4), [-1.0, 0.0, 1.0, 2.0])


def test_a_private_auction_is_unchanged_as_a_default():
    auction = PrivateValues(2, U)
    np.testing.assert_array_equal(auction.without(), [[True, True], [False, True], [True, False]])
    np.testing.assert_array_equal(auction.cost(auction.outcomes()), np.zeros(3))
