"""`auctionlab check` as a user types it: tables, worked lines, JSON, exit codes, and one sentence for bad plugins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from auctionlab import registry
from auctionlab.checks.audit import AUDITED
from auctionlab.experiments import audit as audits
from auctionlab.experiments.audit_page import figures_of
from tests.cli import calling


def call(*arguments: str, code: int = 0) -> Result:
    return calling.call("check", *arguments, code=code)


def refused(*arguments: str) -> str:
    return calling.refused("check", *arguments)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A file with a mechanism whose `run` ends with the given lines; what it registers is forgotten afterwards."""
    for group, found in registry._plugins.items():
        monkeypatch.setitem(registry._plugins, group, dict(found))

    def write(*lines: str, claims: str = "frozenset()") -> Path:
        file = tmp_path / "mine.py"
        body = "\n        ".join(lines)
        file.write_text(
            "from dataclasses import dataclass, replace\n"
            "import numpy as np\n"
            "from auctionlab.core import Mechanism, Outcome\n"
            "from auctionlab.mechanisms.single_item import SecondPrice\n\n\n"
            "@dataclass(frozen=True)\n"
            "class Mine(Mechanism):\n"
            '    """A second-price auction, changed."""\n\n'
            "    def messages(self, environment):\n"
            "        return SecondPrice().messages(environment)\n\n"
            "    def lottery(self, messages):\n"
            "        return SecondPrice().lottery(messages)\n\n"
            "    def claims(self, environment):\n"
            f"        return {claims}\n\n"
            "    def equilibrium(self, environment):\n"
            "        return (lambda signals: signals,) * environment.n\n\n"
            "    def run(self, messages, rng=None):\n"
            "        outcome = SecondPrice().run(messages, rng)\n"
            f"        {body}\n"
        )
        return file

    return write


def test_the_command_explains_itself_with_an_example():
    assert "auctionlab check my.toml --plugin my_auction.py" in call("--help").stdout


def test_a_registered_mechanism_is_judged_on_every_property():
    text = call("second-price").stdout
    for property in AUDITED:
        assert f"\n{property}: " in text
    assert "dsic: no gain above 1e-07 found over" in text
    assert "expected revenue 0.333333, of at most 0.416667 (Myerson)" in text
    assert "Every claim holds." in text
    assert "profiles" in text
    assert " s. " in text


def test_a_violation_is_shown_as_an_auction():
    text = " ".join(call("first-price").stdout.split())
    assert "dsic: violated by 1; for example seat 0 of type 1 sends" in text
    assert "allocation (1, 0), payments" in text
    assert "utility 1 instead of 0 (the truth: allocation (1, 0), payments (1, 0))" in text
    assert "bic: violated by 0.249" in text


def test_json_has_the_same_in_full_precision():
    found = json.loads(call("first-price", "--json").stdout)
    assert found["broken"] == []
    assert found["revenue"] == pytest.approx(1 / 3, rel=1e-12)
    assert found["optimal_revenue"] == pytest.approx(5 / 12, rel=1e-12)
    rows = {row["property"]: row for row in found["properties"]}
    assert set(rows) == set(AUDITED)
    assert rows["equilibrium"]["holds"]
    assert rows["equilibrium"]["claimed"] is None
    assert rows["efficient"]["claimed"]
    assert rows["bic"]["worst"] == pytest.approx(0.25, abs=1e-5)
    assert set(rows["dsic"]["case"]) == {
        *("seat", "types", "reports", "truth", "allocation", "payments", "utility", "instead"),
        *("truth_allocation", "truth_payments"),
    }
    assert rows["bic"]["case"]["types"][1] is None  # averaged over


def test_settings_of_the_mechanism_and_of_its_environment_can_be_changed():
    sets = ("--set", "mechanism.entry_fee=0.1", "--set", "environment.bidders=3", "--json")
    found = json.loads(call("second-price", *sets).stdout)
    assert found["environment"]["bidders"] == 3
    assert found["mechanism"]["entry_fee"] == 0.1
    assert found["claims"] == ["interim-ir", "no-deficit"]


def test_a_mechanism_made_for_its_environment_follows_a_changed_one():
    found = json.loads(call("optimal-auction", "--set", "environment.bidders=2", "--json").stdout)
    assert found["mechanism"]["environment"]["bidders"] == 2
    assert found["broken"] == []


def test_configs_are_audited_too(tmp_path):
    assert json.loads(call("all-pay.toml", "--json").stdout)["mechanism"]["kind"] == "all-pay"  # the gallery
    file = tmp_path / "mine.toml"
    file.write_text(
        '[environment]\nkind = "private-values"\nbidders = 2\nprior = { kind = "uniform" }\n'
        '[mechanism]\nkind = "direct"\nof = { kind = "all-pay" }\n'
    )
    rows = {row["property"]: row for row in json.loads(call(str(file), "--json").stdout)["properties"]}
    assert rows["bic"]["holds"]
    assert rows["dsic"]["holds"] is False


