"""Commands that say what there is: list, show."""

from __future__ import annotations

import click

from auctionlab.cli.shared import database_option, json_option, open_store, plugin_option, print_json, print_table


@click.command(name="list", short_help="What there is: mechanisms, agents, gallery, runs, ...")
@click.argument(
    "what", type=click.Choice(["mechanisms", "agents", "environments", "priors", "risks", "gallery", "runs"])
)
@database_option
@plugin_option
@json_option
def list_(what: str, database: str | None, as_json: bool) -> None:
    """List what there is: mechanisms, agents, environments, priors, risks, gallery configs, or recorded runs.

    \b
    Examples:
      auctionlab list mechanisms
      auctionlab list runs --database sqlite:///lab.db
    """
    from auctionlab.experiments import catalogue, listing

    if what == "runs":
        with open_store(database) as store:
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
        print_json(rows)
    elif not rows:
        click.echo(f"no {what} yet")
    elif what == "gallery":
        click.echo(listing.gallery_text(rows))
    else:
        print_table(
            [column.replace("_", " ") for column in columns], [[row[column] for column in columns] for row in rows]
        )


@click.command(short_help="What something is, its parameters, how to use it.")
@click.argument("name")
@plugin_option
@json_option
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
        print_json(found)
    else:
        click.echo(listing.as_text(found))
