"""An experiment's config: defaults, round trips, fingerprints, and one clear sentence for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auctionlab.core import Strategy
from auctionlab.errors import ConfigError
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sources import gallery
from auctionlab.experiments.sweep import is_sweep, load_sweep

SMALL = """
rounds = 100
replications = 2

[environment]
kind = "private-values"
bidders = 2
prior = { kind = "uniform" }

[mechanism]
kind = "first-price"

[[agents]]
strategy = "truthful"
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return file


def refusal(source: object, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(source, overrides)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", gallery())
def test_every_gallery_config_loads_and_its_document_builds_it_again(name: str) -> None:
    configs = [point.config for point in load_sweep(name).points] if is_sweep(name) else [load_config(name)]
    for config in configs:
        document = json.loads(json.dumps(config.document))
        again = load_config(document)
        assert again.document == config.document
        assert again.fingerprint == config.fingerprint
        assert len(config.description.split()) >= 20  # a paragraph that says what to expect


def test_defaults_are_filled_in(small: Path) -> None:
    config = load_config(small)
    assert config.name == "small"
    assert config.seed == 0
    assert config.document["mechanism"]["reserve"] == 0.0
    assert config.document["environment"]["prior"] == {"kind": "uniform", "low": 0.0, "high": 1.0}
    assert (config.market.groups, config.market.matching, config.market.disclose) == (1, "fixed", "own")
    assert (config.record.database, config.record.bids) == (None, "all")
    assert (config.analysis.window, config.analysis.margin) == (0.2, 0.02)
    assert config.agents[0].name == "truthful"


def test_strategies_are_built_fresh_for_every_caller(small: Path) -> None:
    block = load_config(small).agents[0]
    first, second = block.build(), block.build()
    assert isinstance(first, Strategy)
    assert first is not second


def test_a_config_is_a_table_too(small: Path) -> None:
    config = load_config(small)
    table = {
        "environment": config.environment,
        "mechanism": {"kind": "first-price"},
        "agents": [{"strategy": config.agents[0].build(), "seats": [0, 1]}],
    }
    loaded = load_config(table)
    assert loaded.environment == config.environment
    assert loaded.document["agents"][0] == {"strategy": {"kind": "truthful"}, "seats": [0, 1], "name": "truthful"}


def test_without_agents_a_game_can_be_solved_but_not_played(small: Path) -> None:
    small.write_text(SMALL.partition("[[agents]]")[0])
    assert load_config(small, game_only=True).agents == []
    assert refusal(small) == 'small.toml: missing [[agents]]: say who bids, for example strategy = "truthful"'


def test_fingerprint_ignores_names_and_the_database_and_sees_all_else(small: Path) -> None:
    base = load_config(small).fingerprint
    for same in ("name=other", "description=words", "record.database='sqlite:///x.db'", "agents.0.name=me"):
        assert load_config(small, [same]).fingerprint == base, same
    for different in (
        "seed=1",
        "rounds=101",
        "replications=3",
        "mechanism.reserve=0.1",
        "environment.prior.high=2",
        "market.disclose=all",
        "agents.0.strategy=random",
        "record.bids='every:10'",
        "analysis.window=0.3",
        "analysis.margin=0.01",
    ):
        assert load_config(small, [different]).fingerprint != base, different


def test_fingerprint_does_not_depend_on_how_a_number_is_written(small: Path) -> None:
    assert load_config(small, ["mechanism.reserve=0"]).fingerprint == load_config(small).fingerprint


def test_overrides_reach_into_tables_lists_and_bare_kinds(small: Path) -> None:
    config = load_config(
        small, ["mechanism.reserve=0.3", "agents.0.strategy=exp3", "agents.0.strategy.bids=101", "market.groups=5"]
    )
    assert config.document["mechanism"]["reserve"] == 0.3
    assert config.document["agents"][0]["strategy"]["bids"] == 101
    assert config.market.groups == 5
    assert load_config(config, {"mechanism.reserve": 0.4}).document["mechanism"]["reserve"] == 0.4


def test_a_mistake_in_the_file_names_file_key_and_the_nearest_key(small: Path) -> None:
    small.write_text(SMALL.replace('kind = "first-price"', 'kind = "first-price"\nresreve = 0.3'))
    assert refusal(small) == "small.toml: mechanism: unknown key 'resreve'. Did you mean 'reserve'?"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("mechanism.resreve=0.3", "mechanism: unknown key 'resreve'. Did you mean 'reserve'?"),
        ("mechanism=frist-price", "mechanism: unknown mechanism 'frist-price'. Did you mean 'first-price'?"),
        ("markt.groups=3", "unknown key 'markt'. Did you mean 'market'?"),
        ("market.grups=3", "market: unknown key 'grups'. Did you mean 'groups'?"),
        ("environment.prior.hihg=2", "environment: prior: uniform: unknown key 'hihg'. Did you mean 'high'?"),
        ("environment.prior.kind=unifrom", "environment: prior: unknown prior 'unifrom'. Did you mean 'uniform'?"),
        ("agents.0.strategy=thruthful", "agents.0.strategy: unknown agent 'thruthful'. Did you mean 'truthful'?"),
        ("agents.0.seat=[0]", "agents.0: unknown key 'seat'. Did you mean 'seats'?"),
        ("replications=-3", "replications: should be greater than or equal to 1, got -3"),
        ("rounds=1.5", "rounds: should be a valid integer, got 1.5"),
        ("rounds=many", "rounds: should be a valid integer, got 'many'"),
        ("seed=-1", "seed: should be greater than or equal to 0, got -1"),
        ("seed=9223372036854775808", "seed: should be less than or equal to 9223372036854775807"),
        ("mechanism.reserve=-1", "mechanism: reserve: should be greater than or equal to 0, got -1"),
        ("mechanism.reserve=2", "mechanism: reserve: should be below the highest value 1, got 2"),
        ("mechanism.reserve=nan", "mechanism: reserve: should be a finite number, got nan"),
        ("mechanism={kind='ascending', sealed={kind='second-price', reserve=1}}", "mechanism.sealed: reserve: should"),
        ("mechanism={kind='kth-price', k=3}", "mechanism: k: should be at most 2, the number of bidders, got 3"),
        ("analysis.window=0", "analysis: window: should be greater than 0, got 0"),
        ("analysis.window=1.1", "analysis: window: should be less than or equal to 1, got 1.1"),
        ("analysis.margin=0", "analysis: margin: should be greater than 0, got 0"),
        ("market.matching=stranger", "market: matching: should be 'fixed' or 'strangers', got 'stranger'"),
        ("market.groups=0", "market: groups: should be greater than or equal to 1, got 0"),
        ("market=3", "market: should be a table, got 3"),
        ("agents.0=3", "agents.0: should be a table, got 3"),
        ("agents=3", "agents: should be [[agents]] tables, got 3"),
        ("environment=3", "environment: expected a table with a 'kind', got 3"),
        ("environment.bidders=0", "environment: bidders: should be greater than or equal to 1, got 0"),
        ("replications=1_000_000_000", "replications: at most 50,000,000 fit with 2 bidders, got 1,000,000,000"),
        ("agents.0.strategy=mine", "; one of your own is loaded with --plugin FILE.py"),
        ("name=last", "name: should not be a number or 'last'"),
        ("name='7'", "name: should not be a number or 'last'"),
        ("agents.0.strategy=hedge", "agents.0: hedge learns from 'payoff', which market.disclose = 'own' hides"),
        ("agents.0.seats=[0]", "agents: 1 of 2 places are left empty (seats [1])"),
        ("agents.0.seats=[0, 2]", "agents.0.seats: no seat 2, allowed: 0 to 1"),
        ("agents.0.seats=[0, 0]", "agents.0: seats: names seat 0 twice"),
        ("agents.0.seats=[]", "agents.0: seats: Tuple should have at least 1 item"),
        ("agents.0.count=3", "agents.0.count: 3 agents, but only 2 places are left"),
        ("agents.0.count=0", "agents.0: count: should be greater than or equal to 1, got 0"),
        ("agents.0.role=1", "agents.0: role: no role 1, allowed: 0"),
        ("agents=[{strategy='truthful', seats=[0, 1]}, {strategy='random', seats=[1]}]", "seat 1 is filled twice"),
        ("agents=[{strategy='truthful'}, {strategy='random'}]", "agents.1: no place is left for this block"),
        ("record.bids=sometimes", "record: bids: "),
        ("environment.risk={kind='cara', alpha=5000}", "risk: to lose the highest bid 1 has the utility -inf"),
        ("environment.prior={kind='beta', a=0.01, b=0.01}", "prior: beta: 35% of the values lie so close to 1 that"),
    ],
)  # fmt: skip
def test_one_sentence_says_what_is_wrong(small: Path, override: str, told: str) -> None:
    message = refusal(small, override)
    assert message.startswith("small.toml: ")
    assert told in message