def test_a_broken_claim_exits_with_one(plugin):
    file = plugin(
        "return replace(outcome, payments=outcome.payments * 0.5)",
        claims='frozenset({"dsic", "no-deficit"})',
    )
    file.write_text(file.read_text().replace("    def lottery(self, messages):", "    def unused(self, messages):"))
    result = call("mine", "--plugin", str(file), code=1)
    assert "Claimed, but not so: dsic." in result.stdout
    assert "environment  private-values, bidders = 2" in result.stdout  # the default, as it shows no examples


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("return replace(outcome, payments=outcome.payments.sum(axis=1))", "mine: payments have shape"),
        ("return replace(outcome, payments=np.where(messages > 0.9, np.nan, 0.0))", "mine: payments contain nan"),
        (
            "return replace(outcome, payments=outcome.payments + np.random.default_rng().random())",
            "mine: two runs of the same messages give different outcomes",
        ),
        ("return outcome.allocation", "mine: run returned ndarray, expected an Outcome"),
        ("return replace(outcome, payments=outcome.prices)", "mine: run raised AttributeError"),
        (
            "return replace(outcome, allocation=np.ones_like(messages))",
            "mine: the expected allocation [1.0, 1.0] hands out 2",
        ),
    ],
)
def test_plugins_that_break_the_contract_are_named_in_one_sentence(plugin, line, sentence):
    assert refused("mine", "--plugin", str(plugin(line))).startswith(sentence)


def test_the_space_of_mechanisms_fills_itself_in(monkeypatch):
    chosen = {kind: registry.kinds("mechanisms")[kind] for kind in ("second-price", "first-price", "direct")}
    monkeypatch.setattr(audits, "kinds", lambda group: chosen if group == "mechanisms" else registry.kinds(group))
    rows = {row["mechanism"]: row for row in json.loads(call("--json").stdout)}
    expected = {
        "second-price": (True, True, True, True, False, True, False),
        "first-price": (False, False, True, True, False, True, False),
        "direct": (False, True, True, True, False, True, False),
    }
    for kind, places in expected.items():
        assert tuple(rows[kind][column] for column in audits.SPACE) == places
    text = call("--all").stdout
    assert text.splitlines()[0].split()[:8] == ["mechanism", *audits.SPACE][:8]
    assert len(text.splitlines()) == 2 + 3


def test_strategies_and_environments_are_held_to_their_contracts():
    assert call("truthful").stdout == "truthful: keeps the contract of a strategy\n"
    assert call("private-values").stdout == "private-values: keeps the contract of an environment\n"


def test_mistakes_are_one_sentence():
    assert "Did you mean 'first-price'" in refused("frist-price")
    assert "no file 'nowhere.toml'" in refused("nowhere.toml")
    assert "unknown key 'resreve'. Did you mean 'reserve'?" in refused("second-price", "--set", "mechanism.resreve=1")
    assert "takes no name, no --set and no --html" in call("second-price", "--all", code=2).stderr


CONFIG = "[environment]\n{place}\n[mechanism]\n{rule}\n"
VALUES = 'kind = "private-values"\nbidders = 2\nprior = { kind = "uniform" }'


@pytest.mark.parametrize(
    ("place", "rule", "sentence"),
    [
        (
            VALUES,
            'kind = "double-auction"',
            "mine.toml: mechanism: double-auction does not decide on the outcomes of private-values; one that does in "
            "any environment is 'vickrey-clarke-groves'",
        ),
        (
            VALUES,
            'kind = "menu"\nquantities = [1.0]\nprices = [0.5]',
            "mine.toml: mechanism: menu: should be for one agent, got 2 seats",
        ),
        (
            VALUES,
            'kind = "optimal-screening"',
            "mine.toml: mechanism: environment: should be screening, got private-values",
        ),
        (
            VALUES,
            'kind = "sequential-offers"\nprices = [0.5]',
            "mine.toml: mechanism: prices: should be 2, one offer a buyer, got 1",
        ),
        (
            'kind = "partnership"\npartners = 2\nshares = [0.7, 0.3]\nprior = { kind = "uniform" }',
            'kind = "partnership-dissolution"',
            "mine.toml: mechanism: partnership-dissolution: shares should be equal, got (0.7, 0.3)",
        ),
        (
            'kind = "alternatives"\nbidders = 2\nalternatives = []\nprior = { kind = "uniform" }',
            'kind = "pivot"',
            "mine.toml: environment: alternatives: should be at least one row of values, got none",
        ),
    ],
)
def test_a_mechanism_in_the_wrong_place_is_one_sentence(tmp_path, place, rule, sentence):
    file = tmp_path / "mine.toml"
    file.write_text(CONFIG.format(place=place, rule=rule))
    assert refused(str(file)) == sentence


