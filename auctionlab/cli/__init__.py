"""The command line. Commands import what they need when they run, so that `--help` answers at once."""

from __future__ import annotations

from typing import Any

import click

from auctionlab import __version__
from auctionlab.cli.catalogue import list_, show
from auctionlab.cli.experiments import export, report, run
from auctionlab.cli.fitting import fit
from auctionlab.cli.shared import Halted, Refusal
from auctionlab.cli.theory import check, solve
from auctionlab.errors import AuctionlabError, Stopped, suggest
from auctionlab.experiments.textbook.command import reproduce


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AuctionlabError as error:
            raise (Halted if isinstance(error, Stopped) else Refusal)(str(error)) from error
        except KeyboardInterrupt:
            goes_on = "; it goes on from its last checkpoint with the same command"
            raise Halted(f"stopped{goes_on if ctx.invoked_subcommand == 'run' else ''}") from None
        except MemoryError:
            raise Refusal(
                "out of memory; what is recorded is kept; fewer replications, groups, bids or cells need less"
            ) from None
        except Exception as error:
            from auctionlab.registry import in_plugin

            place = in_plugin(error)
            if not place:
                raise
            raise Refusal(f"{place}: {type(error).__name__}: {error}") from error

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


for command in (run, report, list_, show, solve, fit, check, reproduce, export):
    main.add_command(command)