def test_learners_that_do_not_fit_in_memory_are_refused_before_the_first_round(small: Path) -> None:
    """1,000 bids × 100 cells of 8 bytes for each of 2 × 10 million learners, and a byte each that says it is sound."""
    learner = "agents.0.strategy={kind='exp3', bids=1000, cells=100}"
    message = refusal(small, learner, "replications=10_000_000")
    assert message.startswith(
        "small.toml: agents.0: exp3: what 20,000,000 learners (10,000,000 replications × 2 bidders)"
    )
    assert "know takes 16,000.0 GB, this computer has " in message
    assert message.endswith(": choose fewer bids, cells, replications or groups")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("reserve", "--set 'reserve': write it as key=value, for example mechanism.reserve=0.3"),
        ("=0.3", "--set '=0.3': write it as key=value"),
        ("agents.5.count=2", "--set agents.5.count: no entry '5' in the list, allowed: 0 to 0"),
        ("rounds.x=2", "--set rounds.x: nothing can be set inside 100"),
    ],
)
def test_an_override_that_cannot_be_placed_says_why(small: Path, override: str, told: str) -> None:
    assert told in refusal(small, override)


def test_strangers_are_counted_within_the_whole_population(small: Path) -> None:
    market = ["market.matching=strangers", "market.groups=10"]
    mixed = "agents=[{strategy='truthful', count=4}, {strategy='random', count=16}]"
    assert [block.count for block in load_config(small, [*market, mixed]).agents] == [4, 16]
    short = "agents=[{strategy='truthful', count=4}, {strategy='random', count=15}]"
    assert "1 of 20 places are left empty" in refusal(small, *market, short)
    rest = "agents=[{strategy='truthful', count=4}, {strategy='random'}]"
    assert load_config(small, [*market, rest]).agents[1].count is None


