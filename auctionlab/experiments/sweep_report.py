"""The report of a sweep: one HTML file that needs nothing else, and a summary as plain text.

write_sweep_report(result, "sweep.html", formats=("png",))
print(sweep_summary(result))
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from auctionlab.errors import AuctionlabError
from auctionlab.experiments import sources, wording
from auctionlab.experiments.convergence import CONVERGED, NOT_CONVERGED, UNDECIDED
from auctionlab.experiments.page import write_page
from auctionlab.experiments.paper_pictures import paper_pictures
from auctionlab.experiments.pictures import write_pictures
from auctionlab.experiments.report import paragraphs
from auctionlab.experiments.sweep import key_labels, load_sweep, point_label, value_label
from auctionlab.experiments.sweep_pictures import sweep_pictures
from auctionlab.experiments.sweep_result import SweepResult, records, setting, swept_keys
from auctionlab.experiments.tables import plain_table, toml_value
from auctionlab.experiments.wording import BADGES, Badge, amount, counted
from auctionlab.platform.runs import RunInfo

SHOWN: Final = 500  # points in the table of the page
_UNFINISHED: Final = Badge("…", "not finished", "open")
_FAILED: Final = Badge("!", "failed", "bad")


def write_sweep_report(
    result: SweepResult, path: str | Path, *, figures_folder: str | Path | None = None, formats: Iterable[str] = ()
) -> Path:
    """Write the report of a sweep as one HTML file; its path. formats and figures_folder as in `write_report`."""
    path, formats = Path(path), tuple(formats)
    points, table = result.points, result.table()
    columns, rows = point_rows(points, table)
    paper = result.findings()
    shown = [*paper_pictures(paper), *sweep_pictures(points, table)]
    if figures_folder is not None or formats:
        folder = figures_folder if figures_folder is not None else path.with_name(f"{path.stem}-figures")
        write_pictures(shown, {"points": table}, folder, formats)
    return write_page(
        path,
        "sweep.html",
        shown,
        name=result.name,
        facts=facts(points),
        counts=counts(table),
        headline=headline(points, table),
        description=paragraphs(str(points[0].config.get("description", ""))),
        paper=paper,
        columns=columns,
        rows=rows[:SHOWN],
        more=max(0, len(points) - SHOWN),
        method=wording.METHOD,
        toml=document(points),
        provenance=_provenance(result, points),
        commands=_commands(result),
    )


def sweep_summary(result: SweepResult) -> str:
    """What was found, and the table of points, as aligned plain text."""
    points, table = result.points, result.table()
    blocks = [f"Sweep {result.name}: {facts(points)}", *headline(points, table)]
    blocks += [f"Point {f.number} ({f.point}) failed: {f.reason}" for f in result.failures]
    keys = key_labels(swept_keys(points))
    shown, rows = point_rows(points, table)
    columns = ["run", *({**keys, "label": "point"}[key] for key in keys), *(column.lower() for column in shown)]
    cells = []
    for row in rows:
        badge = f"{row['badge'].icon} {row['badge'].text}" + (f": {row['needed']}" if row["needed"] else "")
        cells.append([str(row["run"]), *row["settings"], *row["cells"], badge][: len(columns)])
    tables, paper = [plain_table(columns, cells)], result.findings()
    if paper is not None:
        blocks.insert(1, paper.headline)
        tables.insert(0, paper.text())
    return (
        "\n\n".join(
            [*(textwrap.fill(block, 100, break_on_hyphens=False, break_long_words=False) for block in blocks), *tables]
        )
        + "\n"
    )


# words


def facts(points: Sequence[RunInfo]) -> str:
    """The sweep in one line: how many points over what, and how much was played at each."""
    labels = list(key_labels(swept_keys(points)).values())
    if labels == ["label"]:
        labels = ["named settings"]
    over = labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
    sizes = {(info.rounds, info.replications) for info in points}
    rounds, replications = next(iter(sizes))
    each = f"; {rounds:,} rounds × {counted(replications, 'replication')} at each" if len(sizes) == 1 else ""
    return f"{len(points):,} points over {over}{each}"


def counts(table: pd.DataFrame) -> list[tuple[Badge, int]]:
    """How many points there are of each verdict on revenue, none left out."""
    badges = [_badge(row) for row in records(table)]
    order = [*BADGES.values(), _UNFINISHED, _FAILED]
    return [(badge, badges.count(badge)) for badge in order if badge in badges]


def headline(points: Sequence[RunInfo], table: pd.DataFrame) -> list[str]:
    """What was found, in a few sentences: verdicts, what is furthest from equilibrium, where revenue is highest."""
    rows = records(table)
    done = [row for row in rows if row["status"] == "finished"]
    judged = [row for row in done if row["revenue_verdict"]]
    said = [_verdicts(points, judged)] if judged else []
    own = sum(row["grid_revenue_verdict"] == CONVERGED for row in judged if row["revenue_verdict"] != CONVERGED)
    if own:
        said.append(
            f"At {own:,} of the others it did reach the equilibrium of the learners' own grid of bids and values."
        )
    said += _stopped_words(points, [row for row in rows if row["stopped"]])
    unjudged = sum(math.isfinite(row["revenue"]) for row in done) - len(judged)
    if unjudged:
        where = f"{unjudged:,} of {len(rows):,} points" if len(rows) > 1 else "the point"
        said.append(f"Revenue has no verdict at {where}: no equilibrium bid function is known to compare it with.")
    away = [row for row in judged if row["revenue_verdict"] == "not converged" and math.isfinite(row["revenue_gap"])]
    if away:
        worst = max(away, key=lambda row: abs(row["revenue_gap"]))
        way, gap = "above" if worst["revenue_gap"] > 0 else "below", abs(worst["revenue_gap"])
        said.append(f"Furthest from it: {amount(gap, 'share', gap / 10)} {way} at {_place(points, worst)}.")
    if judged:
        said += _still_gains(points, [row for row in judged if row["revenue_verdict"] == CONVERGED])
    measured = [row for row in done if math.isfinite(row["revenue"])]
    if measured and any(key.split(".")[0] == "mechanism" for key in swept_keys(points)):
        said.append(_highest(points, measured))
    failed = sum(row["status"] == "failed" for row in rows)
    if failed:
        said.append(f"{failed:,} of {len(rows):,} points failed; the same command tries again.")
    if left := len(rows) - len(done) - failed:
        are = "is" if left == 1 else "are"
        said.append(f"{left:,} of {len(rows):,} points {are} not finished; the same command goes on.")
    return said


def _stopped_words(points: Sequence[RunInfo], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where replications do not count because a learner's numbers overflowed."""
    if not rows:
        return []
    most = max(rows, key=lambda row: row["stopped"])
    where = f"{len(rows):,} of {len(points):,} points, most often at " if len(rows) > 1 else ""
    return [
        "The numbers of a learner overflowed, as too high a learning rate makes them, at "
        f"{where}{_place(points, most)}: {_stopped(points, most)} there; stopped replications do not count."
    ]


