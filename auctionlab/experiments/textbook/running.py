"""Running entries, in several processes if wanted, and showing them: as rows, as JSON, as a page to teach from."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from auctionlab.experiments.textbook.entries import SEEDS, Entry, Reproduction, entries, find_entry

COLUMNS: Final = ["id", "theory", "computed", "simulated", "± s.e.", "verdict", "seconds", "slip"]


@dataclass(frozen=True)
class Reproduced:
    """An entry with its numbers, and its figure as SVG (empty where there is none or none was asked for)."""

    id: str
    seed: str
    section: str
    topic: str
    statement: str
    theory: float
    formula: str
    computed: float
    tolerance: float
    simulated: float | None
    standard_error: float | None
    verdict: str
    note: str
    correction: str
    method: str  # how it is computed, from the entry's docstring
    seconds: float
    svg: str

    @property
    def source(self) -> str:
        """The document."""
        return SEEDS[self.seed]

    @property
    def simulation(self) -> str:
        """The simulated value with its standard error, in words; empty where nothing is played."""
        if self.simulated is None or self.standard_error is None:
            return ""
        return f"{self.simulated:.6g} ± {self.standard_error:.1g}"

    def row(self) -> list[Any]:
        """Its line in the table."""
        numbers = [f"{self.theory:.6g}", f"{self.computed:.6g}"]
        return [
            self.id, *numbers, self.simulated, self.standard_error, self.verdict, round(self.seconds, 1),
            "corrected" if self.correction else "",
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        keys = ("id", "seed", "section", "statement", "theory", "computed", "simulated", "standard_error", "verdict")
        return {key: getattr(self, key) for key in keys}


def reproduce(ids: Sequence[str] | None = None, figures: bool = False, workers: int | None = None) -> list[Reproduced]:
    """Run these entries, by default all, in the order of the textbook. Raises UnknownName for an unknown id."""
    chosen = list(entries()) if ids is None else [find_entry(id).id for id in ids]
    count = min(workers or os.cpu_count() or 1, len(chosen))
    if count == 1:
        return [run(id, figures) for id in chosen]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        return list(pool.map(partial(run, figures=figures), chosen))


def run(id: str, figures: bool = False) -> Reproduced:
    """Run one entry."""
    item = find_entry(id)
    start = time.perf_counter()
    found = item.compute()
    seconds = time.perf_counter() - start
    return Reproduced(
        item.id, item.seed, item.section, item.topic, item.statement,
        float(found.theory), found.formula, float(found.computed), float(found.tolerance),
        None if found.simulated is None else float(found.simulated),
        None if found.standard_error is None else float(found.standard_error),
        found.verdict, found.note, found.correction, inspect.getdoc(item.compute) or "", seconds,
        _drawn(item, found) if figures else "",
    )  # fmt: skip


def summary(found: Sequence[Reproduced]) -> str:
    """How many agree."""
    verdicts = Counter(item.verdict for item in found)
    words = {"agrees": "agree", "differs": "differ", "undecided": "undecided"}
    told = ", ".join(f"{verdicts[name]} {word}" for name, word in words.items() if verdicts[name])
    slips = sum(bool(item.correction) for item in found)
    return f"{len(found)} statements: {told}; {slips} with a correction to the text"


def write_html(path: Path, found: Sequence[Reproduced]) -> Path:
    """One page with every statement, its numbers and its figure."""
    from markupsafe import Markup

    from auctionlab.experiments.page import write_page

    rows = [(item, Markup(item.svg)) for item in found]
    topics = [(name, list(group)) for name, group in groupby(rows, key=lambda row: row[0].topic)]
    return write_page(path, "textbook.html", [], topics=topics, found=found, summary=summary(found), seeds=SEEDS)


def _drawn(item: Entry, found: Reproduction) -> str:
    if found.figure is None:
        return ""
    from auctionlab.experiments.drawing import COLOURS, chart, inline_svg

    with chart() as (figure, axes):
        axes.set_prop_cycle(color=COLOURS)
        found.figure(axes)
        if axes.get_legend() is not None:
            axes.get_legend().get_frame().set(facecolor="none", edgecolor="none")
    return inline_svg(figure, item.id.replace(".", "-"), item.statement)
