"""Fits find the parameters that bids were made with, count subjects and not bids, and refuse what makes no sense."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, truncnorm

import auctionlab
from auctionlab.agents.behavioural import QuantalResponse
from auctionlab.core import Seat
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError
from auctionlab.experiments import fit_report, observed
from auctionlab.experiments.bid_models import (
    Logit,
    LogitRiskAverse,
    RiskAverse,
    RiskAverseBySubject,
    RiskNeutral,
    Sample,
)
from auctionlab.experiments.export import export_bids
from auctionlab.experiments.fitting import fit
from auctionlab.experiments.likelihood import intervals, maximise
from auctionlab.experiments.observed import Auction, Observed
from auctionlab.platform.store import Store
from auctionlab.rng import Source

SUBJECTS, ROUNDS, NOISE = 20, 20, 0.4
WHO = [str(k) for k in np.repeat(np.arange(SUBJECTS), ROUNDS)]
PAIR = (RiskNeutral, RiskAverse)
SHIPPED = files("auctionlab.experiments") / "data" / "cox-smith-walker-synthetic.csv"


def auction(**changes):
    environment = {"kind": "private-values", "bidders": 4, "prior": {"kind": "uniform", "low": 0.0, "high": 10.0}}
    return Auction.of({"environment": environment, "mechanism": {"kind": "first-price"}} | changes)


def risk_averse(rho, seed, noise=NOISE):
    """Bids by the closed form 3v/(4 − rho) (Cox, Smith and Walker 1988), with scipy's truncated normal noise."""
    random = np.random.default_rng(seed)
    values = random.uniform(0, 10, SUBJECTS * ROUNDS)
    means = 3 * values / (4 - rho)
    bids = truncnorm.rvs(-means / noise, (10 - means) / noise, means, noise, random_state=random)
    return Observed.of(values, bids, WHO, "made up")


def fitted(model, data, game):
    sample = Sample(data, game, 101)
    theta = maximise(model, sample, [np.array(start) for start in model.starts(sample)])
    return {found.name: found for found in intervals(model, sample, theta)}


def errors_off(found, truth, log):
    """How many of its standard errors an estimate is off; 2.093 is the t quantile for 20 subjects."""
    scale = np.log if log else float
    error = (scale(found.high) - scale(found.low)) / (2 * 2.093)
    return abs(scale(found.value) - scale(truth)) / error


@pytest.fixture(scope="module")
def shipped():
    """The fit of the shipped data."""
    data, stem = observed.read("cox-smith-walker")
    return fit(data, Auction.of(stem))


@pytest.mark.parametrize("rho", [0.3, 0.7])
def test_risk_aversion_and_noise_are_found_again(rho):
    found = fitted(RiskAverse(), risk_averse(rho, 1), auction())
    assert errors_off(found["rho"], rho, False) < 4.5
    assert errors_off(found["noise"], NOISE, True) < 4.5
    assert found["rho"].high - found["rho"].low < 0.2  # and it is known well enough to mean something


def test_the_precision_of_bots_that_play_quantal_response_is_found_again():
    """The bots compute their equilibrium another way, by sampled rivals and cells of values."""
    game, size = auction(), SUBJECTS * ROUNDS
    bot = QuantalResponse(bids=101, cells=100, precision=80.0)
    bot.start(Seat(0, size, 1, game.environment, game.mechanism))
    values = np.random.default_rng(2).uniform(0, 10, size)
    data = Observed.of(values, bot.act(values, Source(3, size).stream(0, "act")), WHO, "bots")
    found = fitted(Logit(), data, game)["precision"]
    assert errors_off(found, 80.0, True) < 4.5
    assert found.high / found.low < 1.6


