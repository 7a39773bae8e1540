"""Several runs side by side: what differs between them, and whether their revenue is the same (an equivalence test).

compare_report([first, second], "compare.html")
print(compare_summary([first, second]))
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from auctionlab.errors import ConfigError
from auctionlab.experiments import plots, wording
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.convergence import CONVERGED, NOT_CONVERGED, Equivalence, equivalence
from auctionlab.experiments.page import write_page
from auctionlab.experiments.pictures import Picture, write_pictures
from auctionlab.experiments.tables import plain_table, toml_value
from auctionlab.experiments.wording import Badge, amount

_VERDICTS = {CONVERGED: "equivalent", NOT_CONVERGED: "different"}
_BADGES = {
    "equivalent": Badge("✓", "equivalent", "good"),
    "different": Badge("✗", "different", "bad"),
    "undecided": Badge("?", "undecided", "open"),
}
_IGNORED = ("name", "description", "record", "analysis")


@dataclass(frozen=True)
class Pair:
    """Revenue of one run against the first: second − first, and whether they are equal up to the margin.

    verdict : "equivalent", "different" or "undecided".   theory : the difference between the two equilibria, or None.
    paired : both runs have one seed, so replication k of one is set against replication k of the other.
    """

    first: Analysis
    second: Analysis
    test: Equivalence
    theory: float | None
    paired: bool

    @property
    def verdict(self) -> str:
        return _VERDICTS.get(self.test.verdict, "undecided")

    @property
    def badge(self) -> Badge:
        return _BADGES[self.verdict]

    @property
    def needed(self) -> str:
        return wording.needed(self.test.needed) if self.verdict == "undecided" else ""

    @property
    def sentence(self) -> str:
        """The finding, for a student."""
        one, two = (f"{a.run.name} (run {a.run.id})" for a in (self.first, self.second))
        found, margin = self.test.estimate, amount(self.test.margin)
        half = (found.high - found.low) / 2
        mean, low, high = (amount(number, "", half) for number in (found.mean, found.low, found.high))
        said = {
            "equivalent": f"{two} and {one} bring the same revenue, up to a margin of {margin}",
            "different": f"{two} and {one} bring different revenue: the difference exceeds the margin of {margin}",
            "undecided": f"Whether {two} and {one} bring the same revenue, up to a margin of {margin}, is undecided",
        }[self.verdict]
        return f"{said}. Difference: {mean} (95 % interval {low} to {high}).{self._expected()}"

    def _expected(self) -> str:
        if self.theory is None:
            return ""
        if abs(self.theory) <= 1e-3 * self.test.margin:
            return " In equilibrium they bring the same (revenue equivalence)."
        return f" In equilibrium the difference is {amount(self.theory)}."


def compare_runs(analyses: Sequence[Analysis]) -> list[Pair]:
    """Each run against the first, by an equivalence test of revenue at 5 %.

    The margin is the first run's: the one of its own verdict, or its relative margin times its mean revenue.
    """
    if len(analyses) < 2:
        raise ConfigError(f"a comparison takes at least two runs, got {len(analyses)}")
    ids = [analysis.run.id for analysis in analyses]
    if twice := [id for id in ids if ids.count(id) > 1]:
        raise ConfigError(f"a comparison takes different runs, got run {twice[0]} twice")
    return [_pair(analyses[0], other) for other in analyses[1:]]


def compare_report(
    analyses: Sequence[Analysis], path: str | Path, *, figures_folder: str | Path | None = None, formats: Any = ()
) -> Path:
    """Write the comparison as one HTML file; its path. formats and figures_folder as in `write_report`."""
    pairs, path, formats = compare_runs(analyses), Path(path), tuple(formats)
    shown = _pictures(analyses, pairs)
    if figures_folder is not None or formats:
        folder = figures_folder if figures_folder is not None else path.with_name(f"{path.stem}-figures")
        write_pictures(shown, {}, folder, formats)
    return write_page(
        path,
        "compare.html",
        shown,
        title=", ".join(dict.fromkeys(analysis.run.name for analysis in analyses)),
        analyses=analyses,
        pairs=pairs,
        runs=[_run_row(analysis) for analysis in analyses],
        differences=differences(analyses),
        method=_method(pairs),
        command="auctionlab report --compare " + " ".join(str(analysis.run.id) for analysis in analyses),
    )


def compare_summary(analyses: Sequence[Analysis]) -> str:
    """The comparison as aligned plain text, for a terminal."""
    pairs = compare_runs(analyses)
    rows = [_run_row(analysis) for analysis in analyses]
    columns = ["run", "mechanism", "revenue", "95 % interval", "equilibrium", "efficiency", "verdict"]
    keys = ("name", "mechanism", "revenue", "interval", "theory", "efficiency")
    cells = [[*(row[key] for key in keys), f"{row['badge'].icon} {row['badge'].text}"] for row in rows]
    found = [
        textwrap.fill(f"{pair.badge.icon} {pair.sentence}{f' {pair.needed.capitalize()}.' * bool(pair.needed)}", 100)
        for pair in pairs
    ]
    found += [f"Run {a.run.id}: {wording.facts(a)}" for a in analyses if a.details.get("stopped")]
    told = [[key, *values] for key, values in differences(analyses)]
    tables = [plain_table(columns, cells)]
    if told:
        tables.append(plain_table(["setting", *(f"run {analysis.run.id}" for analysis in analyses)], told))
    return "\n\n".join([*found, *tables]) + "\n"


def pairs_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """The differences as a table in full precision."""
    return pd.DataFrame(
        {
            "first": pair.first.run.id,
            "second": pair.second.run.id,
            "difference": pair.test.estimate.mean,
            "low": pair.test.estimate.low,
            "high": pair.test.estimate.high,
            "n": pair.test.estimate.n,
            "theory": pair.theory,
            "margin": pair.test.margin,
            "p": pair.test.p,
            "paired": pair.paired,
            "verdict": pair.verdict,
            "needed": pair.test.needed,
        }
        for pair in pairs
    )


def differences(analyses: Sequence[Analysis]) -> list[tuple[str, list[str]]]:
    """The settings in which the runs differ: key, and its value in each run."""
    flat = [dict(_flatten({k: v for k, v in a.config.items() if k not in _IGNORED})) for a in analyses]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    rows = [(key, [settings.get(key, "–") for settings in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _pair(first: Analysis, second: Analysis) -> Pair:
    one, two = (_revenue(analysis) for analysis in (first, second))
    margin = _margin(first, one)
    paired = first.run.seed == second.run.seed
    if paired:
        joint = pd.concat([one, two], axis=1, join="inner")
        test = equivalence(joint.iloc[:, 1], joint.iloc[:, 0], margin, paired=True)
    else:
        test = equivalence(two, one, margin)
    known = first.equilibrium is not None and second.equilibrium is not None
    theory = second.equilibrium.revenue - first.equilibrium.revenue if known else None  # type: ignore[union-attr]
    return Pair(first, second, test, theory, paired)


def _revenue(analysis: Analysis) -> pd.Series:
    rows = analysis.samples[(analysis.samples["name"] == "revenue") & analysis.samples["strategy"].isna()]
    if rows.empty:
        raise ConfigError(f"run {analysis.run.id} ({analysis.run.name}) has no revenue to compare")
    return rows.set_index("replication")["value"].astype(float)


def _margin(analysis: Analysis, revenue: pd.Series) -> float:
    estimate = analysis.estimate("revenue")
    if estimate is not None and estimate.margin is not None:
        return estimate.margin
    relative = float((analysis.config.get("analysis") or {}).get("margin", 0.02))
    return relative * abs(float(revenue.mean())) or relative


def _run_row(analysis: Analysis) -> dict[str, Any]:
    revenue, efficiency = analysis.estimate("revenue"), analysis.estimate("efficiency")
    row = wording.estimate_row(revenue) if revenue is not None else dict.fromkeys(("mean", "interval", "theory"), "–")
    return {
        "name": f"{analysis.run.id} {analysis.run.name}",
        "facts": wording.facts(analysis),
        "mechanism": wording.kind(analysis.config["mechanism"]),
        "revenue": row["mean"],
        "interval": row["interval"],
        "theory": row["theory"],
        "efficiency": wording.estimate_row(efficiency)["mean"] if efficiency is not None else "–",
        "badge": wording.badge(revenue),
        "needed": row.get("needed", ""),
        "headline": analysis.headline,
        "unfinished": analysis.run.status != "finished",
    }


def _pictures(analyses: Sequence[Analysis], pairs: Sequence[Pair]) -> list[Picture]:
    """Differences in revenue; revenue and efficiency of all runs, where measured."""
    captions = {
        "revenue": "Dot: average revenue in the judged rounds; bar: 95 % interval over replications. "
        "Upright mark: the run's own Bayes-Nash equilibrium (BNE); grey: the margin around it.",
        "efficiency": "Dot: value created as a share of the most that was possible, in the judged rounds.",
    }
    made = [_differences_picture(pairs)]
    for name, caption in captions.items():
        found = [(analysis, analysis.estimate(name)) for analysis in analyses]
        measured = [(analysis, estimate) for analysis, estimate in found if estimate is not None]
        if not measured:
            continue
        told = "; ".join(f"{a.run.name} {amount(e.mean, e.unit)} ({wording.interval(e)})" for a, e in measured)
        tables = [(a.run.id, plots.estimates_table(a)) for a, _ in measured]
        rows = [table[(table["name"] == name) & table["strategy"].isna()].assign(run=run) for run, table in tables]
        title, data = name.capitalize(), pd.concat(rows, ignore_index=True)
        figure = plots.plot_comparison(analyses, name)
        made.append(Picture(f"compare-{name}", title, f"{title}: {told}.", caption, figure, data))
    return made


def _differences_picture(pairs: Sequence[Pair]) -> Picture:
    rows = []
    for pair in pairs:
        found = pair.test.estimate
        name = f"run {pair.second.run.id} less run {pair.first.run.id}"
        rows.append((name, found.mean, found.low, found.high, pair.test.margin))
    caption = (
        "Revenue of each run less that of the first. Dot: the average; bar: 95 % interval; grey: the margin around 0. "
        "Runs are equivalent when the difference is shown to lie in the grey."
    )
    alt = " ".join(pair.sentence for pair in pairs)
    figure = plots.plot_differences(rows)
    return Picture("differences", "Differences in revenue", alt, caption, figure, pairs_table(pairs))


def _method(pairs: Sequence[Pair]) -> list[str]:
    paired = {
        True: "Runs with the same seed deal the same values in replication k, so they are compared replication by "
        "replication (paired t tests).",
        False: "Runs with different seeds are independent and are compared by Welch's t tests.",
    }
    return [
        "Equal revenue is a claim of closeness, so it is tested as one (TOST): two one-sided t tests, each at 5 %, "
        "ask whether the difference lies above minus the margin and below the margin, and only if both say yes are "
        "two runs “equivalent”. They are “different” where the whole 95 % interval of the difference lies outside the "
        "margin, and “undecided” otherwise. Each run is tested against the first one.",
        *(paired[kind] for kind in sorted({pair.paired for pair in pairs}, reverse=True)),
    ]


def _flatten(table: Any, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(table, dict):
        return [item for key, value in table.items() for item in _flatten(value, f"{prefix}{key}.")]
    if isinstance(table, list) and table and all(isinstance(item, dict) for item in table):
        return [item for i, value in enumerate(table) for item in _flatten(value, f"{prefix}{i}.")]
    if table is None:
        return [(prefix[:-1], "none")]
    return [(prefix[:-1], str(table) if isinstance(table, str) else toml_value(table))]
