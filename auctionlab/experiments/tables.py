"""Numbers and tables as text: aligned plain text, rich tables for a terminal, JSON in full precision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[Any]


def cell(value: Any) -> str:
    """A table cell: four significant digits for fractions, thousands separated in counts, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def plain_table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The table as aligned text, numbers to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    right = [_numeric(rows, i) for i in range(len(columns))]
    lines = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(columns), ["-" * width for width in widths], *cells]
    ]
    return "\n".join(lines)


def rich_table(columns: Sequence[str], rows: Sequence[Row]) -> Table:
    """The table for a terminal: it wraps long text instead of running over."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if _numeric(rows, i) else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    return table


def _numeric(rows: Sequence[Row], i: int) -> bool:
    known = [row[i] for row in rows if row[i] is not None and row[i] != ""]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def plain_data(value: Any) -> Any:
    """The same data in types that JSON knows: arrays as lists, infinite and missing numbers as null."""
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_data(item) for item in value]
    if hasattr(value, "tolist"):
        return plain_data(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def json_text(value: Any) -> str:
    """JSON with stable keys and numbers in full precision; null for what is infinite or missing."""
    return json.dumps(plain_data(value), indent=2, ensure_ascii=False, allow_nan=False)


def toml_value(value: Any) -> str:
    """A value as it is written in a TOML config; tables are inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
