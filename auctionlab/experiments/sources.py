"""Where a config comes from: a TOML file, the gallery, or a table; and `--set` overrides on it."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from auctionlab.errors import ConfigError, UnknownName, suggest


@dataclass(frozen=True)
class Source:
    """A config as written: its table, what to call it in messages, and the name it has by default."""

    table: dict[str, Any]
    where: str
    name: str


def gallery() -> dict[str, str]:
    """The text of every config in the gallery, by name."""
    folder = files("auctionlab.experiments") / "gallery"
    found = {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
    return dict(sorted(found.items()))


def read(source: str | Path | Mapping[str, Any]) -> Source:
    """The config at a path, under a gallery name, or given as a table."""
    if isinstance(source, Mapping):
        return Source(copy.deepcopy(dict(source)), "config", "experiment")
    if isinstance(source, str) and re.fullmatch(r"[\w-]+", source):
        texts = gallery()
        if source in texts:
            return Source(parse(texts[source], f"{source}.toml"), f"{source}.toml", source)
        if not os.path.exists(source):
            raise UnknownName("gallery config", source, texts)
    path = Path(source)
    table = parse(_text(path), path.name)
    return Source(_absolute(table, path.parent), path.name, path.stem)


def parse(text: str, where: str) -> dict[str, Any]:
    """The table that a TOML text describes."""
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{where}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from None
    if not table:
        raise ConfigError(f"{where}: the file is empty; a config needs [environment] and [mechanism]")
    return table


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except IsADirectoryError:
        raise ConfigError(f"{str(path)!r} is a folder, not a config file") from None
    except (FileNotFoundError, NotADirectoryError):
        beside = [file.name for file in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise ConfigError(f"no file {str(path)!r}. {suggest(path.name, [*beside, *gallery()])}") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ConfigError(f"{path.name}: not UTF-8 text: byte 0x{byte:02x} at position {error.start}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {str(path)!r}: {reason}") from None


def _absolute(node: Any, folder: Path) -> Any:
    """The same table, the data files of empirical priors given from the config's own folder."""
    if isinstance(node, list):
        return [_absolute(item, folder) for item in node]
    if not isinstance(node, dict):
        return node
    table = {key: _absolute(item, folder) for key, item in node.items()}
    if table.get("kind") == "empirical" and isinstance(table.get("file"), str):
        table["file"] = str(folder.resolve() / table["file"])
    return table


def override(table: dict[str, Any], overrides: Iterable[str] | Mapping[str, Any], by: str = "--set ") -> None:
    """Put each `a.b=value` into the table: dotted keys, numbers index lists, values are TOML or bare words.

    by : who asks for it; messages begin with that.
    """
    pairs = list(overrides.items()) if isinstance(overrides, Mapping) else [_split(text) for text in overrides]
    for key, value in pairs:
        _put(table, key, value, by)


def at(table: Mapping[str, Any], key: str) -> Any:
    """What stands under a dotted key; None where nothing does."""
    node: Any = table
    for part in key.split("."):
        if isinstance(node, list | tuple):
            node = node[int(part)] if part in map(str, range(len(node))) else None
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _split(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: write it as key=value, for example mechanism.reserve=0.3")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return key.strip(), value.strip()
    return key.strip(), parsed["value"] if parsed.keys() == {"value"} else value.strip()


def _put(table: dict[str, Any], key: str, value: Any, by: str) -> None:
    parts = key.split(".")
    node: Any = table
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        slot: Any = _index(node, part, f"{by}{key}") if isinstance(node, list) else part
        if not isinstance(node, list | dict):
            raise ConfigError(f"{by}{key}: nothing can be set inside {node!r}")
        if after is None:
            node[slot] = value
            return
        if isinstance(node, dict):
            node.setdefault(slot, {})
        if isinstance(node[slot], str) and not after.isdecimal():
            node[slot] = {"kind": node[slot]}  # a bare kind becomes a table, so that its parameters can be set
        node = node[slot]


def _index(items: list[Any], part: str, key: str) -> int:
    if part in map(str, range(len(items))):
        return int(part)
    allowed = f"0 to {len(items) - 1}" if items else "none, the list is empty"
    raise ConfigError(f"{key}: no entry {part!r} in the list, allowed: {allowed}")
