"""Every gallery experiment runs, is recorded in full and is judged (cut to a few hundred rounds)."""

from dataclasses import replace

import pytest

import auctionlab
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sources import gallery
from auctionlab.experiments.sweep import is_sweep, load_sweep

NAMES = sorted(gallery())
SWEEPS = [name for name in NAMES if is_sweep(name)]


def test_there_are_at_least_ten_and_each_says_what_to_expect():
    assert len(NAMES) >= 10
    for name in NAMES:
        config = load_sweep(name).points[0].config if name in SWEEPS else load_config(name)
        assert config.name == name
        assert len(config.description.split()) > 20


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SWEEPS])
def test_gallery_experiment_is_played_recorded_and_judged(name, tmp_path):
    every = {"record.bids": "all", "rounds": 200, "replications": 4}
    result = auctionlab.run(name, every, database=f"sqlite:///{tmp_path / 'lab.db'}")
    config = load_config(name)
    assert len(result.bids()) == 200 * 4 * config.market.groups * config.environment.n
    judged(config, result)
    revenue, auctions = result.analysis().estimate("revenue"), result.auctions(rounds=result.analysis().window)
    assert revenue.mean == pytest.approx(auctions["revenue"].mean())


@pytest.mark.parametrize("name", SWEEPS)
def test_the_ends_of_a_gallery_sweep_are_played_and_judged(name, tmp_path):
    whole = load_sweep(name, rounds=200, replications=4)
    ends = replace(whole, points=(whole.points[0], whole.points[-1]))
    result = auctionlab.run_sweep(ends, database=f"sqlite:///{tmp_path / 'lab.db'}")
    assert result.failures == ()
    for point, run in zip(ends.points, result.runs, strict=True):
        judged(point.config, run)


def judged(config, result):
    assert result.run.status == "finished"
    analysis = result.analysis()
    assert analysis.headline
    strategies = {block.strategy["kind"] for block in config.agents}
    if strategies <= {"equilibrium", "truthful"}:  # nothing to learn: play is the theory, up to sampling error
        revenue, samples = analysis.estimate("revenue"), analysis.samples
        values = samples[(samples["name"] == "revenue") & samples["strategy"].isna()]["value"]
        assert len(values) == 4
        auctions = result.auctions(rounds=analysis.window)["revenue"]
        played = 4 * config.market.groups * (analysis.window[1] - analysis.window[0])
        assert abs(revenue.mean - analysis.equilibrium.revenue) < 4.5 * (auctions.var() / played) ** 0.5
