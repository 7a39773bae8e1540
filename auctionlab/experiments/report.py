"""The report of a run: one HTML file that needs nothing else, and a summary as plain text.

write_report(analysis, "report.html")
write_report(analysis, "report.html", formats=("png", "svg"))     # figures and their numbers beside it, too
print(text_summary(analysis))
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from auctionlab.experiments import findings, wording
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.compare import compare_report, compare_summary
from auctionlab.experiments.page import write_page
from auctionlab.experiments.paper_pictures import paper_pictures
from auctionlab.experiments.pictures import pictures, write_pictures
from auctionlab.experiments.plots import estimates_table
from auctionlab.experiments.tables import plain_table

__all__ = ["compare_report", "compare_summary", "text_summary", "write_report"]


def write_report(
    analysis: Analysis, path: str | Path, *, figures_folder: str | Path | None = None, formats: Iterable[str] = ()
) -> Path:
    """Write the report as one HTML file; its path.

    formats : "png", "svg" or "pdf": figures are also written as files of these, with their numbers as CSV, into
        `figures_folder` (default: beside the report, "<name>-figures"). A folder without formats gets the CSV files.
    """
    path, formats, paper = Path(path), tuple(formats), findings.of_analysis(analysis)
    shown = [*paper_pictures(paper), *pictures(analysis)]
    if figures_folder is not None or formats:
        folder = figures_folder if figures_folder is not None else path.with_name(f"{path.stem}-figures")
        write_pictures(shown, {"estimates": estimates_table(analysis)}, folder, formats)
    run = analysis.run
    return write_page(
        path,
        "report.html",
        shown,
        analysis=analysis,
        run=run,
        verdicts=wording.verdicts(analysis),
        unfinished=unfinished(analysis),
        meaning=wording.meaning(analysis),
        facts=wording.facts(analysis),
        rows=[wording.estimate_row(estimate) for estimate in wording.key_estimates(analysis)],
        learned=[wording.estimate_row(estimate) for estimate in wording.learned_estimates(analysis)],
        developed=developed(analysis),
        strategies=_narrow(strategy_rows(analysis)),
        description=paragraphs(str(analysis.config.get("description", ""))),
        paper=paper,
        method=wording.METHOD,
        toml=wording.toml_document(shown_config(analysis)),
        provenance=provenance(analysis),
        commands=commands(analysis),
    )


def text_summary(analysis: Analysis) -> str:
    """The judged result as aligned plain text, for a terminal."""
    run = analysis.run
    badge = wording.verdicts(analysis)[0][1]
    blocks = [f"Run {run.id}, {run.name}: {wording.facts(analysis)}"]
    blocks += [f"{badge.icon} {analysis.headline}"]
    blocks += [note for note in (unfinished(analysis), *analysis.notes) if note]
    rows = [wording.estimate_row(estimate) for estimate in wording.key_estimates(analysis)]
    cells = [[row["label"], row["mean"], row["interval"], row["theory"], row["margin"], _verdict(row)] for row in rows]
    columns = ["in the judged rounds", "mean", "95 % interval", "equilibrium", "margin", "verdict"]
    tables = [plain_table(columns, cells)] if cells else []  # nothing is left where every replication was stopped
    learned = [wording.estimate_row(estimate) for estimate in wording.learned_estimates(analysis)]
    if learned:
        cells = [[row["label"], row["mean"], row["interval"], _verdict(row)] for row in learned]
        tables.append(plain_table(["how play developed", "value", "95 % interval", "verdict"], cells))
    strategies = turned(strategy_rows(analysis))
    if len(strategies["columns"]) > 2:
        tables.append(plain_table([textwrap.shorten(name, 24) for name in strategies["columns"]], strategies["rows"]))
    paper = findings.of_analysis(analysis)
    if paper is not None:
        blocks.insert(1, paper.headline)
        tables.insert(0, paper.text())
    return "\n\n".join([textwrap.fill(block, 100) for block in blocks] + tables) + "\n"


def unfinished(analysis: Analysis) -> str:
    """What to know of a run that has not been played to its end; empty for a finished one."""
    run = analysis.run
    if run.status == "finished":
        return ""
    told = f"Not finished: {run.round:,} of {run.rounds:,} rounds are played."
    return told if run.status == "running" else f"{told} The same command goes on from there."


def developed(analysis: Analysis) -> str:
    """What the table of how play developed is about, and how many replications were followed for it."""
    told, total = "How play developed from the first round on", analysis.run.replications
    counts: dict[bool, list[int]] = {False: [], True: []}  # whether of best replies, which are sought in fewer
    for found in wording.learned_estimates(analysis):
        counts[found.name.startswith("exploitability")].append(found.n)
    for what, some in zip(("regret, convergence and cycles", "best replies"), counts.values(), strict=True):
        if some and min(some) < total:
            told += f"; {what} over the first {min(some):,} replications"
    return told


def strategy_rows(analysis: Analysis) -> dict[str, Any]:
    """Columns and rows, in words, of the table of strategies; columns without a number are left out."""
    table = analysis.by_strategy
    wanted = {
        "members": "bidders",
        "utility": "utility",
        "utility_theory": "utility in equilibrium",
        "bid": "mean bid",
        "participation": "takes part",
        "distance": "distance to equilibrium bids",
        "exploitability": "gain from a best reply",
        "grid_exploitability": "the same on the own grid",
        "exploitability_last": "to the last play",
        "exploitability_average": "to average play",
        "regret": "regret",
        "swap_regret": "swap regret",
        "bid_drift": "drift of the mean bid",
        "persistence": "persistence of the mean bid",
        "cycling": "cycling",
        "truthful": "truthful bids",
        "deviation": "distance to truth",
        "stake": "payoff at stake",
    }
    shares = {"participation", "truthful", "cycling"}
    columns = {key: label for key, label in wanted.items() if key in table and table[key].notna().any()}
    roles = len(table) and table["role"].nunique() > 1
    rows = []
    for record in table.to_dict("records"):
        who = f"{record['strategy']}, role {record['role']}" if roles else str(record["strategy"])
        cells = [wording.amount(float(record[key]), "share" if key in shares else "") for key in columns]
        rows.append([who, *cells])
    return {"columns": ["strategy", *columns.values()], "rows": rows}


def turned(table: dict[str, Any]) -> dict[str, Any]:
    """The same table with rows for columns."""
    first, *rest = zip(table["columns"], *table["rows"], strict=True)
    return {"columns": first, "rows": rest}


def _narrow(table: dict[str, Any]) -> dict[str, Any]:
    """The table of strategies with a column each where they are fewer than what is told of them; nothing for one."""
    if len(table["rows"]) < 2:
        return {"columns": (), "rows": []}
    return turned(table) if len(table["rows"]) < len(table["columns"]) else table


def shown_config(analysis: Analysis) -> dict[str, Any]:
    """The config document with no password in it."""
    document = dict(analysis.config)
    record = document.get("record")
    if isinstance(record, dict) and isinstance(record.get("database"), str):
        document["record"] = {**record, "database": wording.hide_password(record["database"])}
    return document


def provenance(analysis: Analysis) -> list[tuple[str, str]]:
    """Where the numbers come from: run, seed, dates, versions, database."""
    run = analysis.run
    first, last = analysis.window
    found = [
        ("Run", f"{run.id} ({run.status})"),
        ("Seed", str(run.seed)),
        ("Judged rounds", f"{first + 1:,} to {last:,} of {run.rounds:,}"),
        ("Started", _when(run.started)),
        ("Finished", _when(run.finished)),
        ("Database", _database(analysis)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (run.versions or {}).items())),
        ("Fingerprint", str(run.fingerprint)),
    ]
    if analysis.equilibrium is not None:
        found.append(("Equilibrium by", analysis.equilibrium.method))
        found.append(("Certificate", analysis.equilibrium.certificate))
    return [(name, text) for name, text in found if text]


def commands(analysis: Analysis) -> list[tuple[str, str]]:
    """Command lines, each with what it does."""
    run, database = analysis.run, _database(analysis)
    option = f" --database {shlex.quote(database)}" if database and "***" not in database else ""
    file = re.sub(r"[^\w.-]+", "-", run.name).strip("-.") or "experiment"
    return [
        ("play the same experiment again: save the config above and run it", f"auctionlab run {file}.toml --again"),
        ("write this report again", f"auctionlab report {run.id}{option} --open"),
        ("every bid as a table", f"auctionlab export {run.id}{option} --to {file}.csv"),
    ]


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, which blank lines separate."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _database(analysis: Analysis) -> str:
    stated = analysis.details.get("database") or (analysis.config.get("record") or {}).get("database") or ""
    return wording.hide_password(str(stated))


def _when(moment: Any) -> str:
    text = "" if moment is None else str(moment)
    return re.sub(r"\+00:00$", " UTC", text.replace("T", " "))


def _verdict(row: dict[str, Any]) -> str:
    badge = row["badge"]
    return "" if badge is None else f"{badge.icon} {badge.text}" + (f": {row['needed']}" if row["needed"] else "")