def test_precision_and_risk_aversion_are_found_again_together():
    """Bids drawn from the logit equilibrium that tests/reference/test_logit.py checks, on a grid of its own."""
    from auctionlab.theory.logit import first_price_logit, logit_log_chances

    game, random = auction(), np.random.default_rng(4)
    values, grid, u = random.uniform(0, 10, SUBJECTS * ROUNDS), np.linspace(0, 10, 101), Crra(rho=0.5).u
    weight = 100.0 / float(2 * u(np.array(10.0)))
    win = first_price_logit(game.prior, 4, grid, weight, u)
    running = np.exp(logit_log_chances(win, values, grid, weight, u)).cumsum(axis=1)
    bids = grid[(running < random.random((len(values), 1))).sum(axis=1)]
    found = fitted(LogitRiskAverse(), Observed.of(values, bids, WHO, "drawn"), game)
    assert errors_off(found["precision"], 100.0, True) < 4.5
    assert errors_off(found["rho"], 0.5, False) < 4.5


def test_each_subject_of_the_shipped_data_is_found_with_its_own_risk_aversion(shipped):
    """Standard error of rho: noise/√Σv² × (n − 1)/slope², about 0.4/√(20 × 33) × 3/0.86² = 0.063."""
    table = pd.read_csv(str(SHIPPED))
    truth = table.groupby("agent_id")["strategy"].first().str.removeprefix("rho ").astype(float)
    names = [int(name.removeprefix("0/")) for name in shipped.observed.names]
    own = np.array(shipped.model("risk-averse-by-subject").own)
    off = own - truth.loc[names].to_numpy()
    assert np.abs(off).max() < 4 * 0.063
    assert abs(off.mean()) < 4 * 0.063 / 32**0.5 + 0.01  # rho is cut off at 0, which pulls the mean up a little
    spread = shipped.model("risk-averse-by-subject").estimate("noise")
    assert spread.value == pytest.approx(0.4 * (19 / 20) ** 0.5, rel=4.5 / (2 * 640) ** 0.5)  # one rho each of 20 bids


def test_own_risk_aversion_is_that_of_a_line_through_the_origin():
    """A second method: slope s = Σvb/Σv² and rho = n − (n − 1)/s; noise is too small here to be cut off much."""
    data = risk_averse(np.repeat(np.linspace(0.2, 0.8, SUBJECTS), ROUNDS), 5, noise=0.1)
    own = RiskAverseBySubject().own(Sample(data, auction(), 401), np.array([0.1]))
    values, bids = data.values.reshape(SUBJECTS, -1), data.bids.reshape(SUBJECTS, -1)
    slopes = (values * bids).sum(axis=1) / (values**2).sum(axis=1)
    np.testing.assert_allclose(own, 4 - 3 / slopes, atol=0.01)


def test_equilibrium_bids_by_risk_aversion_follow_the_closed_form():
    """v (n − 1)/(n − rho), also between the rhos at which equilibria are computed: 6 digits of a cubic."""
    data = risk_averse(0.5, 6)
    sample = Sample(data, auction(), 101)
    for rho in (0.0, 0.1234, 0.5, 0.987):
        np.testing.assert_allclose(sample.equilibrium(rho), 3 * data.values / (4 - rho), rtol=1e-6)


MODELS = [
    (RiskNeutral(), [0.5]),
    (RiskAverse(), [0.6, 0.3]),
    (RiskAverseBySubject(), [0.5]),
    (Logit(), [40.0]),
    (LogitRiskAverse(), [40.0, 0.5]),
]


@pytest.mark.parametrize(("model", "theta"), MODELS, ids=lambda part: getattr(part, "kind", ""))
def test_chances_of_all_bids_of_the_grid_sum_to_one(model, theta):
    grid = np.linspace(0, 10, 101)
    data = Observed.of(np.full(101, 6.5), grid, ["a"] * 101, "grid")
    chances = model.log_chances(Sample(data, auction(), 101), np.array(theta))
    assert np.exp(chances).sum() == pytest.approx(1, abs=1e-12)


