"""What a [sweep] describes: full products, lists of points, and one sentence for every mistake in them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import auctionlab
from auctionlab.errors import ConfigError, UnknownName
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sweep import is_sweep, key_labels, load_sweep, point_label, value_label
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice

GAME: dict[str, Any] = {
    "rounds": 10,
    "environment": {"kind": "private-values", "bidders": 2, "prior": "uniform"},
    "mechanism": {"kind": "first-price"},
    "agents": [{"strategy": {"kind": "hedge", "bids": 5}}],
    "market": {"disclose": "all"},
}


def swept(sweep: Any, **more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(GAME), **more, "sweep": sweep}


def settings(sweep: Any, *overrides: str) -> list[dict[str, Any]]:
    return [point.settings for point in load_sweep(swept(sweep), overrides).points]


def refused(sweep: Any, *overrides: str, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_sweep(swept(sweep, **more), overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_product_has_every_combination_and_the_last_key_runs_fastest() -> None:
    sweep = load_sweep(swept({"mechanism.reserve": [0.0, 0.5], "agents.0.strategy.rate": [0.1, 1.0, 2.0]}))
    assert [tuple(point.settings.values()) for point in sweep.points] == [
        *((0.0, 0.1), (0.0, 1.0), (0.0, 2.0)),
        *((0.5, 0.1), (0.5, 1.0), (0.5, 2.0)),
    ]
    assert [point.number for point in sweep.points] == [1, 2, 3, 4, 5, 6]
    for point in sweep.points:
        assert point.config.mechanism.reserve == point.settings["mechanism.reserve"]
        assert point.config.agents[0].strategy["rate"] == point.settings["agents.0.strategy.rate"]
    assert len({point.config.fingerprint for point in sweep.points}) == 6


def test_a_point_that_sets_a_table_and_a_key_inside_it_has_both_in_either_order() -> None:
    inside, whole = ("mechanism.reserve", 0.25), ("mechanism", {"kind": "second-price"})
    for point in ({inside[0]: inside[1], whole[0]: whole[1]}, {whole[0]: whole[1], inside[0]: inside[1]}):
        (made,) = load_sweep(swept({"points": [point]})).points
        assert made.config.mechanism == SecondPrice(reserve=0.25)


def test_dotted_keys_need_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'environment = { kind = "private-values", bidders = 2, prior = "uniform" }\n'
        '[mechanism]\nkind = "first-price"\n[[agents]]\nstrategy = "truthful"\n'
        '[sweep]\nmechanism.reserve = [0.0, 0.5]\n"environment.bidders" = [2, 3]\n'
    )
    sweep = load_sweep(file)
    assert sweep.name == "mine"
    assert [point.settings for point in sweep.points][1] == {"mechanism.reserve": 0.0, "environment.bidders": 3}
    assert sweep.points[1].config.environment.n == 3


def test_a_list_of_points_changes_several_keys_together() -> None:
    points = [
        {"mechanism.reserve": 0.5, "environment.bidders": 3},
        {"mechanism": {"kind": "second-price"}, "rounds": 20},
        {"market": {"groups": 2}},
    ]
    made = load_sweep(swept({"points": points})).points
    assert made[0].config.environment.n == 3
    assert (made[1].config.mechanism, made[1].config.rounds) == (SecondPrice(), 20)
    assert (made[2].config.market.groups, made[2].config.market.disclose) == (2, "all")  # the rest of the table stays
    assert made[2].settings == {"market.groups": 2}


def test_whole_components_arrays_and_ranges_can_be_swept_from_python() -> None:
    sweep = load_sweep(
        swept({"mechanism": [FirstPrice(), SecondPrice()], "seed": range(2), "rounds": np.array([5, 6])})
    )
    assert len(sweep.points) == 8
    assert sweep.points[-1].settings["mechanism"]["kind"] == "second-price"  # plain data, ready for the database
    assert sweep.points[-1].config.rounds == 6


def test_overrides_hold_for_every_point_and_change_the_values_of_a_swept_key() -> None:
    sweep = load_sweep(swept({"mechanism.reserve": [0.0, 0.5]}), ["rounds=7"], replications=3)
    assert {(point.config.rounds, point.config.replications) for point in sweep.points} == {(7, 3)}
    assert settings({"mechanism.reserve": [0.0, 0.5]}, "sweep.mechanism.reserve=[0.1, 0.2, 0.3]") == [
        {"mechanism.reserve": reserve} for reserve in (0.1, 0.2, 0.3)
    ]


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        (
            {"mechanism.resreve": [0.0]},
            "point 1 (mechanism.resreve = 0.0): mechanism: unknown key 'resreve'. Did you mean",
        ),
        ({"mechansim.reserve": [0.0]}, "unknown key 'mechansim'. Did you mean 'mechanism'?"),
        (
            {"mechanism.kind": ["first-price", "fist-price"]},
            'point 2 (mechanism.kind = "fist-price"): mechanism: unknown',
        ),
        (
            {"mechanism.reserve": [0.0, 0.5, -1.0]},
            "point 3 (mechanism.reserve = -1.0): mechanism: reserve: should be greater",
        ),
        (
            {"mechanism.reserve": [0.0, "x"]},
            'point 2 (mechanism.reserve = "x"): mechanism: reserve: should be a valid number',
        ),
        (
            {"agents.1.strategy": ["truthful"]},
            "point 1 (agents.1.strategy = \"truthful\"): agents.1.strategy: no entry '1'",
        ),
        ({"environment.bidders.x": [1]}, "nothing can be set inside 2"),
        ({"market.disclose": ["all", "own"]}, 'point 2 (market.disclose = "own"): '),
        ({"mechanism.reserve": []}, "sweep: mechanism.reserve: the list is empty; it needs at least one value"),
        ({"mechanism.reserve": 0.5}, "sweep: mechanism.reserve: should be a list of values, got 0.5"),
        ({}, "sweep: should be a table such as"),
        ([], "sweep: should be a table such as"),
        (3, "sweep: should be a table such as"),
        ({"points": []}, "sweep.points: the list is empty; a sweep needs at least one point"),
        ({"points": [{"rounds": 2}, {}]}, "sweep.points: point 2 should be a table of settings, got {}"),
        ({"points": [3]}, "sweep.points: point 1 should be a table of settings, got 3"),
        ({"points": 3}, "sweep.points: should be a list of tables of settings, got 3"),
        ({"points": [{"rounds": 2}], "seed": [1]}, "give lists of values or `points`, not both; got 'seed' beside"),
        ({"rounds": [5, 6, 5]}, "sweep: points 1 and 3 (rounds 5) are the same experiment"),
        ({"name": ["a", "b"]}, "sweep: name: should be the same at every point, got 'b'"),
        (
            {"points": [{"rounds": 2}, {"rounds": 3, "record.database": "sqlite:///x.db"}]},
            "record.database: should be the same",
        ),
        ({"sweep.rounds": [1]}, "a sweep cannot vary [sweep] itself"),
        ({"seed": range(200), "rounds": range(1, 201)}, "40,000 points are more than one sweep may have, 10,000"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_point(sweep: Any, told: str) -> None:
    said = refused(sweep)
    assert said.startswith("config: ")
    assert told in said


@pytest.mark.parametrize("override", ["mechanism.reserve=0.3", "mechanism.reserve.x=0.3"])
def test_a_setting_that_every_point_overrides_is_refused(override: str) -> None:
    assert "the sweep sets it at its points; to change those, --set sweep.mechanism" in refused(
        {"mechanism.reserve": [0.0]}, override
    )
    points = {"points": [{"label": "one", "mechanism.reserve": 0.1}]}
    assert "to change those, --set sweep.points.0.mechanism.reserve" in refused(points, override)


def test_a_length_asked_for_is_that_of_all_points_but_in_a_sweep_over_lengths() -> None:
    points = {"points": [{"label": "long", "rounds": 500}, {"label": "other", "mechanism.reserve": 0.1}]}
    assert [point.config.rounds for point in load_sweep(swept(points), rounds=7).points] == [7, 7]
    assert [point.config.rounds for point in load_sweep(swept(points), ["rounds=8"]).points] == [8, 8]
    assert load_sweep(swept(points)).points[0].config.rounds == 500
    assert "the sweep sets it at its points" in refused({"rounds": [5, 6]}, "rounds=7")


def test_a_single_experiment_has_no_sweep_and_the_other_way_round() -> None:
    assert is_sweep(swept({"rounds": [1, 2]}))
    assert is_sweep("first-price", ["sweep.rounds=[1, 2]"])
    assert not is_sweep("first-price")
    assert not is_sweep(load_config("first-price"))
    for refuse in (load_config, auctionlab.run, auctionlab.solve):
        with pytest.raises(
            ConfigError, match=r"config: \[sweep\] describes several experiments; `auctionlab run` plays"
        ):
            refuse(swept({"rounds": [1, 2]}))
    with pytest.raises(ConfigError, match=r"should be a table such as .* got nothing"):
        load_sweep(GAME)
    with pytest.raises(UnknownName):
        load_sweep("sweep-reserves")
    with pytest.raises(ConfigError, match=r"unknown key 'swep'\. Did you mean 'sweep'\?"):
        load_config({**GAME, "swep": {}})


def test_labels_are_short_and_different() -> None:
    assert key_labels(["mechanism.reserve", "mechanism.kind", "rounds"]) == {
        "mechanism.reserve": "reserve",
        "mechanism.kind": "mechanism",
        "rounds": "rounds",
    }
    assert list(key_labels(["agents.0.strategy.rate", "agents.1.strategy.rate"]).values()) == [
        "0.strategy.rate",
        "1.strategy.rate",
    ]
    assert value_label(0.30000000000000004) == "0.3"
    assert value_label({"kind": "power", "exponent": 2.0}) == "power (exponent 2)"
    assert value_label(True) == "true"
    assert point_label({"environment.prior": {"kind": "uniform"}, "seed": 3}) == "prior uniform, seed 3"
