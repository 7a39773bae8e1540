"""Behavioural bidders against closed forms, equilibria of known games, and definitions."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import truncnorm

from auctionlab.agents._game import Rivalry
from auctionlab.agents.behavioural import (
    Cursed,
    JoyOfWinning,
    LevelK,
    NoisyTruthful,
    QuantalResponse,
    RiskAverse,
    Spiteful,
)
from auctionlab.arrays import draw_index
from auctionlab.core import Box, Draw, Environment, Seat, counterfactual
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.clock import Ascending
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from auctionlab.registry import kind_of
from auctionlab.rng import Source
from auctionlab.theory.logit import first_price_logit, winning

VALUES = np.linspace(0.05, 0.95, 19)


def bids(strategy, environment, mechanism, values=VALUES):
    strategy.start(Seat(0, len(values), 10, environment, mechanism))
    return strategy.act(values, Source(1, len(values)).stream(0, "act"))


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("spite", [0.0, 0.25, 1.0])
def test_spiteful_bids_match_the_closed_forms_for_uniform_values(n, spite):
    """First-price: v m/(m + 1), m = (n − 1)(1 + a); second-price: (v (1 + a) + a)/(1 + 2a): integrate by hand."""
    environment = PrivateValues(n, Uniform())
    power = (n - 1) * (1 + spite)
    first = bids(Spiteful(spite=spite), environment, FirstPrice())
    np.testing.assert_allclose(first, VALUES * power / (power + 1), rtol=1e-8)
    second = bids(Spiteful(spite=spite), environment, SecondPrice())
    np.testing.assert_allclose(second, (VALUES * (1 + spite) + spite) / (1 + 2 * spite), rtol=1e-6)


def test_spiteful_second_price_bids_by_adaptive_quadrature():
    prior = Exponential(mean=2.0)
    found = bids(Spiteful(spite=0.5), PrivateValues(3, prior), SecondPrice(), np.array([0.1, 1.0, 5.0]))
    for value, bid in zip((0.1, 1.0, 5.0), found, strict=True):
        rest = quad(lambda t, v=value: float(prior.sf(np.array(t)) / prior.sf(np.array(v))) ** 3, value, np.inf)[0]
        assert bid == pytest.approx(value + rest, rel=1e-4)  # a table of 2001 values


@pytest.mark.parametrize("rule", [FirstPrice(reserve=0.3), SecondPrice(reserve=0.3, entry_fee=0.05)], ids=repr)
def test_no_unilateral_deviation_pays_a_spiteful_bidder(rule):
    """Utility is own surplus − a × the surplus of whoever wins; rivals follow the function, on common draws."""
    spite, n, draws = 0.5, 3, 60_000
    environment = PrivateValues(n, Uniform())
    strategy = Spiteful(spite=spite)
    strategy.start(Seat(0, 1, 10, environment, rule))
    rivals = Source(2).stream(0, "act").random((draws, n - 1))
    sent = strategy.bid(rivals)
    for value in (0.2, 0.45, 0.8):
        trials = np.append(np.linspace(0.3, 1.0, 29), [-np.inf, float(strategy.bid(np.array([value]))[0])])
        worth = []
        for trial in trials:
            messages = np.column_stack([np.full(draws, trial), sent])
            outcome = rule.run(messages)
            surplus = outcome.allocation * np.column_stack([np.full(draws, value), rivals]) - outcome.payments
            others = surplus[:, 1:] + rule.entry_fee * np.isfinite(sent)  # the winner's gain, not what entry cost
            worth.append((surplus[:, 0] - spite * others.sum(axis=1)).mean())
        assert worth[-1] > max(worth[:-1]) - 3e-3  # 4 standard errors of a mean over the draws


def test_spite_is_solved_where_it_says(sit):
    with pytest.raises(NoEquilibrium, match="spiteful: no bid function is known here: spite is solved for"):
        Spiteful().start(sit(kind="all-pay"))


def test_joy_of_winning_shifts_values():
    environment = PrivateValues(3, Uniform())
    np.testing.assert_allclose(bids(JoyOfWinning(joy=0.2), environment, SecondPrice()), VALUES + 0.2, rtol=1e-12)
    # values uniform on [0.2, 1.2]: 0.2 + (v + 0.2 − 0.2) (n − 1)/n
    np.testing.assert_allclose(bids(JoyOfWinning(joy=0.2), environment, FirstPrice()), 0.2 + VALUES * 2 / 3, rtol=1e-8)


def test_noisy_truth_scatters_around_the_value(sit):
    lanes = 100_000
    strategy = NoisyTruthful(noise=0.1)
    strategy.start(sit(lanes))
    sent = strategy.act(np.full(lanes, 0.5), Source(3, lanes).stream(0, "act"))
    assert sent.mean() == pytest.approx(0.5, abs=5 * 0.1 / np.sqrt(lanes))  # 5 standard errors
    assert sent.std() == pytest.approx(0.1, rel=0.02)


def test_payoffs_against_even_bids_are_those_of_the_binomial(sit):
    """Two rivals who bid evenly on 11 points: win with chance Σ over ties; ((k + ½)/11)² up to the tie rule."""
    game = Rivalry(PrivateValues(3, Uniform()), FirstPrice(), 11, 4)
    payoffs = game.payoffs(0, {0: game.even(0)})
    below, tie = np.arange(11) / 11, 1 / 11
    chance = below**2 + 2 * below * tie / 2 + tie**2 / 3
    cells = (np.arange(4) + 0.5) / 4
    expected = (cells[:, None] - np.linspace(0, 1, 11)) * chance
    np.testing.assert_allclose(payoffs, expected, atol=1e-14)


@pytest.mark.parametrize("rule", [FirstPrice(reserve=0.2), Ascending(), AllPay(entry_fee=0.05)], ids=kind_of)
def test_payoffs_of_the_risk_averse_are_means_over_played_auctions(rule):
    """Different bidders and grids; 20,000 auctions drawn here, five standard errors."""
    environment = PrivateValues(priors=(Uniform(), Uniform(high=2.0), Uniform()), risk=Crra(rho=0.5))
    game = Rivalry(environment, rule, 6, 4)
    random, batch = np.random.default_rng(1), 20_000
    mixes = {role: random.random((4, len(grid))) for role, grid in game.grids.items()}
    sent = np.empty((batch, 3))
    for seat, role in enumerate(game.roles):
        rows = mixes[role][random.integers(4, size=batch)]
        sent[:, seat] = game.grids[role][draw_index(rows, random.random(batch))]
    for role in mixes:
        seat = np.full(batch, game.roles.index(role))
        for cell in (0, 3):
            worth = np.full(sent.shape, game.nodes(role).mean(axis=1)[cell])
            paid = counterfactual(rule, environment, sent, worth, seat, game.grids[role])
            apart = np.abs(game.payoffs(role, mixes)[cell] - paid.mean(axis=0))
            assert (apart <= 5 * paid.std(axis=0) / batch**0.5 + 1e-12).all()
    assert game.by_highest


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_quantal_response_of_the_risk_averse_is_the_logit_equilibrium(rho):
    """Four bidders, against the fixed point of `first_price_logit`, whose 100 values are the middles of the cells."""
    environment = PrivateValues(4, Uniform(), risk=Crra(rho=rho))
    mixes = QuantalResponse(precision=20.0).think(environment, FirstPrice(), 21, 100)[0]
    unit = float(np.ptp(environment.risk.u(np.array([-1.0, 1.0]))))
    found = first_price_logit(Uniform(), 4, np.linspace(0, 1, 21), 20.0 / unit, environment.risk.u)
    np.testing.assert_allclose(winning(mixes.mean(axis=0), 4), found, atol=1e-3)  # mixes settle to 1e-4


def test_level_one_answers_even_bids():
    """A rival's bid is even on [0, 1]: (v − b) b is best at v/2, and at level 2 just above half."""
    environment = PrivateValues(2, Uniform())
    one = bids(LevelK(level=1, bids=41, cells=20), environment, FirstPrice())
    np.testing.assert_allclose(one, VALUES / 2, atol=0.05)  # two steps
    zero = bids(LevelK(level=0, bids=41, cells=20), environment, FirstPrice(), np.full(4000, 0.5))
    assert zero.mean() == pytest.approx(0.5, abs=0.03)
    truthful = bids(LevelK(level=0, anchor="truthful", bids=41, cells=20), environment, FirstPrice())
    np.testing.assert_allclose(truthful, VALUES, atol=0.04)


