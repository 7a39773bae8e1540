"""What a paper found beside what this run found: each finding of [paper] judged from one value a replication.

A number is an equivalence claim and is tested as one (TOST with the finding's margin); a direction agrees or differs
where the whole 95 % interval lies on one side of its threshold. Points of a sweep with equal seeds are paired by
replication.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import pandas as pd

from auctionlab.arrays import Array
from auctionlab.experiments.config import Config, load_config
from auctionlab.experiments.convergence import CONVERGED, NOT_CONVERGED, Equivalence, equivalence, tost
from auctionlab.experiments.paper import Finding, Paper, Quantity, metric_words
from auctionlab.experiments.parties import parties_of
from auctionlab.experiments.sweep import key_labels, value_label
from auctionlab.experiments.tables import plain_data, plain_table
from auctionlab.experiments.wording import Badge, amount, needed, plus_minus

AGREES: Final = "agrees"
DIFFERS: Final = "differs"
UNDECIDED: Final = "undecided"
NOT_PLAYED: Final = "not played"
BADGES: Final = {
    AGREES: Badge("✓", AGREES, "good"),
    DIFFERS: Badge("✗", DIFFERS, "bad"),
    UNDECIDED: Badge("?", UNDECIDED, "open"),
    NOT_PLAYED: Badge("–", NOT_PLAYED, "none"),
}
_WIDE: Final = 60  # characters of a finding in a line of text


@dataclass(frozen=True)
class Played:
    """One run: its config, and `values(name, strategy, role)`, one value a replication or None where not measured."""

    config: Config
    values: Callable[[str, str | None, int | None], Array | None]


@dataclass(frozen=True)
class Judged:
    """A finding beside this run: the mean over replications with its 95 % interval, and whether the two agree.

    quantity : what was compared, in words; metric : of it the metric alone; where : of it the point and the strategy;
    paper : the claim in words, which holds from holds_from to holds_to; needed : replications that would decide it with
    80 % power, where undecided and known. mean, low, high : NaN where nothing was measured.
    """

    text: str
    quantity: str
    metric: str
    where: str
    paper: str
    holds_from: float
    holds_to: float
    mean: float
    low: float
    high: float
    n: int
    verdict: str
    needed: int | None = None

    @property
    def badge(self) -> Badge:
        return BADGES[self.verdict]

    @property
    def found(self) -> str:
        """This run's number: "0.237 ± 0.018"."""
        return plus_minus(self.mean, self.low, self.high)


