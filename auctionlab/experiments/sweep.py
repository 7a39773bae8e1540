"""[sweep]: one experiment at several settings, a full product of lists or an explicit list of points.

sweep = load_sweep("sweep-reserve")
sweep.points[3].settings     # {"mechanism.kind": "first-price", "mechanism.reserve": 0.3}
sweep.points[3].config       # an ordinary Config
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from auctionlab.errors import ConfigError
from auctionlab.experiments import sources
from auctionlab.experiments.config import Config, keys_of, parse_config, sentence
from auctionlab.experiments.paper import check_paper
from auctionlab.experiments.tables import plain_data, toml_value
from auctionlab.registry import Component, describe

LARGEST: Final = 10_000  # points


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep: its number (from 1), the settings that make it this point, and its config."""

    number: int
    settings: dict[str, Any]
    config: Config

    @property
    def label(self) -> str:
        """The settings in words: "mechanism first-price, reserve 0.3"."""
        return point_label(self.settings)


@dataclass(frozen=True)
class Sweep:
    """Experiments that differ in the swept keys alone, in order; made by `load_sweep`."""

    name: str
    points: tuple[Point, ...]

    @property
    def database(self) -> str | None:
        """Where the config wants all points to be recorded."""
        return self.points[0].config.record.database


def is_sweep(
    source: str | Path | Mapping[str, Any] | Config, overrides: Iterable[str] | Mapping[str, Any] = ()
) -> bool:
    """True where the config has a [sweep]."""
    return not isinstance(source, Config) and "sweep" in _read(source, overrides).table


def load_sweep(
    source: str | Path | Mapping[str, Any] | Sweep, overrides: Iterable[str] | Mapping[str, Any] = (), **settings: Any
) -> Sweep:
    """The sweep at a path, under a gallery name or in a table; every point is checked.

    [sweep] has a list of values for each swept key, "mechanism.reserve" = [0.0, 0.5], and the points are their product,
    the last key running fastest; or it has `points`, a list of tables of settings, a `label` among them or not. Keys
    are those of --set. overrides and settings change what all points share; --set sweep.mechanism.reserve=[0.0,0.1]
    changes the values of a key, and rounds and replications take the place of those that only some points have.
    Raises ConfigError, one sentence that names the point.
    """
    if isinstance(source, Sweep):
        return source
    overrides = dict(overrides) if isinstance(overrides, Mapping) else list(overrides)
    found = _read(source, overrides)
    sources.override(found.table, settings)
    try:
        asked = [*keys_of(overrides), *settings]
        table = found.table.pop("sweep", None)
        chosen = _resized(_settings(table), asked)
        _refuse(asked, chosen, "sweep.points.0.{}=..." if "points" in table else "sweep.{}=[...]")
        points = tuple(_point(found, number, settings) for number, settings in enumerate(chosen, 1))
        _check(points)
        fewer = any(key.split(".")[0] == "sweep" for key in asked)
        check_paper([point.config for point in points], whole=not fewer, asked=asked)
    except ConfigError as error:
        raise ConfigError(sentence(f"{found.where}: {error}")) from None
    except RecursionError:
        raise ConfigError(f"{found.where}: tables are nested too deeply") from None
    return Sweep(points[0].config.name, points)


def _read(source: str | Path | Mapping[str, Any], overrides: Iterable[str] | Mapping[str, Any]) -> sources.Source:
    found = sources.read(source)
    sources.override(found.table, overrides)
    return found


def _settings(table: Any) -> list[dict[str, Any]]:
    """The settings of every point."""
    if not isinstance(table, Mapping) or not table:
        raise ConfigError(
            'sweep: should be a table such as "mechanism.reserve" = [0.0, 0.5], '
            f"got {'nothing' if table is None or table == {} else repr(table)}"
        )
    if "points" not in table:
        lists = _lists(table)
        _limit(math.prod(len(values) for values in lists.values()))
        return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    if len(table) > 1:
        other = next(key for key in table if key != "points")
        raise ConfigError(f"sweep: give lists of values or `points`, not both; got {other!r} beside `points`")
    points = table["points"]
    if not isinstance(points, list | tuple):
        raise ConfigError(f"sweep.points: should be a list of tables of settings, got {points!r}")
    if not points:
        raise ConfigError("sweep.points: the list is empty; a sweep needs at least one point")
    _limit(len(points))
    for number, point in enumerate(points, 1):
        if not isinstance(point, Mapping) or not point:
            raise ConfigError(f"sweep.points: point {number} should be a table of settings, got {point!r}")
    return [_flat(point) for point in points]


