"""What the commands share: options, refusals in one sentence, tables and JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click


class Refusal(click.ClickException):
    """One sentence on stderr and exit code 2, no traceback."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Halted(Refusal):
    """Stopped by Ctrl-C; the exit code is the shell's own for that."""

    exit_code = 130


def _plugins(ctx: click.Context, param: click.Parameter, files: Sequence[str]) -> None:
    if files:
        from auctionlab.registry import load_plugin

        for file in files:
            load_plugin(file)


sets_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a setting: --set mechanism.reserve=0.3"
)
database_option = click.option(
    "--database",
    metavar="URL",
    help="Which database, for example sqlite:///lab.db. [default: AUCTIONLAB_DATABASE, or sqlite:///auctionlab.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, numbers in full precision.")
plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="FILE.py",
    callback=_plugins,
    expose_value=False,
    is_eager=True,
    help="Load mechanisms or strategies of your own.",
)


def open_store(database: str | None) -> Any:
    """The database to read from; it must exist."""
    from auctionlab.experiments.api import database_of
    from auctionlab.platform.store import Store

    return Store(database_of(database), create=False)


def writing(path: Path, write: Callable[[], Any]) -> None:
    """Write a file; what stands in the way is one sentence."""
    try:
        write()
    except (OSError, ValueError) as error:
        raise Refusal(f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from auctionlab.experiments.tables import plain_table, rich_table

    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_table(columns, rows))
    else:
        click.echo(plain_table(columns, rows))


def print_json(value: Any) -> None:
    from auctionlab.experiments.tables import json_text

    click.echo(json_text(value))