@dataclass(frozen=True)
class Comparison:
    """All findings of a paper beside what was played."""

    citation: str
    findings: tuple[Judged, ...]

    @property
    def headline(self) -> str:
        """How many agree, in a sentence."""
        agreeing, several = self.counts[AGREES], len(self.findings)
        what = "finding of the paper agrees" if several == 1 else "findings of the paper agree"
        shown = [f"{agreeing} of {several} {what} with this run"]
        others = [(count, _OTHERWISE[verdict]) for verdict, count in self.counts.items() if count and verdict != AGREES]
        shown += [f"{count} {words[count > 1]}" for count, words in others]
        return "; ".join(shown) + "."

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each verdict."""
        return {verdict: sum(found.verdict == verdict for found in self.findings) for verdict in BADGES}

    @property
    def badges(self) -> list[tuple[Badge, int]]:
        """The verdicts that occur, each with its number of findings."""
        return [(BADGES[verdict], count) for verdict, count in self.counts.items() if count]

    def rows(self) -> list[dict[str, Any]]:
        """The table in words: text, quantity, paper, found, badge, needed."""
        return [
            {key: getattr(found, key) for key in ("text", "quantity", "paper", "found", "badge")}
            | {"needed": needed(found.needed) if found.verdict == UNDECIDED else ""}
            for found in self.findings
        ]

    def text(self) -> str:
        """The same as aligned plain text."""
        lines: list[list[str]] = []
        for row in self.rows():
            verdict = f"{row['badge'].icon} {row['badge'].text}" + (f": {row['needed']}" if row["needed"] else "")
            words = textwrap.wrap(row["text"], _WIDE) + textwrap.wrap(f"[{row['quantity']}]", _WIDE)
            lines += [[words[0], row["paper"], row["found"], verdict], *([line, "", "", ""] for line in words[1:])]
            lines.append(["", "", "", ""])
        table = plain_table(["the paper finds", "paper", "this run", "verdict"], lines[:-1])
        return f"{textwrap.fill(self.citation, 100)}\n\n{table}"

    def to_json(self) -> dict[str, Any]:
        """Plain data in full precision."""
        return dict(plain_data(asdict(self)))


_OTHERWISE: Final = {  # one, several
    DIFFERS: ("differs", "differ"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_PLAYED: ("was not played", "were not played"),
}


def of_analysis(analysis: Any) -> Comparison | None:
    """The findings that one run can be held to, from its Analysis; None where its config names no paper."""
    if not analysis.config.get("paper"):
        return None
    config = load_config(analysis.config)
    return compare(config.paper, [Played(config, reader(analysis.samples))], whole=False)


def of_runs(documents: Sequence[dict[str, Any]], samples: Callable[[int], pd.DataFrame]) -> Comparison | None:
    """The findings beside the points of a sweep; samples : the window's metrics of the k-th, columns as SAMPLES."""
    if not documents or not documents[0].get("paper"):
        return None
    played = [Played(load_config(document), reader(samples(k))) for k, document in enumerate(documents)]
    return compare(played[0].config.paper, played)


def reader(samples: pd.DataFrame) -> Callable[[str, str | None, int | None], Array | None]:
    """Looks up metrics in a table with the columns name, strategy, role, replication, value."""

    def values(name: str, strategy: str | None, role: int | None) -> Array | None:
        rows = samples[samples["name"] == name]
        rows = rows[rows["strategy"].isna() if strategy is None else rows["strategy"] == strategy]
        rows = rows[rows["role"].isna() if role is None else rows["role"] == role]
        return None if rows.empty else rows.sort_values("replication")["value"].to_numpy(float)

    return values


def compare(paper: Paper | None, played: Sequence[Played], *, whole: bool = True) -> Comparison | None:
    """Each finding beside what was played; whole : also those that were not."""
    if paper is None:
        return None
    keys = {key: None for finding in paper.findings for quantity in finding.quantities for key in quantity.at or {}}
    found = [_judge(finding, played, key_labels(keys)) for finding in paper.findings]
    kept = tuple(
        one
        for one, finding in zip(found, paper.findings, strict=True)
        if whole
        or one.verdict != NOT_PLAYED
        or all(any(quantity.fits(run.config.document) for run in played) for quantity in finding.quantities)
    )  # of a single run: what is about it, though it may not have been measured there
    return Comparison(paper.citation, kept) if kept else None


def _judge(finding: Finding, played: Sequence[Played], labels: dict[str, str]) -> Judged:
    name = metric_words(str(finding.metric)) + (", difference" if finding.minus is not None else "")
    words = finding.text, _quantity(finding, labels), name, _where(finding, labels), claim(finding), *_range(finding)
    samples, runs = [], []
    for quantity in finding.quantities:
        run = next((run for run in played if quantity.fits(run.config.document)), None)
        values = None if run is None else _values(quantity, run)
        if run is None or values is None:
            return Judged(*words, math.nan, math.nan, math.nan, 0, NOT_PLAYED)
        samples.append(values)
        runs.append(run.config)
    paired = len({config.seed for config in runs}) == 1
    centre = next(x for x in (finding.equals, finding.above, finding.below) if x is not None)
    test = _test(samples, centre, finding.margin or 0.0, paired)
    at = test.estimate
    verdict = _verdict(finding, test, centre)
    return Judged(*words, at.mean, at.low, at.high, at.n, verdict, test.needed)