def test_noise_is_normal_within_a_step_and_finite_far_out():
    data = Observed.of(np.full(10, 4.0), [3.0, 3.1, 3.5, 9.9, 0.0, 3, 3, 3, 3, 3], ["a"] * 10, "some")
    found = RiskNeutral().log_chances(Sample(data, auction(), 101), np.array([0.5]))
    for bid, chance in zip(data.bids[:3], found, strict=False):
        expected = norm.cdf(bid + 0.05, 3.0, 0.5) - norm.cdf(bid - 0.05, 3.0, 0.5)
        assert np.exp(chance) == pytest.approx(expected, rel=1e-6)  # 10⁻⁹ is cut off below the grid
    assert np.isfinite(RiskNeutral().log_chances(Sample(data, auction(), 101), np.array([0.02]))).all()


def test_intervals_count_subjects_and_not_bids():
    """Every bid written down twice tells nothing new: the same estimate and the same interval."""
    once = risk_averse(0.5, 7)
    twice = Observed.of(np.tile(once.values, 2), np.tile(once.bids, 2), WHO * 2, "twice")
    first, second = (fitted(RiskAverse(), data, auction())["rho"] for data in (once, twice))
    assert (second.low, second.high) == pytest.approx((first.low, first.high), abs=1e-4)


def test_an_estimate_at_the_end_of_its_range_says_so_and_lies_in_its_interval():
    """Bids of the whole value are beyond any rho below 1, bids of half of it below those of the risk-neutral, 3/4."""
    values = np.tile(np.linspace(1, 10, ROUNDS), SUBJECTS)
    truthful = fitted(RiskAverse(), Observed.of(values, values, WHO, "truth"), auction())["rho"]
    shaded = fitted(RiskAverse(), Observed.of(values, values / 2, WHO, "low"), auction())["rho"]
    assert (truthful.value, truthful.at_end) == (pytest.approx(0.99), True)
    assert (shaded.value, shaded.at_end) == (pytest.approx(0.0, abs=1e-4), True)
    for found in (truthful, shaded):
        assert 0 <= found.low <= found.value <= found.high <= 0.99


def test_risk_neutral_bids_are_not_called_risk_averse():
    found = fit(risk_averse(0.0, 8), auction(), models=(RiskNeutral, RiskAverse, RiskAverseBySubject))
    assert found.model("risk-neutral").verdict in ("best", "undecided")
    assert found.model("risk-averse").estimate("rho").low == 0.0
    assert found.model("risk-averse").estimate("rho").value < 0.15


def test_the_shipped_data_say_that_subjects_differ_in_risk_aversion(shipped):
    assert shipped.best.kind == "risk-averse-by-subject"
    assert {model.verdict for model in shipped.models if model is not shipped.best} == {"worse"}
    rho = shipped.model("risk-averse").estimate("rho")
    assert rho.low < np.mean([0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9]) < rho.high
    for model in shipped.models:
        assert model.aic == pytest.approx(2 * model.parameters - 2 * model.log_likelihood)
        assert model.bic == pytest.approx(np.log(640) * model.parameters - 2 * model.log_likelihood)
    assert "Worse: risk-neutral; risk-averse; logit; logit and risk-averse." in fit_report.verdict(shipped)


def test_bids_are_described_as_cox_smith_and_walker_do():
    """Two subjects by hand, values 2, 4, 6, 8, 10: one bids its value, the other half of it; equilibrium is 3/4."""
    values = [2.0, 4.0, 6.0, 8.0, 10.0] * 2
    bids = [*values[:5], *(value / 2 for value in values[5:])]
    found = fit(Observed.of(values, bids, ["a"] * 5 + ["b"] * 5, "by hand"), auction(), models=PAIR).described
    assert found.above.mean == pytest.approx(0.5)
    assert found.overbid.mean == pytest.approx(0.0, abs=1e-9)
    assert found.relative.mean == pytest.approx(0.0, abs=1e-9)
    assert found.bidders_above.mean == 0.5
    assert (found.slope.mean, found.intercept.mean) == pytest.approx((0.75, 0.0), abs=1e-9)
    assert found.slope.sd == pytest.approx(0.5 / 2**0.5)
    assert found.slope_neutral == pytest.approx(0.75)
    assert found.spread_low == pytest.approx(0.0, abs=1e-9)