def _stopped(points: Sequence[RunInfo], row: Mapping[str, Any]) -> str:
    replications = next(info.replications for info in points if info.id == row["run"])
    return f"{row['stopped']:,} of {replications:,} replications {'was' if row['stopped'] == 1 else 'were'} stopped"


def _highest(points: Sequence[RunInfo], done: Sequence[Mapping[str, Any]]) -> str:
    """Where revenue is highest, and how many points may be as high."""
    best = max(done, key=lambda row: row["revenue"])
    theory = f" (equilibrium: {amount(best['revenue_theory'])})" if best["revenue_theory"] > 0 else ""
    near = sum(row["revenue_high"] >= best["revenue_low"] for row in done if row is not best)
    also = f"; {near:,} other {'interval overlaps' if near == 1 else 'intervals overlap'} with it" if near else ""
    return f"Revenue was highest, {_plus_minus(best, 'revenue')}, at {_place(points, best)}{theory}{also}."


def _verdicts(points: Sequence[RunInfo], judged: Sequence[Mapping[str, Any]]) -> str:
    """How many of the judged points reached the equilibrium."""
    of = Counter(row["revenue_verdict"] for row in judged)
    margins = {(info.config.get("analysis") or {}).get("margin", 0.02) for info in points}
    within = f", up to a margin of {100 * next(iter(margins)):g} %" if len(margins) == 1 else ""
    some = f"{len(judged):,} {'point' if len(judged) == 1 else 'points'}"
    parts = [f"Revenue reached the equilibrium at {of[CONVERGED]:,} of {some}{within}"]
    if of[NOT_CONVERGED]:
        parts.append(f"at {of[NOT_CONVERGED]:,} it did not")
    if of[UNDECIDED]:
        parts.append(f"{of[UNDECIDED]:,} {'is' if of[UNDECIDED] == 1 else 'are'} undecided")
    return f"{'; '.join(parts)}."


