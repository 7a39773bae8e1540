"""The command line. Commands import what they need when they run, so that `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from auctionlab import __version__
from auctionlab.errors import AuctionlabError, Stopped, suggest
from auctionlab.experiments.textbook.command import reproduce


class _Refusal(click.ClickException):
    """One sentence on stderr and exit code 2, no traceback."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class _Halted(_Refusal):
    """Stopped by Ctrl-C; the exit code is the shell's own for that."""

    exit_code = 130


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AuctionlabError as error:
            raise (_Halted if isinstance(error, Stopped) else _Refusal)(str(error)) from error
        except KeyboardInterrupt:
            raise _Halted("stopped; a run goes on from its last checkpoint with the same command") from None
        except Exception as error:
            from auctionlab.registry import in_plugin

            place = in_plugin(error)
            if not place:
                raise
            raise _Refusal(f"{place}: {type(error).__name__}: {error}") from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}. {suggest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="auctionlab", message="%(prog)s %(version)s")
def main() -> None:
    """Experimental auctions: mechanisms, learning agents, every bid in a database, and an honest verdict.

    \b
      auctionlab list gallery             experiments that are ready to run
      auctionlab run first-price          run one; every bid goes into auctionlab.db
      auctionlab report last --open       did learned play reach the equilibrium?
    """


def _plugins(ctx: click.Context, param: click.Parameter, files: Sequence[str]) -> None:
    if files:
        from auctionlab.registry import load_plugin

        for file in files:
            load_plugin(file)


_sets = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a setting: --set mechanism.reserve=0.3"
)
_database = click.option(
    "--database",
    metavar="URL",
    help="Which database, for example sqlite:///lab.db. [default: AUCTIONLAB_DATABASE, or sqlite:///auctionlab.db]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, numbers in full precision.")
_plugin = click.option(
    "--plugin",
    multiple=True,
    metavar="FILE.py",
    callback=_plugins,
    expose_value=False,
    is_eager=True,
    help="Load mechanisms or strategies of your own.",
)


@main.command(short_help="Run an experiment.")
@click.argument("config")
@_sets
@click.option("--rounds", type=int, help="Rounds to play, instead of the config's.")
@click.option("--replications", type=int, help="Independent copies of the market; more make intervals narrower.")
@click.option("--seed", type=int, help="Seed of all randomness.")
@_database
@click.option("--again", is_flag=True, help="Play a finished experiment once more, as a new run.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes that play the points of a sweep.")
@_plugin
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@_json
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
        _print_json(result.analysis().to_json())
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
        _print_json(result.to_json())
    elif not quiet:
        click.echo(result.summary())
    if result.failures:
        first = result.failures[0]
        others = f", and {len(result.failures) - 1} more" if len(result.failures) > 1 else ""
        raise _Refusal(
            f"{len(result.failures)} of {len(result.run_ids)} points failed: "
            f"point {first.number} ({first.point}): {first.reason}{others}"
        )


@main.command(short_help="Judge a run or a sweep: an HTML page and a summary.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--compare", is_flag=True, help="Several runs side by side: report --compare 3 4 5")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Where the HTML page goes.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--png", is_flag=True, help="Also every figure as PNG, beside the page.")
@click.option("--svg", is_flag=True, help="Also every figure as SVG, beside the page.")
@click.option("--csv", is_flag=True, help="Also the numbers of every figure as CSV, beside the page.")
@_database
@_plugin
@_json
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
        _print_json(found.to_json())
        if output is None and not show and not any(files.values()):
            return
    path = output or Path(f"{_file_name(found.name)}.html")
    figures: dict[str, Any] = {"formats": [kind for kind in ("png", "svg") if files[kind]]}
    if files["csv"]:
        figures["figures_folder"] = path.with_name(f"{path.stem}-figures")
    _writing(path, lambda: found.write(path, **figures))
    if not as_json:
        click.echo(found.summary())
    click.echo(f"wrote {path}", err=True)
    if show:
        click.launch(path.resolve().as_uri())


@main.command(name="list", short_help="What there is: mechanisms, agents, gallery, runs, ...")
@click.argument(
    "what", type=click.Choice(["mechanisms", "agents", "environments", "priors", "risks", "gallery", "runs"])
)
@_database
@_plugin
@_json
def list_(what: str, database: str | None, as_json: bool) -> None:
    """List what there is: mechanisms, agents, environments, priors, risks, gallery configs, or recorded runs.

    \b
    Examples:
      auctionlab list mechanisms
      auctionlab list runs --database sqlite:///lab.db
    """
    from auctionlab.experiments import catalogue, listing

    if what == "runs":
        with _open(database) as store:
            rows = listing.run_rows(store.runs())
        columns = ["id", "name", "status", "round", "rounds", "replications", "seed", "started"]
        if any(row["point"] for row in rows):
            columns.insert(2, "point")
    elif what == "gallery":
        rows, columns = listing.gallery_rows(), ["name"]
    else:
        rows = catalogue.entries(what)
        columns = ["kind", "learns_from", "rule"] if what == "agents" else ["kind", "rule"]
    if as_json:
        _print_json(rows)
    elif not rows:
        click.echo(f"no {what} yet")
    elif what == "gallery":
        click.echo(listing.gallery_text(rows))
    else:
        _print_table(
            [column.replace("_", " ") for column in columns], [[row[column] for column in columns] for row in rows]
        )


