"""Whatever is done to a valid config, loading it gives a config or one sentence, never another exception."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auctionlab.errors import ConfigError
from auctionlab.experiments.config import Config, load_config
from auctionlab.experiments.sources import gallery, override, parse
from auctionlab.experiments.sweep import load_sweep

VALID = [parse(text, f"{name}.toml") | {"description": ""} for name, text in gallery().items()]
VALID.append(
    {
        "environment": {
            "kind": "private-values",
            "priors": [
                {"kind": "beta", "a": 2.0, "b": 5.0},
                {"kind": "discrete", "values": [0.0, 1.0], "weights": [1, 1]},
            ],
            "risk": {"kind": "crra", "rho": 0.5},
        },
        "mechanism": {"kind": "ascending", "sealed": {"kind": "second-price", "reserve": 0.1}},
        "agents": [{"strategy": "truthful", "seats": [0]}, {"strategy": {"kind": "exp3", "bids": 5}, "seats": [1]}],
        "record": {"bids": "every:10"},
    }
)
WORDS = [
    "",
    "x",
    "first-price",
    "uniform",
    "equilibrium",
    "exp3",
    "kind",
    "reserve",
    "own",
    "all",
    "last:5",
    "ü\n",
    "\ud800",
]
NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, 10**40, -(10**400), 10**400]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-2, 2),
)
LEAVES = st.one_of(NUMBERS, st.booleans(), st.none(), st.sampled_from(WORDS), st.text(max_size=5), st.dates())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=5,
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    for key, item in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(item, dict | list):
            yield from places(item)


@st.composite
def mutated(draw: st.DrawFn) -> dict[Any, Any]:
    """A valid config with one to three things replaced, deleted, added, renamed or taken from elsewhere."""
    document = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        node, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "replace", "delete", "add", "rename", "graft"])):
            case "replace":
                node[key] = draw(VALUES)
            case "delete":
                del node[key]
            case "add" if isinstance(node, dict):
                node[draw(st.sampled_from(WORDS))] = draw(VALUES)
            case "rename" if isinstance(node, dict):
                node[f"{key}{draw(st.sampled_from(['x', ' ', '']))}"] = node.pop(key)
            case "graft":
                other, place = draw(st.sampled_from(found))
                if (isinstance(other, dict) and place in other) or (isinstance(other, list) and place < len(other)):
                    node[key] = copy.deepcopy(other[place])
    return document


def load_or_refuse(document: dict[Any, Any], overrides: list[str]) -> None:
    try:
        if "sweep" in document:
            configs = [point.config for point in load_sweep(document, overrides).points]
        else:
            configs = [load_config(document, overrides)]
    except ConfigError as error:
        message = str(error)
        assert message
        assert "\n" not in message
        assert len(message) < 1000
        return
    for config in configs[:3]:
        assert isinstance(config, Config)
        assert load_config(config.document).fingerprint == config.fingerprint


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=mutated())
def test_a_mutated_config_loads_or_is_refused_in_one_sentence(document: dict[Any, Any]) -> None:
    load_or_refuse(document, [])


KEYS = [
    "mechanism.reserve",
    "agents.0.strategy.bids",
    "agents.0",
    "agents.x",
    "environment",
    "rounds",
    "sweep",
    "sweep.mechanism.reserve",
    "a.b.c",
    "..",
    "seats",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    document=st.sampled_from(VALID),
    key=st.one_of(st.sampled_from(KEYS), st.text(max_size=8)),
    value=st.one_of(st.text(max_size=12), st.sampled_from(["0.3", "[1, 2", "{kind='x'}", "1979-05-27", "inf", "'a'"])),
)
def test_an_override_loads_or_is_refused_in_one_sentence(document: dict[Any, Any], key: str, value: str) -> None:
    load_or_refuse(document, [f"{key}={value}"])


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_toml_or_refused(text: str) -> None:
    try:
        table = parse(text, "any.toml")
    except ConfigError as error:
        message = str(error)
    else:
        assert isinstance(table, dict)
        return
    assert message.startswith("any.toml: ")


def test_overrides_do_not_touch_the_table_that_was_given() -> None:
    document = copy.deepcopy(VALID[0])
    load_config(document, ["rounds=3"])
    assert document == VALID[0]
    override(document, ["rounds=3"])
    assert document["rounds"] == 3


@pytest.mark.parametrize("value", ["0.3", "'0.3'", "abc", "[1, 2]", "true", "{ kind = 'uniform' }"])
def test_an_override_is_parsed_as_toml_or_taken_as_a_word(value: str) -> None:
    table: dict[str, Any] = {}
    override(table, [f"a.b={value}"])
    expected = {"abc": "abc"}.get(value) or parse(f"v = {value}", "x")["v"]
    assert table["a"]["b"] == expected