def _limit(count: int) -> None:
    if count > LARGEST:
        raise ConfigError(f"sweep: {count:,} points are more than one sweep may have, {LARGEST:,}; take fewer values")


def _lists(table: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """The values of each key; a key may be dotted in quotes or a table in a table."""
    found: dict[str, list[Any]] = {}
    for key, values in table.items():
        path = f"{prefix}{key}"
        if isinstance(values, Mapping):
            found |= _lists(values, f"{path}.")
            continue
        values = values.tolist() if hasattr(values, "tolist") else values
        if not isinstance(values, list | tuple | range):
            raise ConfigError(f"sweep: {path}: should be a list of values, got {values!r}")
        if not len(values):
            raise ConfigError(f"sweep: {path}: the list is empty; it needs at least one value")
        found[path] = list(values)
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a point; a table with a kind is a value, another one is part of the key."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value and "kind" not in value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _resized(points: list[dict[str, Any]], asked: Iterable[str]) -> list[dict[str, Any]]:
    """The points without sizes of their own where another size is asked for; a sweep over sizes keeps them."""
    dropped = {key for key in ("rounds", "replications") if key in asked and any(key not in one for one in points)}
    return [{key: value for key, value in one.items() if key not in dropped} or one for one in points]


def _refuse(asked: Iterable[str], points: Iterable[Mapping[str, Any]], instead: str) -> None:
    """A setting for all points that points set otherwise would do nothing; a sweep of sweeps is none."""
    swept = {key for settings in points for key in settings}
    if any(key.split(".")[0] == "sweep" for key in swept):
        raise ConfigError("sweep: a sweep cannot vary [sweep] itself")
    for key in asked:
        if any(key == one or key.startswith(f"{one}.") for one in swept):
            way = instead.format(key)
            raise ConfigError(f"--set {key}: the sweep sets it at its points; to change those, --set {way}")


def _point(found: sources.Source, number: int, settings: Mapping[str, Any]) -> Point:
    written = ", ".join(f"{key} = {_short(value)}" for key, value in settings.items())
    where = f"point {number} ({written})"
    table = copy.deepcopy(found.table)
    wide_first = sorted(settings.items(), key=lambda one: one[0].count("."))  # a table does not undo a key inside it
    try:
        sources.override(table, copy.deepcopy(dict(wide_first)), by="")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    config = parse_config(replace(found, table=table, where=where))
    return Point(number, {key: _plain(value) for key, value in settings.items()}, config)


def _check(points: tuple[Point, ...]) -> None:
    """All points are different experiments of one name that go into one database."""
    first: dict[str, Point] = {}
    for point in points:
        if point.config.name != points[0].config.name:
            raise ConfigError(f"sweep: name: should be the same at every point, got {point.config.name!r}")
        if point.config.record.database != points[0].config.record.database:
            raise ConfigError("sweep: record.database: should be the same at every point")
        twin = first.setdefault(point.config.fingerprint, point)
        if twin is not point:
            raise ConfigError(f"sweep: points {twin.number} and {point.number} ({point.label}) are the same experiment")


def _plain(value: Any) -> Any:
    return plain_data(describe(value) if isinstance(value, Component) else value)


def _short(value: Any) -> str:
    text = " ".join(toml_value(_plain(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# settings in words


def key_labels(keys: Iterable[str]) -> dict[str, str]:
    """A short name for each key: its last part, with those before it where two would be called the same.

    `mechanism.kind` is the mechanism.
    """
    parts = {key: _named(key) for key in keys}
    labels = {}
    for key, path in parts.items():
        size = 1
        while size < len(path) and any(other[-size:] == path[-size:] for name, other in parts.items() if name != key):
            size += 1
        labels[key] = ".".join(path[-size:])
    return labels


def _named(key: str) -> list[str]:
    path = key.split(".")
    return path[:-1] if len(path) > 1 and path[-1] == "kind" else path


def value_label(value: Any) -> str:
    """A value of a setting in words: 0.3, first-price, power (exponent 2)."""
    if isinstance(value, Mapping) and "kind" in value:
        rest = ", ".join(f"{key} {value_label(item)}" for key, item in value.items() if key != "kind")
        return f"{value['kind']} ({rest})" if rest else str(value["kind"])
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else toml_value(value)


def point_label(settings: Mapping[str, Any]) -> str:
    """The settings of a point in words: "mechanism first-price, reserve 0.3"; or its `label`, where it has one."""
    if settings.get("label"):
        return str(settings["label"])
    labels = key_labels(settings)
    return ", ".join(f"{labels[key]} {value_label(value)}" for key, value in settings.items())
