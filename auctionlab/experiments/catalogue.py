"""What there is: every registered component with its rule, parameters, ranges, source and a config snippet."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
import typing
from typing import Any, Literal, get_args, get_origin, get_type_hints

import annotated_types
from pydantic.fields import FieldInfo

from auctionlab.agents.bidder import Bidder
from auctionlab.core import Strategy
from auctionlab.errors import ConfigError
from auctionlab.experiments.tables import toml_value
from auctionlab.registry import Component, build, describe, find, kind_of, kinds

GROUPS = ("mechanisms", "agents", "environments", "priors", "risks")
_WORDS = {float: "number", int: "whole number", str: "text", bool: "true or false", dict: "table"}
_SHOWN: dict[str, dict[str, Any]] = {  # snippets of kinds whose fields alone do not suggest one
    "scipy": {"name": "gamma", "parameters": {"a": 2.0}},
    "empirical": {"data": [0.21, 0.48, 0.55, 0.93]},
    "discrete": {"values": [0.0, 0.5, 1.0], "weights": [1.0, 2.0, 1.0]},
}
_EXAMPLES: dict[Any, Any] = {float: 1.0, int: 2, str: "text", bool: True}


def entries(group: str) -> list[dict[str, Any]]:
    """Every component of a group, as `entry` describes it."""
    return [entry(group, kind) for kind in sorted(kinds(group))]


def groups_of(kind: str) -> list[str]:
    """The groups in which something is registered under this kind, in the order in which they are looked up."""
    return [group for group in GROUPS if kind in kinds(group)]


def entry(group: str, kind: str) -> dict[str, Any]:
    """A component: kind, group, rule (first sentence), about, source, parameters, snippet; of strategies also
    needs (fields of Feedback) and what it learns from."""
    cls = find(group, kind)
    rule, about, source = _docstring(cls)
    parameters = _parameters(cls)
    told = {
        "kind": kind,
        "group": group,
        "rule": rule,
        "about": about,
        "source": source,
        "parameters": parameters,
        "snippet": _snippet(group, kind, parameters),
    }
    if group == "agents":
        told["needs"] = sorted(cls.needs)
        told["learns_from"] = _feedback(cls)
    return told


def _feedback(cls: Any) -> str:
    """What a strategy learns from, in words; empty where it does not learn."""
    if cls.learn in (Strategy.learn, Bidder.learn):
        return ""
    if Strategy in get_type_hints(cls).values():
        return "as its strategy"
    told = {"others": "all messages", "payoff": "payoff of each bid", "price": "price to win"}
    return next((words for need, words in told.items() if need in cls.needs), "own result")


def _docstring(cls: type) -> tuple[str, str, str]:
    text = inspect.cleandoc(cls.__doc__ or "")
    text, _, source = text.partition("Source:")
    first, _, about = text.strip().partition("\n\n")
    sentence, *rest = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9(])", " ".join(first.split()), maxsplit=1)
    about = "\n\n".join(part for part in (*rest, inspect.cleandoc(about)) if part)
    return sentence, about.strip(), " ".join(source.split())


def _parameters(cls: Any) -> list[dict[str, Any]]:
    if not dataclasses.is_dataclass(cls):
        return _arguments(cls)
    hints = get_type_hints(cls, include_extras=True)
    return [_parameter(hints[field.name], field) for field in dataclasses.fields(cls) if field.init]


def _parameter(hint: Any, field: Any) -> dict[str, Any]:
    infos = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, FieldInfo)]
    constraints = [item for info in infos for item in info.metadata]
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    required = default is dataclasses.MISSING
    bare = get_args(hint)[0] if infos else hint
    return {
        "name": field.name,
        "type": _word(bare),
        "required": required,
        "default": None if required else _plain(default),
        "range": _range(constraints),
        "description": next((info.description for info in infos if info.description), ""),
        "example": _example(bare, constraints, infos),
    }


def _arguments(cls: Any) -> list[dict[str, Any]]:
    """Parameters of a plain Mesa bidder: the arguments of its __init__ after self and model."""
    found = []
    for argument in list(inspect.signature(cls.__init__).parameters.values())[2:]:
        required = argument.default is inspect.Parameter.empty
        default = None if required else argument.default
        word = _WORDS.get(type(default), "any")
        found.append(
            {"name": argument.name, "type": word, "required": required, "default": default, "range": "",
             "description": "", "example": 1.0 if required else default}
        )  # fmt: skip
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return describe(value)
    return list(value) if isinstance(value, tuple) else value


def _word(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return _word(arguments[0])
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_word(item) for item in arguments if item is not type(None))
    if origin in (tuple, list):
        return f"list of {_word(arguments[0])}s" if arguments else "list"
    if isinstance(hint, type) and issubclass(hint, Component):
        return f"{hint.__name__.lower()} table"
    return _WORDS.get(origin or hint, getattr(hint, "__name__", str(hint)))


def _range(constraints: list[Any]) -> str:
    """The allowed interval, such as "[0, 1)"; empty where anything goes."""
    low, high = "(-inf", "inf)"
    for item in constraints:
        match item:
            case annotated_types.Ge(ge=bound):
                low = f"[{bound}"
            case annotated_types.Gt(gt=bound):
                low = f"({bound}"
            case annotated_types.Le(le=bound):
                high = f"{bound}]"
            case annotated_types.Lt(lt=bound):
                high = f"{bound})"
    return "" if (low, high) == ("(-inf", "inf)") else f"{low}, {high}"


def _example(hint: Any, constraints: list[Any], infos: list[FieldInfo]) -> Any:
    """A legal value for a parameter without default, for the snippet."""
    for info in infos:
        if info.examples:
            return info.examples[0]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return _example(arguments[0], constraints, infos)
    if origin in (types.UnionType, typing.Union):
        return _example(arguments[0], constraints, infos)
    if origin is Literal:
        return arguments[0]
    if origin in (tuple, list):
        return [_example(arguments[0], [], [])]
    if isinstance(hint, type) and issubclass(hint, Component):
        return {"kind": "uniform"} if hint.group == "priors" else {"kind": next(iter(kinds(hint.group)))}
    example = _EXAMPLES.get(origin or hint, "...")
    return _within(example, constraints) if isinstance(example, int | float) else example


def _within(example: float, constraints: list[Any]) -> float:
    """The example, or the middle of the allowed interval where it lies outside or on the edge."""
    low = max((getattr(item, "ge", getattr(item, "gt", -math.inf)) for item in constraints), default=-math.inf)
    high = min((getattr(item, "le", getattr(item, "lt", math.inf)) for item in constraints), default=math.inf)
    if low < example < high:
        return example
    middle = (low + high) / 2 if math.isfinite(low + high) else (low + 1 if math.isfinite(low) else high - 1)
    return type(example)(middle)


def _snippet(group: str, kind: str, parameters: list[dict[str, Any]]) -> str:
    """What to put into a config to use this component with its defaults."""
    game = _own_game(group, kind)
    if game is not None:
        return "\n\n".join(_section(name, table) for name, table in game.items())
    table = _buildable(group, kind, parameters)
    inline = toml_value(table)
    if group == "agents":
        return f"[[agents]]\nstrategy = {inline}"
    if group in ("priors", "risks"):
        prior = inline if group == "priors" else toml_value({"kind": "uniform"})
        risk = f"\nrisk = {inline}" if group == "risks" else ""
        return f'[environment]\nkind = "private-values"\nbidders = 2\nprior = {prior}{risk}'
    return _section(group.removesuffix("s"), table)


def _section(name: str, table: dict[str, Any]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in table.items())])


def _own_game(group: str, kind: str) -> dict[str, dict[str, Any]] | None:
    """The mechanism and environment to show together, where one of them is not for private values of one item."""
    if group not in ("mechanisms", "environments") or kind == "private-values":
        return None
    rules = [kind] if group == "mechanisms" else sorted(kinds("mechanisms"), key="vickrey-clarke-groves".__ne__)
    for rule in rules:
        for mechanism, environment in find("mechanisms", rule).examples():
            if group == "environments" and kind_of(environment) != kind:
                continue
            if kind_of(environment) == "private-values":
                return None
            return {"environment": _told(environment), "mechanism": _told(mechanism)}
    return None


def _told(component: Component) -> dict[str, Any]:
    """Its config without what is left out or filled in by the experiment."""
    return {key: value for key, value in describe(component).items() if value is not None and key != "environment"}


def _buildable(group: str, kind: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """The defaults, with examples for what is required; also for what may be left out, where it needs some of it."""
    if kind in _SHOWN:
        return {"kind": kind, **_SHOWN[kind]}
    table: dict[str, Any] = {"kind": kind}
    for item in parameters:
        shown = item["example"] if item["required"] else item["default"]
        if shown is not None and shown != []:
            table[item["name"]] = shown
    for item in parameters:
        try:
            build(group, table)
            break
        except ConfigError:
            table.setdefault(item["name"], item["example"])
    return table