def test_without_subjects_every_bid_is_its_own_and_nobody_has_a_rho():
    data = risk_averse(0.5, 9)
    found = fit(Observed.of(data.values, data.bids, None, "alone"), auction(), models=(*PAIR, RiskAverseBySubject))
    assert "risk-averse-by-subject" not in [model.kind for model in found.models]
    assert "a subject of its own" in found.notes[0]
    assert "subjects unknown" in fit_report.headline(found)


def test_the_shipped_file_is_what_its_experiment_plays(tmp_path):
    """Bids go through normal quantiles, whose last digit may differ between versions of scipy."""
    url = f"sqlite:///{tmp_path}/lab.db"
    result = auctionlab.run("cox-smith-walker-synthetic", database=url)
    with Store(url, create=False) as store:
        export_bids(store, result.run, tmp_path / "again.csv")
    again, kept = pd.read_csv(tmp_path / "again.csv"), pd.read_csv(str(SHIPPED))
    pd.testing.assert_frame_equal(again, kept, rtol=1e-9, atol=1e-9)
    data, game = observed.gather(None, recorded="last", database=url)  # and the run itself gives the same bids
    np.testing.assert_allclose(data.bids, kept["message"], rtol=1e-9)
    assert game.environment.n == 4


GOOD = "subject,value,bid\n" + "".join(f"{k % 3},{k % 10},{k % 10 / 2}\n" for k in range(12))


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        ("", {}, "is empty"),
        (GOOD.replace("bid\n", "bd\n"), {}, "no column 'bid' (--bid). Did you mean 'bd'?"),
        (GOOD, {"value": "valu"}, "no column 'valu' (--value). Did you mean 'value'?"),
        (GOOD, {"subject": "subject,round"}, "no column 'round' (--subject). Allowed: subject, value, bid"),
        (GOOD.replace("1,4,2.0", "1,4,two"), {}, "column 'bid', line 6: should be a finite number, got 'two'"),
        (GOOD.replace("1,4,2.0", "1,,2.0"), {}, "column 'value', line 6: should be a finite number, got ''"),
        (GOOD.replace("1,4,2.0", "1,4,12"), {}, "line 6: the bid should lie in [0, 10], where this auction's bids do"),
        (GOOD.replace("1,4,2.0", "1,40,2"), {}, "line 6: the value should lie in [0, 10]"),
        (GOOD[:60], {}, "at least 10 bids are needed for a fit, got"),
        (GOOD, {"high": None}, "say in which auction the bids were made: --bidders 4 --high 10"),
        (GOOD, {"config": "first-price"}, "--bidders: not together with --config, which says it"),
        (GOOD, {"bidders": None, "high": None, "config": "second-price"}, "first-price auctions, got 'second-price'"),
        (GOOD, {"sets": ["mechanism.entry_fee=0.1"]}, "no entry fee"),
        (GOOD, {"sets": ["environment.prior={kind='discrete', values=[1.0, 2.0]}"]}, "single values that have weight"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(text, asked, told, tmp_path):
    file = tmp_path / "bids.csv"
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        fit(*observed.gather(str(file), **{"bidders": 3, "high": 10.0} | asked))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_rows_without_a_bid_are_left_out_and_columns_may_be_named(tmp_path):
    file = tmp_path / "bids.csv"
    file.write_text("session,seat,v,b\n" + "".join(f"1,{k % 3},{k % 10},{k % 5}\n" for k in range(12)) + "1,0,3,\n")
    data, _ = observed.read(str(file), "v", "b", "session,seat")
    assert (len(data.bids), data.left_out) == (12, 1)
    assert data.names == ("1/0", "1/1", "1/2")
    with pytest.raises(ConfigError, match="Did you mean 'cox-smith-walker'"):
        observed.read("cox-smith-waker")