def _still_gains(points: Sequence[RunInfo], converged: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where revenue is the equilibrium's although play is none: by chance, or on its way past it."""
    gaining = [row for row in converged if row["relative_exploitability_low"] > 0.05]
    if not gaining:
        return []
    most = max(gaining, key=lambda row: row["relative_exploitability"])
    gain = _measured(most, "relative_exploitability", "share")
    return [
        f"The right revenue is not yet an equilibrium: at {_place(points, most)} a best reply would still gain {gain}."
    ]


def _place(points: Sequence[RunInfo], row: Any) -> str:
    return point_label({key: row[key] for key in swept_keys(points)})


def _plus_minus(row: Any, name: str) -> str:
    return wording.plus_minus(row[name], row[f"{name}_low"], row[f"{name}_high"])


# the table

_COLUMNS: Final = ("Revenue", "95 % interval", "Equilibrium", "Efficiency", "Best reply gains", "Verdict")


def point_rows(points: Sequence[RunInfo], table: pd.DataFrame) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns, without those that hold nothing at any point, and the points in words.

    A point is run, settings, cells under the columns, badge (the last column), how many replications would
    decide or were stopped.
    """
    rows = _rows(points, table)
    told = [any(row["cells"][k] != "–" for row in rows) for k in range(len(_COLUMNS) - 1)]
    columns = [*itertools.compress(_COLUMNS, told)]
    columns += [_COLUMNS[-1]] if any(row["badge"] != BADGES[""] for row in rows) else []
    return columns, [{**row, "cells": [*itertools.compress(row["cells"], told)]} for row in rows]


def _rows(points: Sequence[RunInfo], table: pd.DataFrame) -> list[dict[str, Any]]:
    keys, found = swept_keys(points), []
    relative = table["relative_exploitability"].notna().any()
    gain, unit = ("relative_exploitability", "share") if relative else ("exploitability", "")
    for row in records(table):
        half = (row["revenue_high"] - row["revenue_low"]) / 2
        between = "–"
        if half < float("inf"):
            between = " to ".join(amount(row[f"revenue_{end}"], "", half) for end in ("low", "high"))
        needed = row["revenue_needed"]
        notes = [wording.needed(int(needed))] if needed > 0 and row["revenue_verdict"] == UNDECIDED else []
        notes += [_stopped(points, row)] if row["stopped"] else []
        found.append(
            {
                "run": row["run"],
                "point": _place(points, row),
                "settings": [value_label(row[key]) for key in keys],
                "cells": [
                    amount(row["revenue"], "", half),
                    between,
                    amount(row["revenue_theory"]),
                    _measured(row, "efficiency", "share"),
                    _measured(row, gain, unit),
                ],
                "badge": _badge(row),
                "needed": "; ".join(notes),
            }
        )
    return found


def _measured(row: Mapping[str, Any], name: str, unit: str) -> str:
    """With the digits that its interval supports; of shares, tenths of a per cent are enough in a table."""
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2
    return amount(row[name], unit, max(half, 0.01) if unit == "share" else half)


def _badge(row: Mapping[str, Any]) -> Badge:
    if row["status"] == "failed":
        return _FAILED
    return BADGES[row["revenue_verdict"]] if row["status"] == "finished" else _UNFINISHED


# what was run


def document(points: Sequence[RunInfo]) -> str:
    """A config that is this sweep again, as TOML: the first point's, with the [sweep] that makes the others."""
    base = {key: value for key, value in points[0].config.items() if key != "record"}
    base["record"] = {key: value for key, value in points[0].config.get("record", {}).items() if key != "database"}
    keys = list(dict.fromkeys(key for info in points for key in (info.point or {})["settings"]))
    settings = [{key: setting(info, key) for key in keys} for info in points]
    wanted = [info.fingerprint for info in points]
    for swept in (_product(settings), {"points": settings}, {"points": [_whole(info, keys) for info in points]}):
        try:
            made = load_sweep({**base, "sweep": swept})
        except AuctionlabError:
            continue
        if [point.config.fingerprint for point in made.points] == wanted:
            lines = [f"{toml_value(key)} = {toml_value(values)}" for key, values in swept.items() if key != "points"]
            if "points" in swept:
                inner = "".join(f"  {_inline(point)},\n" for point in swept["points"])
                lines = [f"points = [\n{inner}]"]
            return wording.toml_document(base) + "\n[sweep]\n" + "\n".join(lines) + "\n"
    return wording.toml_document(base)


def _product(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of each key, in order of appearance."""
    found: dict[str, list[Any]] = {key: [] for key in settings[0]}
    for key, values in found.items():
        values += [point[key] for i, point in enumerate(settings) if point[key] not in [s[key] for s in settings[:i]]]
    return found


def _whole(info: RunInfo, keys: Sequence[str]) -> dict[str, Any]:
    """The settings of a point as whole tables: of each component in which the points differ."""
    paths = [".".join(key.split(".")[: 3 if key.startswith("agents.") else 1]) for key in keys]
    return {path: sources.at(info.config, path) for path in paths}


def _inline(point: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{toml_value(key)} = {toml_value(value)}" for key, value in point.items()) + " }"


def _provenance(result: SweepResult, points: Sequence[RunInfo]) -> list[tuple[str, str]]:
    ids = [info.id for info in points]
    whole = ids == list(range(ids[0], ids[0] + len(ids)))
    versions = points[0].versions or {}
    return [
        ("Runs", f"{ids[0]} to {ids[-1]}" if whole and len(ids) > 1 else ", ".join(map(str, ids))),
        ("Seed", ", ".join(dict.fromkeys(str(info.seed) for info in points[:10]))),
        ("Database", wording.hide_password(result.database)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]


def _commands(result: SweepResult) -> list[tuple[str, str]]:
    return [
        ("the report of one point, by its run", f"auctionlab report {result.run_ids[0]} --open"),
        ("two points side by side", f"auctionlab report --compare {result.run_ids[0]} {result.run_ids[-1]}"),
        ("the table of points", f"auctionlab report {result.name} --csv"),
    ]