def test_an_equilibrium_strategy_needs_a_known_equilibrium(small: Path) -> None:
    asymmetric = "environment={kind='private-values', priors=[{kind='uniform'}, {kind='discrete', values=[0.0, 1.0]}]}"
    message = refusal(small, asymmetric, "agents.0.strategy=equilibrium")
    assert message.startswith("small.toml: agents.0: equilibrium: ")
    assert load_config(small, [asymmetric]).environment.n == 2  # others may play it, without a benchmark


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"rounds = = 3", "bad.toml: not valid TOML: Invalid value (at line 1, column 10)"),
        (b"a = [" + b"[" * 100_000, "bad.toml: not valid TOML: nested too deeply"),
        (b"name = '\xff'", "bad.toml: not UTF-8 text: byte 0xff at position 8"),
        (b"", "bad.toml: the file is empty"),
        (b"# only a comment\n", "bad.toml: the file is empty"),
        (b"rounds = 3", "bad.toml: missing key 'environment'"),
        (b"rounds = " + b"9" * 5000, "bad.toml: not valid TOML: "),
    ],
)
def test_a_file_that_is_no_config_says_why(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    assert told in refusal(file)


def test_a_byte_order_mark_is_no_mistake(small: Path) -> None:
    small.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_config(small).rounds == 100


def test_a_missing_file_is_answered_with_the_nearest_one(small: Path, tmp_path: Path) -> None:
    assert "Did you mean 'small.toml'?" in refusal(tmp_path / "smal.toml")
    assert "is a folder, not a config file" in refusal(tmp_path)
    assert refusal("first-pric") == "unknown gallery config 'first-pric'. Did you mean 'first-price'?"
    assert "no file" in refusal(str(tmp_path / "nowhere" / "x.toml"))
    assert "cannot read" in refusal("a\0b.toml")
