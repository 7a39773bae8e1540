"""Several runs side by side: the equivalence test is the one of `convergence`, and the page says what it found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from auctionlab.errors import ConfigError
from auctionlab.experiments.compare import compare_runs, differences
from auctionlab.experiments.convergence import equivalence
from auctionlab.experiments.report import compare_report, compare_summary


def revenue(analysis):
    return analysis.samples["value"].to_numpy()


def test_same_seed_is_paired_by_replication(make):
    first, second = make(run_id=1), make(run_id=2)
    shuffled = replace(second, samples=second.samples.sample(frac=1.0, random_state=1))
    (pair,) = compare_runs([first, shuffled])
    expected = equivalence(revenue(second), revenue(first), first.estimate("revenue").margin, paired=True)
    assert pair.paired
    assert pair.test == expected


def test_different_seeds_are_compared_as_independent(make):
    first, second = make(run_id=1), make(run_id=2, seed=8, replications=25)
    (pair,) = compare_runs([first, second])
    assert not pair.paired
    assert pair.test == equivalence(revenue(second), revenue(first), first.estimate("revenue").margin)


@pytest.mark.parametrize(
    ("noise", "off", "verdict", "words"),
    [
        (0.001, 0.0, "equivalent", "bring the same revenue"),
        (0.001, 0.05, "different", "bring different revenue"),
        (0.05, 0.0, "undecided", "is undecided"),
    ],
)
def test_verdict_in_words(make, noise, off, verdict, words):
    first, second = make(run_id=1, noise=noise), make(run_id=2, noise=noise, off=off, kind="second-price")
    (pair,) = compare_runs([first, second])
    assert pair.verdict == verdict
    assert words in pair.sentence
    assert "In equilibrium they bring the same (revenue equivalence)." in pair.sentence
    assert words in " ".join(compare_summary([first, second]).split())


def test_theory_that_differs_is_said(make):
    first, second = make(run_id=1), make(run_id=2)
    richer = replace(second, equilibrium=replace(second.equilibrium, revenue=0.4))
    assert "In equilibrium the difference is 0.06667." in compare_runs([first, richer])[0].sentence
    assert "In equilibrium" not in compare_runs([first, make(run_id=2, benchmark=False)])[0].sentence


def test_margin_without_theory_is_relative_to_the_first_run(make):
    first, second = make(run_id=1, benchmark=False), make(run_id=2)
    (pair,) = compare_runs([first, second])
    assert pair.test.margin == pytest.approx(0.02 * np.mean(revenue(first)))


def test_one_run_or_nothing_measured_is_refused(make):
    with pytest.raises(ConfigError, match="at least two runs, got 1"):
        compare_runs([make()])
    with pytest.raises(ConfigError, match=r"different runs, got run 1 twice"):
        compare_runs([make(run_id=1), make(run_id=1)])
    empty = replace(make(run_id=9), samples=make().samples.iloc[:0])
    with pytest.raises(ConfigError, match=r"run 9 \(first-price\) has no revenue to compare"):
        compare_runs([make(), empty])


def test_only_settings_that_differ_are_listed(make):
    runs = [make(run_id=1), make(run_id=2, name="other", kind="second-price", description="x")]
    assert differences(runs) == [("mechanism.kind", ["first-price", "second-price"])]
    block = [{"strategy": {"kind": "hedge", "rate": rate}} for rate in (None, 0.5)]
    rates = [replace(runs[0], config={**runs[0].config, "agents": [one]}) for one in block]
    assert differences(rates) == [("agents.0.strategy.rate", ["none", "0.5"])]


def test_page_shows_all_runs_and_escapes_them(make, tmp_path):
    evil = "<script>alert(1)</script>"
    runs = [make(run_id=1), make(run_id=2, name=evil, kind="second-price"), make(run_id=3, status="interrupted")]
    html = compare_report(runs, tmp_path / "compare.html", formats=("svg",)).read_text("utf-8")
    assert "<script" not in html
    assert "http" not in html
    for run in runs:
        assert run.headline in html
    for name in ("differences", "compare-revenue", "compare-efficiency"):
        assert f'id="figure-{name}"' in html
    assert "auctionlab report --compare 1 2 3" in html
    written = pd.read_csv(tmp_path / "compare-figures" / "differences.csv", dtype=str)
    assert list(written["difference"].astype(float)) == [pair.test.estimate.mean for pair in compare_runs(runs)]
