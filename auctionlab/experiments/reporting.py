"""What `auctionlab report` is asked for: one run, several side by side, or a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from auctionlab.errors import ConfigError
from auctionlab.experiments import api
from auctionlab.experiments.sweep_result import SweepResult, is_recorded_sweep


@dataclass(frozen=True)
class Subject:
    """Something to report on: its name for files, its data, its summary, and what writes its page."""

    name: str
    to_json: Callable[[], Any]
    summary: Callable[[], str]
    write: Callable[..., Path]  # (path, *, figures_folder=None, formats=())


def subject(references: Sequence[str], compare: bool = False, database: str | None = None) -> Subject:
    """What run ids, names, or "last" stand for; a name is the sweep's where its newest run is a point of one."""
    from auctionlab.experiments import report

    if not compare and is_recorded_sweep(references[0], database):
        sweep = SweepResult.load(references[0], database)
        return Subject(sweep.name, sweep.to_json, sweep.summary, sweep.report)
    for reference in references:
        if is_recorded_sweep(reference, database):
            runs = SweepResult.load(reference, database).run_ids
            raise ConfigError(
                f"--compare: {reference!r} is a sweep of {len(runs)} points, which its own report compares; name runs "
                f"of it by their numbers, for example {runs[0]} {runs[-1]}"
            )
    analyses = [api.load(reference, database).analysis() for reference in references]
    if compare:
        return Subject(
            "-".join(["compare", *(str(analysis.run.id) for analysis in analyses)]),
            lambda: [analysis.to_json() for analysis in analyses],
            partial(report.compare_summary, analyses),
            partial(report.compare_report, analyses),
        )
    (one,) = analyses
    return Subject(
        f"{one.run.name}-{one.run.id}",
        one.to_json,
        partial(report.text_summary, one),
        partial(report.write_report, one),
    )