@main.command(short_help="What something is, its parameters, how to use it.")
@click.argument("name")
@_plugin
@_json
def show(name: str, as_json: bool) -> None:
    """Say what a mechanism, strategy, environment, prior, risk attitude or gallery config is, and how to use it.

    \b
    Examples:
      auctionlab show exp3
      auctionlab show all-pay --json
      auctionlab show first-price.toml      the gallery config, where a mechanism has the same name
    """
    from auctionlab.experiments import listing

    found = listing.look_up(name)
    if as_json:
        _print_json(found)
    else:
        click.echo(listing.as_text(found))


@main.command(short_help="Compute the equilibrium.")
@click.argument("config")
@_sets
@click.option("--at", metavar="V,V,...", help="Signals at which to give bids. [default: 101 quantiles]")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png", help="Draw the bids.")
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.csv", help="Write the bid table.")
@click.option(
    "--starts", type=click.IntRange(1), default=1, help="Search from so many starts for other equilibria too."
)
@_plugin
@_json
def solve(
    config: str, sets: tuple[str, ...], at: str | None, plot: Path | None, csv: Path | None, starts: int, as_json: bool
) -> None:
    """Compute the equilibrium: bids, revenue, surplus, efficiency, probability of sale.

    Numerical solutions are certified: the most that any type could gain by another bid.

    \b
    Examples:
      auctionlab solve first-price --at 0.25,0.5,1
      auctionlab solve my.toml --set mechanism.reserve=0.5 --plot bids.png --csv bids.csv
      auctionlab solve second-price --starts 4
    """
    from auctionlab.experiments import solution
    from auctionlab.experiments.config import load_config
    from auctionlab.theory.benchmarks import benchmark

    checked = load_config(config, sets, game_only=True)
    environment = checked.environment
    found = benchmark(checked.mechanism, environment)
    solved = solution.solution(checked.mechanism, environment, found, _numbers(at))
    if starts > 1:
        solved["others"] = solution.others(checked.mechanism, environment, starts, _numbers(at))
    if csv:
        _writing(csv, lambda: solution.write_csv(csv, solved))
    if plot:
        _writing(plot, lambda: solution.draw(environment, solved).savefig(plot))
    if as_json:
        _print_json(solved)
        return
    click.echo(solved["method"])
    if solved["certificate"] is not None:
        click.echo(solved["certificate"]["text"])
    click.echo()
    _print_table(*solution.bid_rows(environment, solved))
    click.echo()
    _print_table(*solution.summary_rows(solved))
    if starts > 1:
        many = 1 + len(solved["others"])
        click.echo(f"\n{many} different {'equilibrium' if many == 1 else 'equilibria'} found from {starts} starts")
    for number, other in enumerate(solved.get("others", ()), start=2):
        click.echo(f"\nequilibrium {number}: {other['certificate']['text']}\n")
        _print_table(*solution.bid_rows(environment, other, by_seat=True))