def test_a_screening_problem_with_any_quantity_is_audited(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(CONFIG.format(place='kind = "screening"\nprior = "uniform"', rule='kind = "optimal-screening"'))
    found = json.loads(call(str(file), "--json").stdout)
    rows = {row["property"]: row for row in found["properties"]}
    assert rows["dsic"]["holds"]
    assert rows["interim-ir"]["holds"]
    # Mussa and Rosen (1978): x = 2θ − 1 where the first best is θ, the surplus lost is (1 − θ)²/2, or θ²/2 below 1/2
    assert rows["efficient"]["worst"] == pytest.approx(1 / 8, abs=1e-4)
    assert found["revenue"] == pytest.approx(1 / 6, abs=1e-3)  # E[t] = E[θ² − ½ + ...] = profit 1/12 + cost 1/12


def test_values_that_are_all_negative_are_left_unsold(tmp_path):
    file = tmp_path / "mine.toml"
    place = VALUES.replace('"uniform"', '"uniform", low = -2.0, high = -1.0')
    for rule in ("optimal-auction", "vickrey-clarke-groves"):
        file.write_text(CONFIG.format(place=place, rule=f'kind = "{rule}"'))
        found = json.loads(call(str(file), "--json").stdout)
        assert found["broken"] == []
        assert found["revenue"] == 0
    file.write_text(CONFIG.format(place=place, rule='kind = "second-price"'))
    assert refused(str(file)).endswith("reserve: should be below the highest value -1, got 0: nobody would ever bid")


def test_a_plugin_that_breaks_its_contract_is_a_line_of_the_table(plugin, monkeypatch):
    file = plugin("return outcome")
    file.write_text(file.read_text().replace("(lambda signals: signals,) * environment.n", "(lambda signals: 0.5,)"))
    registry.load_plugin(file)
    monkeypatch.setattr(audits, "kinds", lambda group: {"mine": None, "second-price": None})
    first, second = audits.space()
    assert first["environment"] == "cannot be checked: mine: 1 equilibrium bid functions for 2 seats"
    assert second["DSIC"]
    assert "mine: 1 equilibrium bid functions for 2 seats" in audits.space_text([first, second])  # not cut short


def test_an_audit_is_a_page_with_figures_too(tmp_path):
    file, page = tmp_path / "mine.toml", tmp_path / "new" / "audit.html"
    place = 'kind = "private-values"\npriors = [{ kind = "uniform", high = 10.0 }, { kind = "uniform", high = 6.0 }]'
    file.write_text(CONFIG.format(place=place, rule='kind = "optimal-auction"'))
    assert call(str(file), "--html", str(page)).stderr == f"wrote {page}\n"
    text = page.read_text("utf-8")
    assert text.count("<svg") == 5  # two seats, two markets, the outcomes
    for words in ("revenue-optimal: no distance", "A buyer as a market: { kind = &#34;uniform&#34;", "Hatched"):
        assert words in text
    assert "http" not in text
    assert "no --html" in call("--all", "--html", str(page), code=2).stderr


def test_the_figures_have_the_numbers_of_the_theory():
    mechanism, environment = audits.game("optimal-auction", ["environment.bidders=2"])
    found = {picture.name: picture for picture in figures_of(mechanism, environment)}
    assert set(found) == {"interim-0", "market-0", "outcomes"}
    rows = found["interim-0"].data
    # Krishna (2010), prop. 5.4: reserve 1/2, so q = x and m = ∫ y dy from 1/2 + 1/4 there, for x ≥ 1/2
    x = rows["type"].to_numpy()
    served = x > 0.5
    assert rows["q"].to_numpy()[served] == pytest.approx(x[served])
    assert rows["m"].to_numpy()[served] == pytest.approx(x[served] ** 2 / 2 + 1 / 8)
    assert rows["U"].to_numpy()[~served] == pytest.approx(0)
    market = found["market-0"].data
    assert market["marginal"].to_numpy() == pytest.approx(1 - 2 * market["quantity"].to_numpy(), abs=1e-9)  # p = 1 − q
    outcomes = found["outcomes"].data
    assert (outcomes["outcome"] == 0).mean() == pytest.approx(1 / 4, abs=0.01)  # both below 1/2; the grid ends at 0.999
    assert (outcomes["lost"] > 1e-9).mean() == pytest.approx(1 / 4, abs=0.01)  # equal bidders: nothing else is lost


def test_one_more_bidder_is_worth_more_than_the_best_reserve():
    found = json.loads(call("second-price", "--json").stdout)
    assert found["one_more_bidder"] == pytest.approx(1 / 2, rel=1e-9)  # the second-highest of three uniform values
    assert found["optimal_revenue"] == pytest.approx(5 / 12, rel=1e-9)
    assert "one bidder more, second-price without reserve: 0.5 (Bulow and Klemperer)" in call("second-price").stdout
    assert json.loads(call("posted-trade", "--json").stdout)["one_more_bidder"] is None


def test_an_audit_tells_what_it_is_checking() -> None:
    told: list[str] = []
    found = audits.audit("second-price", tell=told.append)
    names = [judged.finding.property for judged in found.judged]
    assert told == [*(f"{name}, {k} of 11 properties" for k, name in enumerate(names, 1)), "expected revenue"]


def test_an_audit_that_is_interrupted_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audits, "_judge", interrupted)
    result = call("second-price", code=130)
    assert (result.stdout, result.stderr) == ("", "Error: stopped\n")