def _values(quantity: Quantity, run: Played) -> Array | None:
    party = quantity.party(parties_of(run.config))
    where = (None, None) if party is None else (party.label, party.role)
    return run.values(str(quantity.metric), *where)


def _test(samples: Sequence[Array], centre: float, margin: float, paired: bool) -> Equivalence:
    """Is the mean, or the difference of two, within `margin` of `centre`?  The estimate is not centred."""
    if len(samples) == 1:
        return tost(samples[0], centre, margin)
    test = equivalence(samples[0] - centre, samples[1], margin, paired)
    at = test.estimate
    moved = replace(at, mean=at.mean + centre, low=at.low + centre, high=at.high + centre)
    return replace(test, estimate=moved, theory=centre)


def _verdict(finding: Finding, test: Equivalence, centre: float) -> str:
    if finding.equals is not None:
        return {CONVERGED: AGREES, NOT_CONVERGED: DIFFERS}.get(test.verdict, UNDECIDED)
    at = test.estimate
    if all(math.isclose(end, centre, rel_tol=1e-9, abs_tol=1e-12) for end in (at.low, at.high)):
        return DIFFERS  # every replication is at the bound, and so none beyond it
    if test.verdict != NOT_CONVERGED:  # the interval reaches the threshold
        return UNDECIDED
    return AGREES if (at.mean > centre) == (finding.above is not None) else DIFFERS


# words


def claim(finding: Finding) -> str:
    """What a finding asks of its quantity: "0.24 ± 0.05", "above 0.9"."""
    if finding.equals is not None:
        return f"{amount(finding.equals)} ± {amount(finding.margin)}"
    way, bound = ("above", finding.above) if finding.above is not None else ("below", finding.below)
    return f"{way} {amount(bound)}"


def _quantity(finding: Finding, labels: dict[str, str]) -> str:
    """ "revenue at mechanism first-price, disclose own; less at mechanism second-price" """
    first = _one(finding, labels, {})
    if finding.minus is None:
        return first
    mine = finding.model_dump(include={"metric", "at", "strategy", "role"})
    return f"{first}; less {_one(finding.minus, labels, mine)}"


def _range(finding: Finding) -> tuple[float, float]:
    """Between which numbers the claim holds."""
    if finding.equals is not None and finding.margin is not None:
        return finding.equals - finding.margin, finding.equals + finding.margin
    above, below = finding.above, finding.below
    return (-math.inf if above is None else above), (math.inf if below is None else below)


def _where(finding: Finding, labels: dict[str, str]) -> str:
    """Point and strategy, for the row of a figure: "high at first-price, high reports 2 − first-price"."""
    said = [_one(finding, labels, {"metric": finding.metric})]
    if finding.minus is not None:
        mine = finding.model_dump(include={"metric", "at", "strategy", "role"})
        said.append(_one(finding.minus, labels, mine))
    return " − ".join(part.removeprefix("of ").removeprefix("at ").replace("“", "").replace("”", "") for part in said)


def _one(quantity: Quantity, labels: dict[str, str], known: dict[str, Any]) -> str:
    """The quantity, without what is already known of it."""
    said: list[str] = []
    if quantity.metric != known.get("metric"):
        said.append(metric_words(str(quantity.metric)))
    if (quantity.strategy, quantity.role) != (known.get("strategy"), known.get("role")):
        said.append("of " + ", ".join(_who(quantity)))
    settings = {key: value for key, value in (quantity.at or {}).items() if (known.get("at") or {}).get(key) != value}
    if settings:
        named = (f"{labels[key]} {value_label(value)}" for key, value in settings.items())
        said.append(f"at “{settings['label']}”" if "label" in settings else f"at {', '.join(named)}")
    return " ".join(said)


def _who(quantity: Quantity) -> Iterable[str]:
    if quantity.strategy is not None:
        yield quantity.strategy
    if quantity.role is not None:
        yield f"role {quantity.role}"
