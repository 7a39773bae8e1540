"""The HTML report and the text summary: verdict first, complete, self-contained, safe with any name."""

import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from auctionlab.errors import StoreError
from auctionlab.experiments import wording
from auctionlab.experiments.analysis import Estimate
from auctionlab.experiments.headline import headline
from auctionlab.experiments.report import text_summary, write_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Checks nesting while parsing; gathers text, tags and attributes."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def __contains__(self, text):
        return text in " ".join(" ".join(self.text).split())

    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def page(analysis, tmp_path):
    return Page(write_report(analysis, tmp_path / "report.html").read_text("utf-8"))


CASES = {
    "converged": {"noise": 0.001},
    "not converged": {"off": 0.05},
    "undecided": {"noise": 0.03},
    "no benchmark": {"benchmark": False},
    "unfinished": {"status": "interrupted"},
    "truthful": {"truthful": True, "kind": "second-price"},
    "several": {"strategies": ("exp3", "hedge", "truthful")},
    "one replication": {"replications": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_report_is_one_sound_page_without_any_link_outwards(make, tmp_path, case):
    analysis = make(**CASES[case])
    path = write_report(analysis, tmp_path / "deep" / "report.html")
    html = path.read_text("utf-8")
    assert "http" not in html
    assert not re.search(r"<(script|link|iframe|img)\b|@import|url\((?!#)", html)
    assert len(html) < 2e6
    found = Page(html)
    assert found.tags[0] == ("html", {"lang": "en"})
    assert len(set(found.ids())) == len(found.ids())
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert analysis.headline in found
    for tag, attributes in found.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert len(attributes["aria-label"]) > 20


@pytest.mark.parametrize("verdict", ["converged", "not converged", "undecided"])
def test_verdict_comes_first_in_words_with_an_icon(make, tmp_path, verdict):
    analysis = make(**CASES[verdict])
    assert analysis.estimate("revenue").verdict == verdict
    found = page(analysis, tmp_path)
    badge = wording.BADGES[verdict]
    assert f"Verdict: {badge.icon} {verdict}" in found
    assert wording.MEANINGS[verdict] in found
    text = " ".join(found.text)
    assert (
        text.index(analysis.headline) < text.index("Key figures") < text.index("Figures") < text.index("What was run")
    )


def test_every_figure_and_estimate_is_there(make, tmp_path):
    found = page(make(truthful=True), tmp_path)
    figures = [attributes["id"] for tag, attributes in found.tags if tag == "figure"]
    names = ["bid-function", "bids", "revenue", "truthful", "efficiency", "utility"]
    assert figures == [f"figure-{name}" for name in names]
    for label in ("Revenue", "Efficiency", "Truthful bids", "Payoff at stake", "Gain from a best reply"):
        assert label in found


def test_truthfulness_is_shown_only_where_truth_is_dominant(make, tmp_path):
    assert "figure-truthful" not in page(make(), tmp_path).ids()


def test_run_without_benchmark_says_so_and_draws_no_theory(make, tmp_path):
    found = page(make(benchmark=False), tmp_path)
    assert "no verdict" in found
    assert "Without an equilibrium there is no verdict" in found
    assert "Dashed" not in found


def test_unfinished_run_is_marked(make, tmp_path):
    analysis = make(status="interrupted")
    found = page(analysis, tmp_path)
    assert "Not finished: 900 of 2,000 rounds are played." in found
    assert "900 of 2,000 rounds" in text_summary(analysis)
    assert "Not finished" not in page(make(), tmp_path)


def test_run_with_nothing_judged_yet_still_has_a_report(make, tmp_path):
    analysis = make(status="running")
    empty = replace(
        analysis,
        headline="Nothing to judge yet.",
        estimates=(Estimate("revenue", "Revenue", "money", float("nan"), float("nan"), float("nan"), 0),),
        series=analysis.series.iloc[:0],
        bid_functions=analysis.bid_functions.iloc[:0],
        bids=analysis.bids.iloc[:0],
        by_strategy=analysis.by_strategy.iloc[:0],
        exploitability=None,
    )
    assert "Nothing to judge yet." in page(empty, tmp_path)
    assert "Nothing to judge yet." in text_summary(empty)


def test_names_and_descriptions_are_escaped(make, tmp_path):
    evil = '<script>alert("1")</script>'
    html = write_report(
        make(name=evil, description=f"{evil}\n\n{evil}", strategies=(f"{evil}</svg>", "x")), tmp_path / "r.html"
    ).read_text("utf-8")
    assert "<script" not in html
    assert evil in Page(html)


def test_passwords_are_not_shown(make, tmp_path):
    html = write_report(make(), tmp_path / "r.html").read_text("utf-8")
    assert "hunter2" not in html
    assert "postgresql://teacher:***@db.example/lab" in html


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///C:/data/a@b.db", "sqlite:///C:/data/a@b.db"),
        ("postgresql+psycopg://u:p@ss:w@h:5432/d", "postgresql+psycopg://u:***@h:5432/d"),
        ("postgresql://h/d?user=u&password=secret&x=1", "postgresql://h/d?user=u&password=***&x=1"),
    ],
)
def test_hidden_password(url, shown):
    assert wording.hide_password(url) == shown


def test_config_as_toml_is_the_config(make):
    config = make(description='Two "quoted"\nlines with a \\ and\n\na gap.').config
    config["environment"]["priors"] = [{"kind": "uniform"}, {"kind": "beta", "a": 2.0, "b": 1e-7}]
    read = tomllib.loads(wording.toml_document(config))
    assert read.pop("description").lstrip("\n") == config["description"]
    assert read == {key: value for key, value in config.items() if key != "description"}