@main.command(short_help="Fit models of human bids to data.")
@click.argument("bids", required=False)
@click.option("--config", metavar="CONFIG", help="The auction the bids were made in: a TOML file, or a gallery name.")
@_sets
@click.option("--bidders", type=int, help="Bidders in an auction, where there is no --config.")
@click.option("--low", type=float, help="Lowest value, where there is no --config. [default: 0]")
@click.option("--high", type=float, help="Highest value, where there is no --config; values are uniform.")
@click.option("--value", default="value", metavar="COLUMN", show_default=True, help="Column of the values.")
@click.option("--bid", default="", metavar="COLUMN", help="Column of the bids. [default: bid, or message]")
@click.option(
    "--subject",
    default="",
    metavar="COLUMN[,COLUMN]",
    help="Who bid: a column, or several that say it together. [default: subject, or replication,agent_id]",
)
@click.option("--run", "recorded", metavar="RUN", help="Fit a recorded run instead of a file.")
@click.option("--steps", type=click.IntRange(11, 1001), default=101, show_default=True, help="Bids on the common grid.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png", help="Draw bids and fits.")
@_database
@_json
def fit(
    bids: str | None,
    recorded: str | None,
    database: str | None,
    steps: int,
    plot: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Fit models of how people bid in a first-price auction to a CSV file of bids, one row a bid.

    The models: the risk-neutral equilibrium with noise; risk aversion (CRRA), the same for all, and each subject's own
    (Cox, Smith and Walker 1988); logit responses, without and with risk aversion (Goeree, Holt and Palfrey 2002). All
    by maximum likelihood on one grid of bids, compared by how well they foretell bids that were held out. Subjects are
    the unit of every interval, so give a column that says who bid. Rows without a bid are left out.

    BIDS is a file, or the name of the data set that auctionlab comes with: cox-smith-walker, which is synthetic.

    \b
    Examples:
      auctionlab fit cox-smith-walker
      auctionlab fit class.csv --bidders 4 --high 10 --subject name --plot fit.png
      auctionlab fit lab.csv --config my.toml --value v --bid b --subject session,seat --json
      auctionlab fit --run last
    """
    from auctionlab.experiments import fit_report, observed
    from auctionlab.experiments.fitting import fit as fit_bids
    from auctionlab.experiments.progress import waiting

    if (bids is None) == (recorded is None):
        raise click.UsageError("give a file of bids, or --run RUN, for example: auctionlab fit cox-smith-walker")
    data, auction = observed.gather(bids, recorded, database, **asked)
    with waiting(sys.stderr.isatty()) as tell:
        found = fit_bids(data, auction, steps, lambda model: tell(f"fitting {model}"))
    if plot:
        _writing(plot, lambda: fit_report.draw(found).savefig(plot))
    if as_json:
        _print_json(found.to_json())
        return
    click.echo(fit_report.headline(found))
    for columns, rows in fit_report.tables(found):
        click.echo()
        _print_table(columns, rows)
    for line in [fit_report.subjects_text(found), *found.notes]:
        if line:
            click.echo(f"\n{line}")


@main.command(short_help="Audit a mechanism: incentives, participation, efficiency, revenue, budget.")
@click.argument("name", required=False)
@_sets
@click.option("--all", "everything", is_flag=True, help="Every registered mechanism, in one table.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A page with figures.")
@_plugin
@_json
@click.pass_context
def check(
    ctx: click.Context, name: str | None, sets: tuple[str, ...], everything: bool, html: Path | None, as_json: bool
) -> None:
    """Search for violations: of a registered mechanism in its first example, or of a config's in its environment.

    A violation is shown as one auction, worked out. Without a name, every registered mechanism is placed in one table.
    Exits with 1 where a claim of the mechanism does not hold, with 2 where its outcomes have not the right form.

    \b
    Examples:
      auctionlab check second-price
      auctionlab check second-price --set mechanism.entry_fee=0.25 --set environment.bidders=3
      auctionlab check my.toml --plugin my_auction.py
      auctionlab check second-price --html audit.html
    """
    from auctionlab.experiments import audit

    if name is None or everything:
        if name is not None or sets or html is not None:
            raise click.UsageError("the table of all mechanisms takes no name, no --set and no --html")
        rows = audit.space()
        _print_json(rows) if as_json else click.echo(audit.space_text(rows))
        return
    from auctionlab.registry import kinds

    kept = None if name in kinds("mechanisms") or sets else audit.contract(name)
    if kept is not None:
        _print_json({"name": name, "contract": kept}) if as_json else click.echo(kept)
        return
    found = audit.audit(name, sets)
    if as_json:
        _print_json(audit.as_json(found))
    else:
        click.echo(audit.as_text(found))
    if html is not None:
        from auctionlab.experiments.audit_page import write_audit

        click.echo(f"wrote {write_audit(html, found)}", err=True)
    if found.broken:
        ctx.exit(1)


main.add_command(reproduce)


@main.command(short_help="All bids of a run as Parquet or CSV, with a codebook.")
@click.argument("run", metavar="RUN")
@click.option("--to", "target", required=True, metavar="FILE", help="bids.parquet or bids.csv")
@_database
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
        raise _Refusal(f"{run!r} is a sweep: export a point of it by its id, which `auctionlab list runs` shows")
    with _open(database) as store:
        rows = export_bids(store, store.run(run), target)
    click.echo(
        f"wrote {rows:,} bids to {target}, and what the columns mean to {Path(target).with_suffix('.codebook.md')}"
    )


def _open(database: str | None) -> Any:
    """The database to read from; it must exist."""
    from auctionlab.experiments.api import database_of
    from auctionlab.platform.store import Store

    return Store(database_of(database), create=False)


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"write numbers with commas between them, such as 0.25,0.5; got {text!r}") from None


def _writing(path: Path, write: Callable[[], Any]) -> None:
    """Write a file; what stands in the way is one sentence."""
    try:
        write()
    except (OSError, ValueError) as error:
        raise _Refusal(f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None


def _file_name(name: str) -> str:
    """A name without what file systems mind."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from auctionlab.experiments.tables import plain_table, rich_table

    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_table(columns, rows))
    else:
        click.echo(plain_table(columns, rows))


def _print_json(value: Any) -> None:
    from auctionlab.experiments.tables import json_text

    click.echo(json_text(value))
