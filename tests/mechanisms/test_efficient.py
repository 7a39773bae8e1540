"""Groves mechanisms, AGV and Krishna-Perry as mechanisms: claims, ties, staying out, wrong designs."""

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.checks.interim import interim_gain, interim_participation
from auctionlab.checks.mechanism_contract import check_mechanism
from auctionlab.checks.outcomes import efficiency
from auctionlab.environments.alternatives import Alternatives, RichAlternatives
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.licensing import Licensing
from auctionlab.environments.partnership import Partnership
from auctionlab.environments.priors import Beta, Exponential, Scipy, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.experiments.config import load_config
from auctionlab.mechanisms.bilateral import DoubleAuction, PostedTrade, SecondBestTrade
from auctionlab.mechanisms.expected_externality import ExpectedExternality, KrishnaPerry
from auctionlab.mechanisms.groves import Groves, Pivot, VickreyClarkeGroves
from auctionlab.mechanisms.licensing import LicensingAuction
from auctionlab.mechanisms.partnership import PartnershipDissolution
from auctionlab.theory.partnership import dissolution_bid
from auctionlab.theory.welfare import welfare_of

U = Uniform()
SIGNED = Uniform(low=-1.0, high=1.0)
TRADE = BilateralTrade(U, U)
PROJECT = PublicProject(3, U, project_cost=1.5)
TRUTH = {"dsic", "ex-post-ic", "bic", "efficient"}
SAFE = {"ex-post-ir", "interim-ir"}


@pytest.mark.parametrize(
    ("make", "environment", "claims"),
    [
        (VickreyClarkeGroves, PrivateValues(3, U), TRUTH | SAFE | {"no-deficit"}),
        (VickreyClarkeGroves, PrivateValues(2, SIGNED), TRUTH | SAFE | {"no-deficit"}),  # may stay unsold
        (VickreyClarkeGroves, TRADE, TRUTH | SAFE),  # a deficit of 1/6
        (VickreyClarkeGroves, PROJECT, TRUTH | SAFE),  # payments do not cover the cost
        (VickreyClarkeGroves, PublicProject(2, Uniform(low=1.0, high=2.0), project_cost=1.5), TRUTH | SAFE),
        (Pivot, PublicProject(2, Uniform(low=1.0, high=2.0), project_cost=1.5), TRUTH | SAFE),
        (Pivot, PublicProject(2, SIGNED), TRUTH | {"no-deficit"}),  # what others decide may harm
        (Pivot, TRADE, TRUTH | {"no-deficit"}),  # takes the seller's good for nothing
        (VickreyClarkeGroves, Partnership(2, U), TRUTH | {"no-deficit"}),  # half a firm is worth more at 1/2
        (VickreyClarkeGroves, Licensing(0.5, 2, U), TRUTH | SAFE | {"no-deficit"}),
        (VickreyClarkeGroves, Licensing(0.5, 2, U, stay_out="nobody"), TRUTH | {"no-deficit"}),  # low values would veto
        (VickreyClarkeGroves, RichAlternatives(2, 2, U), TRUTH | SAFE | {"no-deficit"}),
        (Groves, TRADE, TRUTH | SAFE),
        (ExpectedExternality, TRADE, {"bic", "efficient", "balanced", "no-deficit"}),
        (ExpectedExternality, Partnership(2, U), {"bic", "efficient", "balanced", "no-deficit", "interim-ir"}),
        (KrishnaPerry, Partnership(2, U), {"bic", "efficient", "balanced", "no-deficit", "interim-ir"}),
        (SecondBestTrade, TRADE, {"bic", "interim-ir", "balanced", "no-deficit"}),
    ],
)
def test_claims(make, environment, claims):
    assert make(environment=environment).claims(environment) == claims


