"""Numbers from a CSV file, with a sentence for everything that can be wrong with it."""

from __future__ import annotations

import csv
import math

from auctionlab.errors import ConfigError, suggest


def read_column(file: str, column: str = "") -> tuple[float, ...]:
    """The numbers of a CSV column; without a name the only column, with or without a heading.

    Raises ConfigError that names file, column and line where the file is missing or a cell is not a finite number.
    """
    rows = read_rows(file)
    names = rows[0][1]
    if column and column not in names:
        raise ConfigError(f"file {file!r}: unknown column {column!r}. {suggest(column, names)}")
    if not column and len(names) > 1:
        raise ConfigError(f"column: should name one of the columns of {file!r}: {', '.join(names)}")
    index = names.index(column) if column else 0
    headed = bool(column) or _number(names[0]) is None
    where = f"file {file!r}, column {names[index]!r}" if headed else f"file {file!r}"
    numbers = []
    for line, row in rows[headed:]:
        numbers.append(to_number(row[index] if index < len(row) else "", f"{where}, line {line}"))
    if not numbers:
        raise ConfigError(f"{where}: holds no numbers")
    return tuple(numbers)


def read_rows(file: str) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, cells stripped, each with the number of the line it ends on; at least one."""
    rows = [(line, [cell.strip() for cell in row]) for line, row in _rows(file)]
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise ConfigError(f"file {file!r}: is empty; a CSV file with a column of numbers is needed")
    return rows


def to_number(cell: str, where: str) -> float:
    """The finite number in a cell; ConfigError says where there is none."""
    number = _number(cell)
    if number is None or not math.isfinite(number):
        raise ConfigError(f"{where}: should be a finite number, got {cell!r}")
    return number


def _rows(file: str) -> list[tuple[int, list[str]]]:
    """The rows of the file, each with the number of the line it ends on."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise ConfigError(f"file: no such file {file!r}") from None
    except OSError as error:
        raise ConfigError(f"file: cannot read {file!r}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError(f"file: {file!r} is not a CSV text file in UTF-8") from None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
