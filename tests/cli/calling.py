"""Commands called as a user types them."""

from __future__ import annotations

from click.testing import CliRunner, Result

from auctionlab.cli import main


def call(*arguments: str, code: int = 0) -> Result:
    """What a command prints; it exits with this code."""
    result = CliRunner().invoke(main, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: str) -> str:
    """The one sentence on stderr of a command that exits with code 2."""
    result = call(*arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip()
