"""Finds components by kind: built-ins in their folder, third parties by entry point or `load_plugin`.

A component is a dataclass whose fields are its parameters. `FirstPrice` in `auctionlab/mechanisms/` is the kind
`first-price`; nothing else has to be told about it.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import pkgutil
import re
import reprlib
import sys
import traceback
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import core_schema

from auctionlab.errors import ConfigError, UnknownName, suggest

T = TypeVar("T", bound="Component")

_short = reprlib.Repr()  # long lists and texts are cut in messages
_short.maxstring = _short.maxother = _short.maxlong = 80
_CHECKS = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)

FOLDERS: dict[str, str] = {  # group -> the package that holds its built-ins
    "mechanisms": "auctionlab.mechanisms",
    "agents": "auctionlab.agents",
    "environments": "auctionlab.environments",
    "priors": "auctionlab.environments",
    "risks": "auctionlab.environments",
}


class Component:
    """Base of everything a config can name by `kind`. Subclasses are dataclasses; fields are parameters.

    A field annotated with a component class (`prior: Prior`) takes a table with `kind`, or an instance.
    """

    group: ClassVar[str]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: Any) -> Any:
            return value if isinstance(value, cls) else build(cls.group, value)

        return core_schema.no_info_plain_validator_function(validate)

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Any:
        """The component with these parameters, each checked against its field; raises ConfigError."""
        kind = kind_of(cls)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
        for key in parameters:
            if key not in fields:
                raise ConfigError(f"{kind}: unknown key {key!r}. {suggest(key, fields)}")
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in parameters:
                raise ConfigError(f"{kind}: missing key {name!r}")
        checked = {}
        for key, value in parameters.items():
            try:
                checked[key] = _check(cls, key, value)
            except ValidationError as error:
                raise ConfigError(f"{kind}: {explain(error, key)}") from None
            except ConfigError as error:
                raise ConfigError(f"{kind}: {key}: {error}") from None
        try:
            return cls(**checked)
        except ConfigError as error:
            raise ConfigError(f"{kind}: {error}") from None

    def to_parameters(self) -> dict[str, Any]:
        """Its parameters as plain data: what `from_parameters` takes."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.init
        }


def kind_of(component: type | object) -> str:
    """The kind under which a component class (or instance) is known: `FirstPrice` -> `first-price`."""
    component = getattr(component, "stands_for", component)  # a plain Mesa bidder, played as a strategy
    cls = component if isinstance(component, type) else type(component)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()


_plugins: dict[str, dict[str, type]] = {group: {} for group in FOLDERS}
_files: list[str] = []  # that load_plugin has run
_found: dict[str, dict[str, type]] = {}


def kinds(group: str) -> dict[str, type]:
    """All components of a group, by kind, built-ins first."""
    if group not in _found:
        package = importlib.import_module(FOLDERS[group])
        found: dict[str, type] = {}
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            if info.name.startswith("_"):
                continue  # what the others share
            found |= _components(importlib.import_module(f"{package.__name__}.{info.name}"), group)
        for point in entry_points(group=f"auctionlab.{group}"):
            found.setdefault(point.name, point.load())
        _found[group] = found
    return _found[group] | _plugins[group]


def find(group: str, kind: object) -> Any:
    """The component class registered as `kind`; raises UnknownName with the nearest kind."""
    known = kinds(group)
    if not isinstance(kind, str) or kind not in known:
        own = group in ("mechanisms", "agents", "environments")
        hint = "; one of your own is loaded with --plugin FILE.py" if own else ""
        raise UnknownName(group.removesuffix("s"), kind, known, hint)
    return known[kind]


def build(group: str, config: Any) -> Any:
    """A component from its config, a table with `kind` and parameters (or just the kind)."""
    table = {"kind": config} if isinstance(config, str) else config
    if not isinstance(table, dict):
        raise ConfigError(f"expected a table with a 'kind', got {config!r}")
    if "kind" not in table:
        raise ConfigError(f"missing key 'kind'. {suggest('', kinds(group))}")
    component = find(group, table["kind"])
    return component.from_parameters({key: value for key, value in table.items() if key != "kind"})


def _check(cls: type, key: str, value: Any) -> Any:
    bare, adapter = _field(cls, key)
    if adapter is None:
        return value if isinstance(value, bare) else build(bare.group, value)
    return adapter.validate_python(value)


@cache
def _field(cls: type, key: str) -> tuple[Any, TypeAdapter[Any] | None]:
    """The type of a field, and what checks its values; None where it is a component."""
    hint = get_type_hints(cls, include_extras=True)[key]
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(bare, type) and issubclass(bare, Component):
        return bare, None
    return bare, TypeAdapter(hint, config=_CHECKS)


def explain(error: ValidationError, key: str = "") -> str:
    """The first complaint of a pydantic error as: key, what is allowed, what it got."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in ((key,) if key else ()) + first["loc"])
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    if first["type"] == "missing":
        return f"missing key {where!r}"
    got = "" if first["type"] == "value_error" else f", got {_short.repr(first['input'])}"
    return f"{where}: {message}{got}" if where else f"{message}{got}"


def describe(component: Component) -> dict[str, Any]:
    """The config table that builds this component again: {"kind": ..., parameters}."""
    return {"kind": kind_of(component), **component.to_parameters()}


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return describe(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def register(cls: type[T]) -> type[T]:
    """Make a component class known under its kind in this process (usable as a decorator)."""
    _plugins[cls.group][kind_of(cls)] = cls
    return cls


def load_plugin(path: str | Path) -> list[type]:
    """Run a Python file of the user's own and register every component defined in it."""
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"plugin {str(path)!r}: no such file")
    name = f"auctionlab_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin {str(path)!r}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"plugin {str(path)!r}: {type(error).__name__}: {error}") from error
    classes = [cls for group in FOLDERS for cls in _components(module, group).values()]
    if not classes:
        unfinished = [
            f"{cls.__name__} has no {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}"
            for cls in vars(module).values()
            if inspect.isclass(cls) and cls.__module__ == name and inspect.isabstract(cls)
        ]
        why = "; ".join(unfinished) or "defines no mechanism, strategy, environment or prior"
        raise ConfigError(f"plugin {str(path)!r}: {why}")
    for cls in classes:
        register(cls)
    _files.append(str(file.resolve()))
    return classes


def plugin_files() -> tuple[str, ...]:
    """The files that `load_plugin` has run in this process, for other processes that need the same components."""
    return tuple(dict.fromkeys(_files))


def in_plugin(error: BaseException) -> str:
    """Where in a plugin file an error arose: file, line and function; empty where it did not."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _files]
    return f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else ""


def load_plugins(files: Iterable[str]) -> None:
    """Run the plugin files that this process has not run yet."""
    for file in files:
        if file not in _files:
            load_plugin(file)


def _components(module: Any, group: str) -> dict[str, type]:
    return {
        kind_of(cls): cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and issubclass(cls, Component)
        and getattr(cls, "group", None) == group
        and not inspect.isabstract(cls)
        and cls.__module__ == module.__name__
        and not name.startswith("_")
    }
