"""Commands that compute: solve, check."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from auctionlab.cli.shared import json_option, plugin_option, print_json, print_table, sets_option, writing


@click.command(short_help="Compute the equilibrium.")
@click.argument("config")
@sets_option
@click.option("--at", metavar="V,V,...", help="Signals at which to give bids. [default: 101 quantiles]")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    is_flag=False,
    flag_value="",
    metavar="[FILE.png]",
    help="Draw the bids. [without a file: CONFIG-bids.png, here]",
)
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.csv", help="Write the bid table.")
@click.option(
    "--starts", type=click.IntRange(1), default=1, help="Search from so many starts for other equilibria too."
)
@plugin_option
@json_option
def solve(
    config: str, sets: tuple[str, ...], at: str | None, plot: Path | None, csv: Path | None, starts: int, as_json: bool
) -> None:
    """Compute the equilibrium: bids, revenue, surplus, efficiency, probability of sale.

    Numerical solutions are certified: the most that any type could gain by another bid.

    \b
    Examples:
      auctionlab solve first-price --at 0.25,0.5,1
      auctionlab solve first-price --plot
      auctionlab solve my.toml --set mechanism.reserve=0.5 --plot bids.png --csv bids.csv
      auctionlab solve second-price --starts 4
    """
    from auctionlab.experiments import solution
    from auctionlab.experiments.config import load_config
    from auctionlab.experiments.progress import waiting
    from auctionlab.theory.benchmarks import benchmark

    checked = load_config(config, sets, game_only=True)
    environment = checked.environment
    with waiting(sys.stderr.isatty()) as tell:
        tell("solving")
        found = benchmark(checked.mechanism, environment)
        solved = solution.solution(checked.mechanism, environment, found, numbers_of(at))
        if starts > 1:
            tell(f"solving from {starts} starts")
            solved["others"] = solution.others(checked.mechanism, environment, starts, numbers_of(at))
    if csv:
        writing(csv, lambda: solution.write_csv(csv, solved))
    if plot:
        picture = Path(f"{Path(config).stem}-bids.png") if plot == Path() else plot
        writing(picture, lambda: solution.draw(environment, solved).savefig(picture))
        click.echo(f"wrote {picture}", err=True)
    if as_json:
        print_json(solved)
        return
    click.echo(solved["method"])
    if solved["certificate"] is not None:
        click.echo(solved["certificate"]["text"])
    click.echo()
    print_table(*solution.bid_rows(environment, solved))
    click.echo()
    print_table(*solution.summary_rows(solved))
    if starts > 1:
        more = len(solved["others"])
        told = f"{1 + more} different equilibria found" if more else "no other equilibrium found"
        click.echo(f"\n{told} from {starts} starts")
    for number, other in enumerate(solved.get("others", ()), start=2):
        click.echo(f"\nequilibrium {number}: {other['certificate']['text']}\n")
        print_table(*solution.bid_rows(environment, other, by_seat=True))


@click.command(short_help="Audit a mechanism: incentives, participation, efficiency, revenue, budget.")
@click.argument("name", required=False)
@sets_option
@click.option("--all", "everything", is_flag=True, help="Every registered mechanism, in one table.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A page with figures.")
@plugin_option
@json_option
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
    from rich.console import Console

    from auctionlab.experiments import audit

    if name is None or everything:
        if name is not None or sets or html is not None:
            raise click.UsageError("the table of all mechanisms takes no name, no --set and no --html")
        rows = audit.space()
        print_json(rows) if as_json else click.echo(audit.space_text(rows))
        return
    from auctionlab.registry import kinds

    kept = None if name in kinds("mechanisms") or sets else audit.contract(name)
    if kept is not None:
        print_json({"name": name, "contract": kept}) if as_json else click.echo(kept)
        return
    with Console(stderr=True).status("checking") as status:  # seen in a terminal only
        found = audit.audit(name, sets, tell=lambda what: status.update(f"checking {what}"))
    if as_json:
        print_json(audit.as_json(found))
    else:
        click.echo(audit.as_text(found))
    if html is not None:
        from auctionlab.experiments.audit_page import write_audit

        click.echo(f"wrote {write_audit(html, found)}", err=True)
    if found.broken:
        ctx.exit(1)


def numbers_of(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"write numbers with commas between them, such as 0.25,0.5; got {text!r}") from None