def test_quantal_response_is_a_logit_response_to_itself(sit):
    environment, rule = PrivateValues(2, Uniform()), FirstPrice()
    strategy = QuantalResponse(precision=40.0, bids=11, cells=6)
    mixes = strategy.think(environment, rule, 11, 6)
    game = Rivalry(environment, rule, 11, 6)
    scores = 40.0 / 2 * game.payoffs(0, mixes)  # the range of utility is 2
    response = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(mixes[0], response / response.sum(axis=1, keepdims=True), atol=1e-3)
    np.testing.assert_allclose(mixes[0].sum(axis=1), 1, atol=1e-12)


def test_quantal_response_goes_from_even_bids_to_equilibrium():
    environment = PrivateValues(2, Uniform())
    blind = QuantalResponse(precision=0.0, bids=11, cells=10)
    np.testing.assert_allclose(blind.think(environment, FirstPrice(), 11, 10)[0], 1 / 11, atol=1e-12)
    sharp = bids(QuantalResponse(precision=2000.0, bids=41, cells=20), environment, FirstPrice(), np.full(500, 0.8))
    assert sharp.mean() == pytest.approx(0.4, abs=0.04)


def test_quantal_response_overbids_where_losses_are_small():
    """Goeree, Holt and Palfrey (2002): with noise mean bids lie above the risk-neutral equilibrium."""
    mild = bids(
        QuantalResponse(precision=30.0, bids=21, cells=10),
        PrivateValues(2, Uniform()),
        FirstPrice(),
        np.full(4000, 0.25),
    )
    assert mild.mean() > 0.125 + 0.02


