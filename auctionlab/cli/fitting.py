"""The command that fits models to data: fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from auctionlab.cli.shared import database_option, json_option, print_json, print_table, sets_option, writing


@click.command(short_help="Fit models of human bids to data.")
@click.argument("bids", required=False)
@click.option("--config", metavar="CONFIG", help="The auction the bids were made in: a TOML file, or a gallery name.")
@sets_option
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
@database_option
@json_option
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
        writing(plot, lambda: fit_report.draw(found).savefig(plot))
    if as_json:
        print_json(found.to_json())
        return
    click.echo(fit_report.headline(found))
    for columns, rows in fit_report.tables(found):
        click.echo()
        print_table(columns, rows)
    for line in [fit_report.subjects_text(found), *found.notes]:
        if line:
            click.echo(f"\n{line}")