@pytest.mark.parametrize(
    ("mechanism", "environment", "claims"),
    [
        (
            VickreyClarkeGroves(Partnership(2, U), pivot="worst-off"),
            Partnership(2, U),
            TRUTH | {"interim-ir"},
        ),
        (Groves(PROJECT, charge=0.1), PROJECT, TRUTH),  # who expects little would rather stay out
        (Groves(PROJECT, charge=-0.1), PROJECT, TRUTH | SAFE),
        (VickreyClarkeGroves(PROJECT), TRADE, set()),  # made for something else
        (DoubleAuction(), TRADE, {"balanced", "no-deficit", "ex-post-ir", "interim-ir"}),
        (
            DoubleAuction(),
            BilateralTrade(U, Beta(a=2.0, b=1.0)),
            {"balanced", "no-deficit", "ex-post-ir", "interim-ir"},
        ),
        (  # where no equilibrium is known
            DoubleAuction(),
            BilateralTrade(Uniform(low=2.0, high=3.0), Beta(a=2.0, b=2.0)),
            {"balanced", "no-deficit", "ex-post-ir"},
        ),
        (PostedTrade(), TRADE, {"dsic", "ex-post-ic", "bic", "ex-post-ir", "interim-ir", "balanced", "no-deficit"}),
        (PartnershipDissolution(), Partnership(2, U), {"balanced", "no-deficit", "efficient", "interim-ir"}),
        (PartnershipDissolution(), Partnership(2, U, shares=(0.6, 0.4)), set()),
        (
            LicensingAuction(Licensing(0.5, 2, U)),
            Licensing(0.5, 2, U),
            {"no-deficit", "ex-post-ir", "interim-ir", "efficient"},
        ),
    ],
)
def test_claims_of_parameters(mechanism, environment, claims):
    assert mechanism.claims(environment) == claims


def test_ties_share_and_realised_play_draws_one():
    mechanism = VickreyClarkeGroves(environment=TRADE)
    tied = np.full((4000, 2), 0.5)
    np.testing.assert_allclose(mechanism.run(tied[:1]).allocation, 0.5)
    played = mechanism.run(tied, rng.stream(1)).allocation
    assert set(np.unique(played)) == {0.0, 1.0}
    assert played[:, 0].mean() == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(4000))


def test_equal_welfare_up_to_rounding_is_a_tie():
    project = PublicProject(2, U, project_cost=0.3)
    np.testing.assert_allclose(Pivot(environment=project).run(np.array([[0.1, 0.2]])).allocation, 0.5)


def test_who_takes_no_part_pays_nothing_and_gets_what_needs_no_consent():
    absent = np.array([[-np.inf, 0.9, 0.8]])
    outcome = VickreyClarkeGroves(environment=PrivateValues(3, U)).run(absent)
    np.testing.assert_allclose(outcome.allocation, [[0, 1, 0]])
    np.testing.assert_allclose(outcome.payments, [[0, 0.8, 0]])
    outcome = VickreyClarkeGroves(environment=PROJECT).run(np.array([[-np.inf, 0.9, 0.8]]))
    np.testing.assert_allclose(outcome.allocation, [[1, 1, 1]])  # a public good
    assert outcome.payments[0, 0] == 0
    outcome = VickreyClarkeGroves(environment=TRADE).run(np.array([[0.9, -np.inf]]))
    np.testing.assert_allclose(outcome.allocation, [[0, 0]])
    outcome = VickreyClarkeGroves(environment=Partnership(2, U)).run(np.array([[0.9, -np.inf]]))
    np.testing.assert_allclose(outcome.allocation, [[0.5, 0.5]])
    outcome = VickreyClarkeGroves(environment=Licensing(0.5, 2, U)).run(np.array([[0.9, -np.inf]]))
    np.testing.assert_allclose(outcome.allocation, [[1.0, -0.5]])


def test_without_a_lowest_value_only_other_pivots_work():
    unbounded = PublicProject(2, Scipy(name="norm"))
    with pytest.raises(ConfigError, match="go down without end"):
        VickreyClarkeGroves(environment=unbounded)
    outcome = Pivot(environment=unbounded).run(np.array([[1.0, -0.25]]))
    np.testing.assert_allclose(outcome.payments, [[0.25, 0.0]])


def test_unbounded_values_upwards_are_fine():
    trade = BilateralTrade(Exponential(mean=1.0), U)
    assert "bic" in ExpectedExternality(environment=trade).claims(trade)


def test_where_staying_out_is_better_individual_rationality_fails_and_not_truth():
    partners = Partnership(2, U)
    mechanism = VickreyClarkeGroves(environment=partners)
    assert interim_gain(mechanism, partners).holds
    assert efficiency(mechanism, partners).holds
    # Krishna (2010), problem 5.3 c: U(x) = x²/2 against x/2 of keeping the half, at worst 1/8 less, at x = 1/2
    assert interim_participation(mechanism, partners).worst == pytest.approx(1 / 8, abs=1e-6)
    with pytest.raises(NoEquilibrium, match="other outcomes"):
        VickreyClarkeGroves(environment=partners).equilibrium(TRADE)


def test_the_experiments_environment_is_filled_in():
    table = {
        "environment": {"kind": "bilateral-trade", "buyer": "uniform", "seller": "uniform"},
        "mechanism": "expected-externality",
        "agents": [{"strategy": "truthful"}],
    }
    config = load_config(table)
    assert config.mechanism == ExpectedExternality(environment=TRADE)
    table["mechanism"] = {"kind": "krishna-perry"}
    with pytest.raises(ConfigError, match=r"expects a deficit of 0\.166667"):
        load_config(table)


