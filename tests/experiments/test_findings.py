"""Findings of a paper judged from metric tables made by hand, and one sentence for every mistake in [paper]."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

import auctionlab
from auctionlab.errors import ConfigError
from auctionlab.experiments.config import load_config
from auctionlab.experiments.findings import Played, compare, of_analysis, reader
from auctionlab.experiments.paper_pictures import paper_pictures
from auctionlab.experiments.sweep import load_sweep
from auctionlab.experiments.tables import json_text

GAME: dict[str, Any] = {
    "rounds": 20,
    "replications": 3,
    "environment": {"kind": "private-values", "bidders": 2, "prior": "uniform"},
    "mechanism": {"kind": "first-price"},
    "agents": [{"strategy": "truthful", "seats": [0], "name": "honest"}, {"strategy": "shading", "name": "shy"}],
}
POINTS = [{"label": "first"}, {"label": "second", "mechanism.kind": "second-price"}]


def game(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = [{"text": "It is so.", **finding} for finding in findings]
    return {**copy.deepcopy(GAME), "paper": {"citation": "Somebody (2020)", "findings": told}, **more}


def samples(**values: Any) -> pd.DataFrame:
    """Metrics of the whole market, or of a strategy in role 0 where the name is metric__strategy."""
    frames = []
    for key, each in values.items():
        name, _, strategy = key.partition("__")
        place = {"name": name, "strategy": strategy or None, "role": 0 if strategy else None}
        frames.append(pd.DataFrame({**place, "replication": range(len(each)), "value": np.asarray(each, float)}))
    return pd.concat(frames, ignore_index=True)


def judged(finding: dict[str, Any], *tables: pd.DataFrame, **more: Any) -> Any:
    """The finding judged on one run, or on points "first" and "second"."""
    source = game(finding, **more)
    configs = (
        [load_config(source)]
        if len(tables) == 1
        else [point.config for point in load_sweep({**source, "sweep": {"points": POINTS}}).points]
    )
    played = [Played(config, reader(table)) for config, table in zip(configs, tables, strict=True)]
    found = compare(configs[0].paper, played)
    assert found is not None
    return found.findings[0]


NEAR = np.array([0.49, 0.50, 0.51, 0.50, 0.495, 0.505, 0.5, 0.5])  # mean 0.5; 95 % interval 0.5 ± 0.005


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ({"equals": 0.51, "margin": 0.05}, "agrees"),  # all within 0.46 to 0.56
        ({"equals": 0.6, "margin": 0.05}, "differs"),  # all below 0.55
        ({"equals": 0.55, "margin": 0.05}, "undecided"),  # the margin's edge is at the mean
        ({"above": 0.45}, "agrees"),
        ({"above": 0.55}, "differs"),
        ({"above": 0.499}, "undecided"),
        ({"below": 0.55}, "agrees"),
        ({"below": 0.45}, "differs"),
        ({"below": 0.501}, "undecided"),
    ],
)
def test_a_finding_agrees_differs_or_stays_undecided(claim: dict[str, float], verdict: str) -> None:
    found = judged({"metric": "revenue", **claim}, samples(revenue=NEAR))
    assert found.verdict == verdict
    assert (found.mean, found.n) == (pytest.approx(0.5), 8)


FOUR = [0.9, 1.1, 1.0, 1.0]  # mean 1, standard error √(0.02 / 3) / 2 = 0.040825
# Student's t with 3 degrees of freedom, any table: 2.35336 at 95 % and 3.18245 at 97.5 %, so that the 90 % interval
# of TOST is 1 ± 0.09608 and the 95 % interval 1 ± 0.12992.


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ({"equals": 1.0, "margin": 0.0962}, "agrees"),  # the 90 % interval just inside
        ({"equals": 1.0, "margin": 0.0960}, "undecided"),
        ({"equals": 1.02, "margin": 0.1162}, "agrees"),
        ({"equals": 1.02, "margin": 0.1160}, "undecided"),
        ({"equals": 1.2, "margin": 0.0700}, "differs"),  # the 95 % interval just outside 1.13 to 1.27
        ({"equals": 1.2, "margin": 0.0702}, "undecided"),
        ({"above": 0.8700}, "agrees"),
        ({"above": 0.8702}, "undecided"),
        ({"above": 1.1298}, "undecided"),
        ({"above": 1.1300}, "differs"),
        ({"below": 1.1300}, "agrees"),
        ({"below": 1.1298}, "undecided"),
        ({"below": 0.8702}, "undecided"),
        ({"below": 0.8700}, "differs"),
    ],
)
def test_verdicts_turn_where_the_interval_computed_by_hand_ends(claim: dict[str, float], verdict: str) -> None:
    assert judged({"metric": "revenue", **claim}, samples(revenue=FOUR)).verdict == verdict


def test_a_run_without_the_metric_of_a_finding_says_that_it_was_not_played() -> None:
    claims = ({"metric": "revenue", "above": 0.0}, {"metric": "grid_exploitability", "below": 0.6})
    config = load_config(game(*claims))
    found = compare(config.paper, [Played(config, reader(samples(revenue=NEAR)))], whole=False)
    assert found is not None
    assert [one.verdict for one in found.findings] == ["agrees", "not played"]


def test_gains_are_named_in_words_that_need_no_manual() -> None:
    found = judged({"metric": "grid_exploitability", "below": 0.6}, samples(grid_exploitability=NEAR))
    assert found.metric == "best-reply gain on the own grid"
    assert found.quantity.startswith("best-reply gain on the own grid")


def test_a_difference_of_paired_points_is_judged_by_the_differences() -> None:
    first, second = samples(revenue=[1.0, 2.0, 3.0, 4.0]), samples(revenue=[0.4, 1.6, 2.4, 3.6])
    claim = {"metric": "revenue", "at": "first", "minus": {"at": "second"}, "equals": 0.5, "margin": 0.2}
    found = judged(claim, first, second)  # 0.6, 0.4, 0.6, 0.4: mean 0.5, standard error √(0.04 / 3) / 2 = 0.057735
    assert (found.mean, found.high - found.mean) == (pytest.approx(0.5), pytest.approx(3.18245 * 0.057735, rel=1e-5))
    assert found.verdict == "agrees"  # 90 %: ± 2.35336 × 0.057735 = 0.1359
    assert judged({**claim, "margin": 0.13}, first, second).verdict == "undecided"
    assert judged({**claim, "equals": 0.9}, first, second).verdict == "differs"  # 95 %: at most 0.684, below 0.7


def test_the_interval_is_students_t_over_replications() -> None:
    found = judged({"metric": "revenue", "above": 0.0}, samples(revenue=NEAR))
    half = 2.364624 * NEAR.std(ddof=1) / np.sqrt(8)  # t(7), 97.5 %: any table
    assert found.high - found.mean == pytest.approx(half, rel=1e-6)


def test_one_replication_decides_nothing() -> None:
    assert judged({"metric": "revenue", "above": 0.0}, samples(revenue=[0.5])).verdict == "undecided"


def test_an_undecided_finding_says_how_many_replications_would_decide() -> None:
    found = judged({"metric": "revenue", "above": 0.499}, samples(revenue=NEAR))
    assert found.needed > 8


def test_replications_that_all_agree_decide_without_spread() -> None:
    table = samples(revenue=[3.0, 3.0, 3.0])
    assert judged({"metric": "revenue", "above": 2.9}, table).verdict == "agrees"
    assert judged({"metric": "revenue", "equals": 3.0, "margin": 0.1}, table).verdict == "agrees"
    assert judged({"metric": "revenue", "below": 2.9}, table).verdict == "differs"


@pytest.mark.parametrize("claim", [{"above": 0.1}, {"below": 0.1}])
def test_where_every_replication_is_at_the_bound_none_is_beyond_it(claim: dict[str, float]) -> None:
    table = samples(revenue=[0.1 + 1e-17, 0.1, 0.1])
    assert judged({"metric": "revenue", **claim}, table).verdict == "differs"


def test_figures_show_each_finding_of_a_metric_beside_where_its_claim_holds() -> None:
    claims = [{"above": 0.45}, {"below": 0.45}, {"equals": 0.5, "margin": 0.1}]
    source = game(*({"metric": "revenue", **claim} for claim in claims), {"metric": "efficiency", "above": 0.9})
    config = load_config(source)
    table = samples(revenue=NEAR, efficiency=[1.0] * 8)
    (picture,) = paper_pictures(compare(config.paper, [Played(config, reader(table))]))  # one finding is no figure
    assert (picture.name, picture.title) == ("paper-revenue", "Paper and run: revenue")
    assert list(picture.data["verdict"]) == ["agrees", "differs", "agrees"]
    assert list(picture.data["holds_from"]) == [0.45, -np.inf, pytest.approx(0.4)]
    assert list(picture.data["holds_to"]) == [np.inf, 0.45, pytest.approx(0.6)]
    (axes,) = picture.figure.axes
    grey = {round(bar.get_y()): (bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches}
    left, right = axes.get_xlim()
    assert left <= 0.4
    assert right >= 0.6
    ends = [(0.45, right), (left, 0.45), (0.4, 0.6)]
    assert [grey[row] for row in (2, 1, 0)] == [pytest.approx(end) for end in ends]
    assert [label.get_text()[0] for label in axes.get_yticklabels()] == ["✓", "✗", "✓"]  # from below
    assert paper_pictures(None) == []


def test_a_quantity_may_be_one_strategys_or_a_difference_between_strategies() -> None:
    table = samples(utility__honest=NEAR, utility__shy=NEAR + 0.2)
    assert judged({"metric": "utility", "strategy": "shy", "above": 0.6}, table).verdict == "agrees"
    gap = judged(
        {"metric": "utility", "strategy": "shy", "minus": {"strategy": "honest"}, "equals": 0.2, "margin": 0.01}, table
    )
    assert (gap.verdict, gap.mean) == ("agrees", pytest.approx(0.2))


def test_points_with_one_seed_are_paired_and_others_are_not() -> None:
    noise = np.array([-1.0, 1.0, -2.0, 2.0, 0.5, -0.5])
    first, second = samples(revenue=10 + noise), samples(revenue=9.9 + noise + 0.01 * noise[::-1])
    claim = {"metric": "revenue", "at": "first", "minus": {"at": "second"}, "above": 0.05}
    assert judged(claim, first, second).verdict == "agrees"
    source = {**game(claim), "sweep": {"points": [{"label": "first"}, {"label": "second", "seed": 5}]}}
    configs = [point.config for point in load_sweep(source).points]
    played = [Played(config, reader(table)) for config, table in zip(configs, (first, second), strict=True)]
    assert compare(configs[0].paper, played).findings[0].verdict == "undecided"  # type: ignore[union-attr]


def test_what_was_not_played_or_not_measured_is_said_to_be_so() -> None:
    claim = {"metric": "revenue", "at": "second", "above": 0.0}
    source = {**game(claim), "sweep": {"points": POINTS}}
    points = [point.config for point in load_sweep(source).points]
    (only,) = compare(points[0].paper, [Played(points[0], reader(samples(revenue=NEAR)))]).findings  # type: ignore
    assert (only.verdict, only.n) == ("not played", 0)
    assert judged({"metric": "stake", "above": 0.0}, samples(revenue=NEAR)).verdict == "not played"


def test_a_run_shows_paper_and_run_in_text_json_and_page(tmp_path: Any) -> None:
    source = game({"metric": "revenue", "above": 0.1}, {"metric": "efficiency", "below": 0.2})
    result = auctionlab.run(source, database=f"sqlite:///{tmp_path / 'lab.db'}", rounds=200)
    text = result.summary()
    assert "Somebody (2020)" in text
    assert "1 of 2 findings of the paper agree with this run; 1 differs." in text
    told = result.analysis().to_json()["paper"]
    assert [finding["verdict"] for finding in told["findings"]] == ["agrees", "differs"]
    page = result.report(tmp_path / "page.html").read_text("utf-8")
    assert "What the paper found, and what this run found" in page
    bare = {key: value for key, value in source.items() if key != "paper"}
    plain = auctionlab.run(bare, database=result.database, rounds=200)
    assert plain.run_id == result.run_id, "what a paper says does not make it another experiment"


def test_a_sweep_shows_paper_and_sweep_in_text_json_and_page(tmp_path: Any) -> None:
    source = {
        **game(
            {"metric": "revenue", "at": "first", "above": 0.1},
            {"metric": "revenue", "at": "first", "minus": {"at": "second"}, "above": 0.05},
        ),
        "sweep": {"points": POINTS},
    }
    result = auctionlab.run_sweep(source, database=f"sqlite:///{tmp_path / 'lab.db'}", rounds=200)
    found = result.findings()
    assert found is not None
    assert [one.verdict for one in found.findings] == ["agrees", "agrees"]
    assert found.findings[1].quantity == "revenue at “first”; less at “second”"
    assert "2 of 2 findings of the paper agree with this run." in result.summary()
    assert len(result.to_json()["paper"]["findings"]) == 2
    assert "Somebody (2020)" in result.report(tmp_path / "page.html").read_text("utf-8")
    one = of_analysis(result.runs[0].analysis())
    assert one is not None
    assert len(one.findings) == 1, "a point shows what it can be held to alone"


def test_a_config_with_a_paper_is_built_again_from_its_document() -> None:
    config = load_config(game({"metric": "utility", "strategy": "shy", "minus": {"strategy": "honest"}, "above": 0.0}))
    assert load_config(config.document) == config
    assert json_text(config.document)


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (
            {"metric": "revnue", "above": 0.0},
            "paper.findings.0: metric: unknown metric 'revnue'. Did you mean 'revenue'?",
        ),
        ({"above": 0.0}, "paper.findings.0: missing key 'metric'"),
        ({"metric": "revenue"}, "give one of equals, above, below, got none"),
        ({"metric": "revenue", "above": 0.0, "below": 1.0}, "give one of equals, above, below, got above and below"),
        ({"metric": "revenue", "equals": 0.5}, "margin comes with equals, and only with it"),
        ({"metric": "revenue", "above": 0.5, "margin": 0.1}, "margin comes with equals, and only with it"),
        ({"metric": "revenue", "equals": 0.5, "margin": -1.0}, "margin: should be greater than 0, got -1.0"),
        ({"metric": "revenue", "abve": 0.5}, "paper.findings.0: unknown key 'abve'. Did you mean 'above'?"),
        (
            {"metric": "revenue", "above": 0.5, "minus": {"metric": "x"}},
            "paper.findings.0.minus: metric: unknown metric",
        ),
        ({"metric": "revenue", "above": 0.5, "minus": {}}, "minus should differ from what it is taken from"),
        ({"metric": "bid", "strategy": "shi", "above": 0.5}, "unknown strategy 'shi'. Did you mean 'shy'?"),
        ({"metric": "bid", "role": 3, "above": 0.5}, "role: nobody plays role 3 so, allowed: 0"),
        ({"metric": "bid", "role": 0, "above": 0.5}, "name both strategy and role"),
        ({"metric": "revenue", "at": {"mechanism.knd": "x"}, "above": 0.5}, "Did you mean 'mechanism.kind'?"),
    ],
)
def test_mistakes_in_a_finding_are_one_sentence(finding: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(game(finding))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("frist", "at: no point of the sweep has label = \"frist\". Did you mean 'first'?"),
        (
            {"mechanism.kind": "secnd-price"},
            "at: no point of the sweep has mechanism.kind = \"secnd-price\". Did you mean 'second-price'?",
        ),
        (
            {"mechanism.reserve": 0.0},
            "at: should name one point of the sweep; mechanism.reserve = 0.0 fits points 1, 2",
        ),
    ],
)
def test_a_finding_names_one_point_of_the_sweep(at: Any, said: str) -> None:
    source = {**game({"metric": "revenue", "at": at, "above": 0.0}), "sweep": {"points": POINTS}}
    with pytest.raises(ConfigError) as caught:
        load_sweep(source)
    assert said in str(caught.value)


def test_who_plays_other_points_than_the_paper_may() -> None:
    source = {**game({"metric": "revenue", "at": "second", "above": 0.0}), "sweep": {"points": POINTS}}
    assert len(load_sweep(source, ["sweep.points=[{label='first'}]"]).points) == 1


def test_a_finding_that_is_set_for_a_run_has_to_be_played_in_it() -> None:
    """Whether it is a part of the sweep that is played, or one experiment."""
    source = {**game({"metric": "revenue", "at": "second", "above": 0.0}), "sweep": {"points": POINTS}}
    first = "sweep.points=[{label='first'}, {label='third', seed=4}]"
    assert len(load_sweep(source, [first, "paper.findings.0.at='third'"]).points) == 2
    with pytest.raises(
        ConfigError, match=r"paper\.findings\.0: at: no point of the sweep has label = \"thrid\"\. Did "
    ):
        load_sweep(source, [first, "paper.findings.0.at='thrid'"])
    alone = game({"metric": "revenue", "above": 0.0})
    said = r"at: the experiment does not have mechanism\.kind = \"frist-price\"\. Did you mean 'first-price'\?"
    with pytest.raises(ConfigError, match=said):
        load_config(alone, iter(["paper.findings.0.at={'mechanism.kind'='frist-price'}"]))
    load_config(alone, ["paper.findings.0.at={'mechanism.kind'='first-price'}"])
