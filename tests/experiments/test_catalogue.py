"""What `list` and `show` say: rules, parameters with ranges, and snippets that work when pasted."""

from __future__ import annotations

import tomllib

import pytest

from auctionlab.errors import UnknownName
from auctionlab.experiments import catalogue, listing
from auctionlab.experiments.config import load_config
from auctionlab.registry import kinds

EVERYTHING = [(group, kind) for group in catalogue.GROUPS for kind in sorted(kinds(group))]
GAME = {
    "environment": {"kind": "private-values", "bidders": 3, "prior": {"kind": "uniform"}},
    "mechanism": {"kind": "second-price"},
    "market": {"disclose": "all"},
    "agents": [{"strategy": "truthful"}],
}


@pytest.mark.parametrize(("group", "kind"), EVERYTHING)
def test_every_snippet_makes_a_config(group: str, kind: str) -> None:
    if kind == "neural-pseudo-gradient":
        pytest.importorskip("torch")
    snippet = tomllib.loads(catalogue.entry(group, kind)["snippet"])
    load_config(GAME | snippet, game_only=group != "agents")


@pytest.mark.parametrize(("group", "kind"), EVERYTHING)
def test_everything_says_its_rule_and_describes_each_parameter(group: str, kind: str) -> None:
    entry = catalogue.entry(group, kind)
    assert len(entry["rule"].split()) >= 3
    for parameter in entry["parameters"]:
        assert parameter["description"], f"{kind}.{parameter['name']}"
        assert parameter["type"]


@pytest.mark.parametrize(("group", "kind"), [pair for pair in EVERYTHING if pair[0] in ("mechanisms", "agents")])
def test_rules_have_a_source(group: str, kind: str) -> None:
    assert catalogue.entry(group, kind)["source"]


def test_ranges_and_defaults_are_those_that_are_checked() -> None:
    parameters = {item["name"]: item for item in catalogue.entry("mechanisms", "first-price")["parameters"]}
    assert parameters["reserve"]["range"] == "[0, inf)"
    assert parameters["reserve"]["default"] == 0.0
    rho = catalogue.entry("risks", "crra")["parameters"][0]
    assert (rho["name"], rho["range"], rho["required"]) == ("rho", "[0, 1)", True)


def test_mechanisms_are_looked_up_before_the_gallery() -> None:
    assert listing.look_up("first-price")["group"] == "mechanisms"
    assert "gallery" in listing.look_up("first-price")["also"]
    assert listing.look_up("first-price.toml")["group"] == "gallery"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'uniform'"):
        listing.look_up("unifrom")


def test_the_gallery_tells_what_to_expect() -> None:
    rows = listing.gallery_rows()
    assert {"first-price", "second-price"} <= {row["name"] for row in rows}
    assert all(row["description"] and row["mechanism"] and row["agents"] for row in rows)


def test_papers_are_found_in_the_gallery_with_citation_and_claims() -> None:
    rows = listing.gallery_rows()
    papers = {row["name"] for row in rows if row["paper"]}
    assert {"banchio-skrzypacz-2022", "feng-2021", "kolumbus-nisan-2022", "deng-2022", "bichler-2023"} <= papers
    text = listing.gallery_text(rows)
    before, _, after = text.partition("Papers: ")
    assert all(f"\n{name} (paper, " in after and name not in before for name in papers)
    assert "\nfirst-price\n" in before
    shown = listing.as_text(listing.look_up("banchio-skrzypacz-2022"))
    assert "arXiv:2202.05947" in shown.partition("The config:")[0]
    assert "0.24 ± 0.05" in shown.partition("The config:")[0]
    assert "Paper:" not in listing.as_text(listing.look_up("first-price.toml"))


def test_a_learner_says_what_has_to_be_disclosed_to_it() -> None:
    text = listing.as_text(listing.look_up("hedge"))
    assert 'set market.disclose = "all"; "price" is enough in ' in text
    assert "first-price" in text.partition("is enough in ")[2].splitlines()[0]


def test_agents_say_what_they_learn_from() -> None:
    told = {kind: catalogue.entry("agents", kind)["learns_from"] for kind in ("truthful", "exp3", "hedge", "misreport")}
    assert told == {
        "truthful": "",
        "exp3": "own result",
        "hedge": "payoff of each bid",
        "misreport": "as its strategy",
    }