def test_figures_go_beside_the_report_on_request(make, tmp_path):
    write_report(make(), tmp_path / "first.html", formats=("svg",))
    names = {path.name for path in (tmp_path / "first-figures").iterdir()}
    assert {"revenue.svg", "revenue.csv", "estimates.csv"} <= names
    write_report(make(), tmp_path / "second.html", figures_folder=tmp_path / "mine")
    assert {path.suffix for path in (tmp_path / "mine").iterdir()} == {".csv"}


def test_report_that_cannot_be_written_is_one_sentence(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the report"):
        write_report(make(), tmp_path / "file" / "report.html")


def test_reports_of_one_run_are_the_same_bytes(make, tmp_path):
    one, two = (write_report(make(), tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two


@pytest.mark.parametrize(
    ("value", "unit", "spread", "text"),
    [
        (0.33123, "money", 0.0041, "0.3312"),
        (1234.5678, "money", 12.0, "1,235"),
        (1 / 3, "money", float("nan"), "0.3333"),
        (0.5, "", float("inf"), "0.5"),
        (0.98213, "share", 0.003, "98.21 %"),
        (-0.012, "money", 0.005, "−0.0120"),
        (0.0, "money", 0.0, "0"),
        (-0.00001, "money", 0.003, "0.0000"),
        (1e-9, "money", float("nan"), "0.000000001"),
        (float("nan"), "money", 1.0, "–"),
        (float("inf"), "money", 1.0, "∞"),
        (-1.5e300, "money", float("nan"), "−1.5e300"),
        (None, "money", float("nan"), "–"),
    ],
)
def test_amounts_have_the_digits_that_the_interval_supports(value, unit, spread, text):
    assert wording.amount(value, unit, spread) == text


def test_the_rounding_of_equal_numbers_is_no_spread():
    assert wording.amount(0.025, "", 3e-18) == "0.025"
    assert wording.plus_minus(0.025, 0.025 - 3e-18, 0.025 + 3e-18) == "0.025"
    assert wording.plus_minus(0.3312, 0.3272, 0.3352) == "0.3312 ± 0.0040"
    assert wording.plus_minus(0.5, 0.48, 0.52, "share") == "50.0 ± 2.0 %"
    assert wording.plus_minus(0.5, float("-inf"), float("inf")) == "0.5"


def test_text_summary_is_aligned_and_complete(make):
    analysis = make(strategies=("exp3", "hedge"), noise=0.001)
    text = text_summary(analysis)
    assert text.startswith("Run 3, first-price: first-price, 2 bidders, played by exp3, hedge")
    assert analysis.headline in text
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("in the judged rounds"))
    row = next(line for line in lines if line.startswith("Revenue"))
    assert row.index("✓ converged") == head.index("verdict")
    assert any(line.split() == ["strategy", "exp3", "hedge"] for line in lines)


def test_estimates_in_words_have_their_own_verdicts():
    steady = Estimate("drift", "Drift", "money", 0.0, -0.1, 0.1, 9, 0.0, 0.2, "converged")
    assert wording.badge(steady).text == "steady"
    undecided = replace(steady, verdict="undecided", needed=1200)
    assert wording.estimate_row(undecided)["needed"] == "about 1,200 replications would decide"
    assert wording.needed(422_863) == "about 430,000 replications would decide"
    assert wording.needed(7) == "about 7 replications would decide"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.01, 0.03, "would gain next to nothing, 1.0 ± 2.0 % of equilibrium utility"),
        (-0.06, 0.46, "would gain nothing that can be told from 0, 20 ± 26 % of equilibrium utility"),
        (float("-inf"), float("inf"), "would gain 20 % of equilibrium utility"),  # one replication
        (0.1, 0.3, "would gain 20 ± 10 % of equilibrium utility"),
    ],
)
def test_a_gain_that_is_only_uncertain_is_not_called_small(make, low, high, words):
    gain = Estimate(
        "relative_exploitability",
        "Gain from a best reply, of equilibrium utility",
        "share",
        0.01 if high == 0.03 else 0.2,
        low,
        high,
        9,
        None,
        None,
        "",
    )
    made = make(benchmark=False)
    assert words in headline(replace(made, estimates=(gain, made.estimate("revenue"))))


def test_a_gain_on_the_own_grid_that_may_be_none_is_said_to_be(make):
    made = make(benchmark=False)
    gain = Estimate(
        "relative_exploitability", "Gain, of equilibrium utility", "share", 0.2, 0.1, 0.3, 9, None, None, ""
    )
    own = replace(gain, name="grid_exploitability", unit="money", mean=-0.005, low=-0.02, high=0.01)
    everybody = replace(own, name="exploitability", mean=0.2)
    estimates = (gain, own, everybody, made.estimate("revenue"))
    found = replace(made, estimates=estimates, details={**made.details, "gains_scale": 0.5})
    assert "20 ± 10 % of equilibrium utility; by bids of its own grid, next to nothing, −1.0 ± 3.0 %." in headline(
        found
    )


def test_truthfulness_has_its_own_verdict_beside_revenue(make, tmp_path):
    analysis = make(truthful=True, noise=0.001)
    off = replace(analysis.truthfulness[1], theory=0.0, margin=0.01, verdict="not converged")
    found = page(replace(analysis, truthfulness=(analysis.truthfulness[0], off)), tmp_path)
    assert "Verdict: revenue ✓ converged bids ✗ not truthful" in found
