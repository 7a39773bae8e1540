"""Every gallery experiment runs, is recorded in full and is judged (cut to a few hundred rounds)."""

import pytest

import auctionlab
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sources import gallery

NAMES = sorted(gallery())


def test_there_are_at_least_ten_and_each_says_what_to_expect():
    assert len(NAMES) >= 10
    for name in NAMES:
        config = load_config(name)
        assert config.name == name
        assert len(config.description.split()) > 20


@pytest.mark.parametrize("name", NAMES)
def test_gallery_experiment_is_played_recorded_and_judged(name, tmp_path):
    result = auctionlab.run(name, database=f"sqlite:///{tmp_path / 'lab.db'}", rounds=200, replications=4)
    config, run = load_config(name), result.run
    assert run.status == "finished"
    assert len(result.bids()) == 200 * 4 * config.market.groups * config.environment.n
    analysis = result.analysis()
    assert analysis.headline
    revenue = analysis.estimate("revenue")
    auctions = result.auctions(rounds=analysis.window)
    assert revenue.mean == pytest.approx(auctions["revenue"].mean())
    strategies = {block.strategy["kind"] for block in config.agents}
    if strategies <= {"equilibrium", "truthful"}:  # nothing to learn: play is the theory, up to sampling error
        spread = auctions.groupby("replication")["revenue"].mean()
        error = (auctions["revenue"].var() / len(auctions)) ** 0.5
        assert len(spread) == 4
        assert abs(revenue.mean - analysis.equilibrium.revenue) < 4.5 * error