@pytest.mark.parametrize("cls", [LevelK, QuantalResponse])
def test_thinkers_know_different_priors(cls):
    environment = PrivateValues(priors=(Uniform(), Uniform(high=2.0)))
    seat = Seat(1, 50, 10, environment, FirstPrice(), role=1)
    strategy = cls(bids=21, cells=8)
    strategy.start(seat)
    sent = strategy.act(np.full(50, 1.9), Source(4, 50).stream(0, "act"))
    assert 0.3 < sent.mean() < 1.5


def test_thinkers_need_independent_private_values(sit, monkeypatch):
    seat = sit()
    monkeypatch.setattr(type(seat.environment), "priors", property(lambda self: (None, None)))
    with pytest.raises(ConfigError, match="independent private values"):
        Rivalry(seat.environment, seat.mechanism, 5, 3)


@dataclass(frozen=True)
class Wallets(Environment):
    """Two bidders each see one of two independent uniform signals; the item is worth their mean to both."""

    @property
    def n(self):
        return 2

    @property
    def signal(self):
        return Box(0.0, 1.0)

    def sample(self, rng, batch):
        signals = rng.random((batch, 2))
        return Draw(signals, self.values(signals))

    def values(self, signals):
        return np.repeat(signals.mean(axis=1, keepdims=True), 2, axis=1)


@dataclass(frozen=True)
class CommonSecondPrice(SecondPrice):
    def equilibrium(self, environment):
        if isinstance(environment, Wallets):
            return (lambda signals: signals,) * 2  # v(x, x) = x: Milgrom and Weber (1982)
        return super().equilibrium(environment)


@pytest.mark.parametrize("cursedness", [0.0, 0.5, 1.0])
def test_cursed_bids_mix_the_equilibrium_with_the_mean_value(cursedness):
    """E[value | own signal x] = x/2 + 1/4, so the bid is (1 − χ) x + χ (x/2 + 1/4): Eyster and Rabin (2005)."""
    found = bids(Cursed(cursedness=cursedness), Wallets(), CommonSecondPrice())
    np.testing.assert_allclose(found, (1 - cursedness) * VALUES + cursedness * (VALUES / 2 + 0.25), atol=0.01)


def test_with_private_values_nobody_is_cursed():
    environment = PrivateValues(3, Power(exponent=2.0))
    expected = AllPay().equilibrium(environment)[0](VALUES)
    np.testing.assert_array_equal(bids(Cursed(cursedness=1.0), environment, AllPay()), expected)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_risk_averse_bids_match_the_closed_form_for_uniform_values(n, rho):
    """v (n − 1)/(n − rho): Cox, Smith and Walker (1988), their slope (N − 1)/(N − 1 + r) with r = 1 − rho."""
    found = bids(RiskAverse(rho=rho), PrivateValues(n, Uniform()), FirstPrice())
    np.testing.assert_allclose(found, VALUES * (n - 1) / (n - rho), rtol=1e-9)


def test_noise_of_the_risk_averse_is_normal_and_cut_off_at_legal_bids():
    """Against scipy's truncated normal; 20,000 bids, standard errors: mean sd/√20,000, sd about sd/√40,000."""
    for value, top in ((0.9, 2.0), (0.1, 2.0)):
        found = bids(
            RiskAverse(rho=0.5, noise=0.1), PrivateValues(2, Uniform(high=top)), FirstPrice(), np.full(20_000, value)
        )
        middle, spread = value * 1 / 1.5, 0.1 * top
        expected = truncnorm((0 - middle) / spread, (top - middle) / spread, middle, spread)
        assert abs(found.mean() - expected.mean()) < 4.5 * expected.std() / 20_000**0.5
        assert abs(found.std() - expected.std()) < 4.5 * expected.std() / 40_000**0.5
        assert found.min() >= 0


def test_the_risk_averse_stay_out_below_the_reserve():
    found = bids(RiskAverse(noise=0.1), PrivateValues(2, Uniform()), FirstPrice(reserve=0.5), np.array([0.2, 0.8]))
    assert found[0] == -np.inf
    assert found[1] >= 0.5
