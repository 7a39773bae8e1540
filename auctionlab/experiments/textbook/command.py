"""The command `auctionlab reproduce`. It imports the entries when it runs, so that `--help` answers at once."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from auctionlab.experiments.textbook.running import Reproduced


@click.command(short_help="Run the statements of the textbooks.")
@click.argument("statement", required=False)
@click.option("--all", "everything", is_flag=True, help="Every statement, in one table.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes to compute in. [default: one a core]")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A page with figures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, numbers in full precision.")
@click.pass_context
def reproduce(
    ctx: click.Context, statement: str | None, everything: bool, workers: int | None, html: Path | None, as_json: bool
) -> None:
    """Check a proposition, example or problem of the seeds: in theory, by another computation, and by play.

    Without a name it lists every statement. --html alone writes all of them.
    Exits with 1 where a computed or simulated value differs from theory.

    \b
    Examples:
      auctionlab reproduce krishna-prop-5.3
      auctionlab reproduce --all --html textbook.html
    """
    from auctionlab.experiments.tables import json_text, plain_table
    from auctionlab.experiments.textbook import entries, running

    if statement and everything:
        raise click.UsageError("--all takes no statement")
    if not statement and not everything and html is None:
        known = entries.entries().values()
        if as_json:
            rows = [{key: getattr(item, key) for key in ("id", "seed", "section", "statement")} for item in known]
            click.echo(json_text(rows))
            return
        lines = [[item.id, f"{item.seed} {item.section}", textwrap.shorten(item.statement, 90)] for item in known]
        click.echo(plain_table(["id", "where", "statement"], lines))
        return
    found = running.reproduce([statement] if statement else None, figures=html is not None, workers=workers)
    if as_json:
        click.echo(json_text([item.to_json() for item in found]))
    elif statement:
        click.echo(_text(found[0]))
    else:
        click.echo(plain_table(running.COLUMNS, [item.row() for item in found]))
        click.echo(f"\n{running.summary(found)}")
    if html is not None:
        running.write_html(html, found)
        click.echo(f"wrote {html}", err=True)
    if any(item.verdict == "differs" for item in found):
        ctx.exit(1)


def _text(item: Reproduced) -> str:
    """One statement with its numbers."""
    lines = [f"{item.id}: {item.source}, {item.section}", "", textwrap.fill(item.statement, 100), ""]
    parts = [
        ("theory", f"{item.theory:.8g}   {item.formula}"),
        (
            "computed",
            f"{item.computed:.8g}   off by {abs(item.computed - item.theory):.1g}, {item.tolerance:.0e} allowed",
        ),
        ("simulated", item.simulation),
        ("verdict", item.verdict),
        ("correction", item.correction),
        ("how", item.method),
        ("note", item.note),
    ]
    for name, words in parts:
        if words:
            lines += textwrap.wrap(f"{name:<12}{words}", 100, subsequent_indent=" " * 12)
    return "\n".join(lines)
