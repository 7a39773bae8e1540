"""Commands that play and judge: run, report, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from auctionlab.cli.shared import (
    Refusal,
    database_option,
    json_option,
    open_store,
    plugin_option,
    print_json,
    sets_option,
    writing,
)


@click.command(short_help="Run an experiment.")
@click.argument("config")
@sets_option
@click.option("--rounds", type=int, help="Rounds to play, instead of the config's.")
@click.option("--replications", type=int, help="Independent copies of the market; more make intervals narrower.")
@click.option("--seed", type=int, help="Seed of all randomness.")
@database_option
@click.option("--again", is_flag=True, help="Play a finished experiment once more, as a new run.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes that play the points of a sweep.")
@plugin_option
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@json_option
def run(
    config: str,
    sets: tuple[str, ...],
    database: str | None,
    again: bool,
    workers: int,
    quiet: bool,
    as_json: bool,
    **numbers: Any,
) -> None:
    """Run an experiment, or every point of a [sweep]: a gallery name, or a path to a TOML file.

    A stopped or killed run goes on where it was when the same command is given again.

    \b
    Examples:
      auctionlab run first-price
      auctionlab run my.toml --set mechanism.reserve=0.3 --replications 200 --database sqlite:///lab.db
      auctionlab run sweep-learning-rates --workers 2
    """
    from auctionlab.experiments import api, sweep
    from auctionlab.experiments.progress import RoundBar

    overrides = [*sets, *(f"{key}={value}" for key, value in numbers.items() if value is not None)]
    silent = quiet or as_json
    options: dict[str, Any] = {"database": database, "again": again}
    if sweep.is_sweep(config, overrides):
        _run_sweep(sweep.load_sweep(config, overrides), silent, quiet, as_json, workers=workers, **options)
        return
    if not silent:
        options["tell"] = lambda message: click.echo(message, err=True)
    with RoundBar() as bar:
        if not silent and sys.stderr.isatty():
            options["observe"] = bar.watch
        result = api.run(config, overrides, **options)
    if as_json:
        print_json(result.analysis().to_json())
    elif not quiet:
        click.echo(result.summary())


def _run_sweep(points: Any, silent: bool, quiet: bool, as_json: bool, **options: Any) -> None:
    """Run the points of a sweep; exit code 2 where one fails."""
    from auctionlab.experiments.progress import SweepBar
    from auctionlab.experiments.sweeping import run_sweep

    with SweepBar([p.label for p in points.points], [p.config.rounds for p in points.points]) as bar:
        if not silent:
            options["tell"] = bar.tell
        if not silent and sys.stderr.isatty():
            options["watch"] = bar.watch
        result = run_sweep(points, **options)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        click.echo(result.summary())
    if result.failures:
        first = result.failures[0]
        others = f", and {len(result.failures) - 1} more" if len(result.failures) > 1 else ""
        raise Refusal(
            f"{len(result.failures)} of {len(result.run_ids)} points failed: "
            f"point {first.number} ({first.point}): {first.reason}{others}"
        )


@click.command(short_help="Judge a run or a sweep: an HTML page and a summary.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--compare", is_flag=True, help="Several runs side by side: report --compare 3 4 5")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Where the HTML page goes.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--png", is_flag=True, help="Also every figure as PNG, beside the page.")
@click.option("--svg", is_flag=True, help="Also every figure as SVG, beside the page.")
@click.option("--csv", is_flag=True, help="Also the numbers of every figure as CSV, beside the page.")
@database_option
@plugin_option
@json_option
def report(
    runs: tuple[str, ...],
    compare: bool,
    output: Path | None,
    show: bool,
    database: str | None,
    as_json: bool,
    **files: bool,
) -> None:
    """Judge a run: its id, its name, or "last". Writes one self-contained HTML page and prints a summary.

    The name of a sweep, or "last" after one, is the report of all its points; their ids are the reports of each.

    \b
    Examples:
      auctionlab report last --open
      auctionlab report 3 --output first-price.html --png --csv
      auctionlab report --compare 3 4 5
      auctionlab report sweep-learning-rates --open
    """
    from auctionlab.experiments.reporting import subject

    references = runs or ("last",)
    if len(references) > 1 and not compare:
        raise click.UsageError(f"one run at a time; side by side: auctionlab report --compare {' '.join(references)}")
    if compare and len(references) < 2:
        raise click.UsageError("--compare needs at least two runs, for example: auctionlab report --compare 3 4")
    found = subject(references, compare, database)
    if as_json:
        print_json(found.to_json())
        if output is None and not show and not any(files.values()):
            return
    path = output or Path(f"{file_name(found.name)}.html")
    figures: dict[str, Any] = {"formats": [kind for kind in ("png", "svg") if files[kind]]}
    if files["csv"]:
        figures["figures_folder"] = path.with_name(f"{path.stem}-figures")
    writing(path, lambda: found.write(path, **figures))
    if not as_json:
        click.echo(found.summary())
    click.echo(f"wrote {path}", err=True)
    if show:
        click.launch(path.resolve().as_uri())


@click.command(short_help="All bids of a run as Parquet or CSV, with a codebook.")
@click.argument("run", metavar="RUN")
@click.option("--to", "target", required=True, metavar="FILE", help="bids.parquet or bids.csv")
@database_option
def export(run: str, target: str, database: str | None) -> None:
    """Write every recorded bid of a run to one file, with a codebook of its columns beside it.

    \b
    Examples:
      auctionlab export 3 --to bids.parquet
      auctionlab export last --to bids.csv
    """
    from auctionlab.experiments.export import export_bids
    from auctionlab.experiments.sweep_result import is_recorded_sweep

    if is_recorded_sweep(run, database):
        raise Refusal(f"{run!r} is a sweep: export a point of it by its id, which `auctionlab list runs` shows")
    with open_store(database) as store:
        rows = export_bids(store, store.run(run), target)
    click.echo(
        f"wrote {rows:,} bids to {target}, and what the columns mean to {Path(target).with_suffix('.codebook.md')}"
    )


def file_name(name: str) -> str:
    """A name without what file systems mind."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