@pytest.mark.parametrize(
    ("environment", "mechanism"),
    [
        ({"kind": "licensing", "externality": 0.5, "firms": 2, "prior": "uniform"}, "second-price"),
        ({"kind": "bilateral-trade", "buyer": "uniform", "seller": "uniform"}, "first-price"),
        ({"kind": "partnership", "partners": 3, "prior": "uniform"}, "double-auction"),
    ],
)
def test_a_mechanism_for_other_outcomes_is_refused(environment, mechanism):
    table = {"environment": environment, "mechanism": mechanism, "agents": [{"strategy": "truthful"}]}
    with pytest.raises(ConfigError, match=f"{mechanism} does not decide on the outcomes of {environment['kind']}"):
        load_config(table)


@pytest.mark.parametrize("make", [VickreyClarkeGroves, ExpectedExternality, SecondBestTrade, LicensingAuction])
def test_a_mechanism_that_needs_an_environment_says_so(make):
    with pytest.raises(ConfigError, match="environment"):
        make().run(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DoubleAuction(k=1.5), "k: should be between 0 and 1"),
        (lambda: PartnershipDissolution(weight=-0.1), "weight: should be between 0 and 1"),
        (lambda: SecondBestTrade(environment=PROJECT), "environment: should be bilateral-trade"),
        (lambda: LicensingAuction(environment=TRADE), "environment: should be licensing"),
        (lambda: Groves(TRADE, charge=np.inf), "charge: should be a finite number"),
        (lambda: PartnershipDissolution().run(np.zeros((1, 3))), "needs 2 partners"),
    ],
)
def test_bad_parameters(make, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make()


def test_the_partners_bid_of_problem_5_3():  # Krishna (2010), problem 5.3a: x/3 + 1/6
    x = np.linspace(0, 1, 21)
    bid, _ = PartnershipDissolution().equilibrium(Partnership(2, U))
    np.testing.assert_allclose(bid(x), x / 3 + 1 / 6, atol=1e-9)


def test_partners_expect_more_than_their_half():  # problem 5.3b: x²/2 + 1/6 against x/2
    bid = dissolution_bid(U, 0.0)
    rivals = (np.arange(4000) + 0.5) / 4000
    for x in np.linspace(0, 1, 11):
        sent = np.stack([np.full(4000, bid(np.array(x))), bid(rivals)], axis=1)
        outcome = PartnershipDissolution().run(sent)
        utility = (outcome.allocation[:, 0] * x - outcome.payments[:, 0]).mean()
        assert utility == pytest.approx(x**2 / 2 + 1 / 6, abs=5e-4)  # midpoints of 4000 rivals
        assert utility > x / 2


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("prior", [Beta(a=2.0, b=3.0), Uniform(low=1.0, high=2.0), Exponential(mean=1.0)])
def test_partners_bids_satisfy_their_first_order_condition(prior, weight):
    """β′(1 − k − F) = f (2β − x), by central differences."""
    bid, h = dissolution_bid(prior, weight), 1e-5
    x = np.asarray(prior.quantile(np.linspace(0.03, 0.97, 40)))
    slope = (bid(x + h) - bid(x - h)) / (2 * h)
    np.testing.assert_allclose(slope * (1 - weight - prior.cdf(x)), prior.pdf(x) * (2 * bid(x) - x), atol=2e-4)


def test_the_licence_bids_of_problem_5_4():  # Krishna (2010), problem 5.4a: (1 + α) x / 2
    licence = Licensing(0.4, 2, U)
    bid, _ = LicensingAuction(environment=licence).equilibrium(licence)
    x = np.linspace(0, 1, 11)
    np.testing.assert_allclose(bid(x), 0.7 * x, atol=1e-12)
    outcome = LicensingAuction(environment=licence).run(np.array([[0.5, 0.3], [0.2, -np.inf]]))
    np.testing.assert_allclose(outcome.allocation, [[1, -0.4], [1, -0.4]])
    np.testing.assert_allclose(outcome.payments, [[0.5, 0], [0.2, 0]])


def test_a_veto_stops_the_licence():
    licence = Licensing(0.4, 2, U, stay_out="nobody")
    mechanism = LicensingAuction(environment=licence)
    np.testing.assert_allclose(mechanism.run(np.array([[0.5, -np.inf]])).allocation, 0)
    with pytest.raises(NoEquilibrium, match="veto"):
        mechanism.equilibrium(licence)


def test_vector_types_are_decided_by_their_sums():
    decision = RichAlternatives(2, 2, U)
    outcome = Pivot(environment=decision).run(np.array([[[0.9, 0.1], [0.25, 0.5]]]))
    np.testing.assert_allclose(outcome.allocation, [[[1, 0], [1, 0]]])
    np.testing.assert_allclose(outcome.payments, [[0.25, 0.0]])


def test_costly_alternatives():
    decision = Alternatives(((1.0, -0.5), (0.0, 1.0)), prior=U, costs=(0.0, 0.25))
    outcome = Pivot(environment=decision).run(np.array([[0.8, 0.4]]))  # 0.8 − 0.2 against 0.4 − 0.25
    np.testing.assert_allclose(outcome.allocation[0, 0], [1, 0])
    np.testing.assert_allclose(outcome.payments, [[0.15 + 0.2, 0.0]])


@pytest.mark.parametrize(
    "environment",
    [
        PrivateValues(priors=(Discrete(values=(1.0, 2.0)), Uniform(low=1.0, high=3.0))),
        PrivateValues(
            priors=(Discrete(values=(1.0, 2.0)), Discrete(values=(1.0, 1.5, 2.0)), Uniform(low=1.0, high=3.0))
        ),
        PublicProject(priors=(Discrete(values=(1.0, 2.0)), Uniform(high=2.0)), project_cost=2.0),
    ],
)
def test_expected_externalities_are_right_where_a_type_ties_with_rivals_that_have_atoms(environment):
    """The seats' expected values of the outcome sum to welfare and cost, and no type gains by a lie, tied or not."""
    seats = welfare_of(environment).seats
    cost = seats[0].mean(seats[0].cost)
    assert sum(seat.mean(seat.own) for seat in seats) == pytest.approx(
        welfare_of(environment).expected + cost, abs=1e-9
    )
    assert interim_gain(ExpectedExternality(environment=environment), environment).holds


def test_a_tied_type_of_a_continuous_prior_expects_its_share():
    seats = welfare_of(PrivateValues(priors=(Discrete(values=(1.0, 2.0)), Uniform(low=1.0, high=3.0)))).seats
    # by hand: at 1 the rival has 2 (wins) or 1 (wins half of it); at 2 it wins half of 2 with probability 1/2
    np.testing.assert_allclose(seats[1].others(np.array([1.0, 1.5, 2.0, 2.5])), [1.25, 1.0, 0.5, 0.0], atol=1e-12)


def test_a_licence_sold_among_unequal_firms_is_not_promised_to_go_to_the_best():
    firms = Licensing(0.3, priors=(Uniform(low=1.0, high=2.0), Uniform(low=0.5, high=3.0)))
    auction = LicensingAuction(environment=firms)
    assert "efficient" not in auction.claims(firms)
    assert not efficiency(auction, firms).holds
    check_mechanism(auction, firms)


def test_a_tie_that_single_precision_makes_is_no_breach_of_the_contract():
    trade = BilateralTrade(Uniform(low=3.0, high=4.0), Uniform(low=-1.0, high=2.0))  # 4 against 3.999999 is tried
    check_mechanism(Pivot(environment=trade), trade)


@pytest.mark.parametrize("cls", [VickreyClarkeGroves, Pivot, ExpectedExternality])
def test_many_auctions_at_once_are_the_same_as_one_by_one(cls, monkeypatch):
    """They are run in parts that fit into the cache; a tie and an absent seat among them."""
    mechanism = cls(environment=PrivateValues(3, U))
    messages = np.round(np.random.default_rng(0).random((50, 3)), 1)
    messages[7, 1] = -np.inf
    messages[9] = 0.0  # all four outcomes are equally good
    chances, outcomes = mechanism.lottery(messages)
    alone = [mechanism.run(messages[k : k + 1]) for k in range(50)]
    monkeypatch.setattr("auctionlab.mechanisms._efficient._PART", 7 * 4 * 3)  # seven auctions of 4 outcomes, 3 seats
    together = mechanism.run(messages)
    for name in ("allocation", "payments"):
        expected = np.concatenate([getattr(outcome, name) for outcome in alone])
        np.testing.assert_allclose(getattr(together, name), expected, rtol=1e-14, atol=1e-15)
    again, parted = mechanism.lottery(messages)
    np.testing.assert_array_equal(again, chances)
    assert len(chances) == 4
    for name in ("allocation", "payments"):
        for k, chance in enumerate(chances):
            told = chance > 0
            np.testing.assert_array_equal(getattr(parted, name)[k][told], getattr(outcomes, name)[k][told])
