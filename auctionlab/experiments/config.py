"""An experiment, checked: the components it builds, and the table that builds it again.

config = load_config("first-price", ["mechanism.reserve=0.3"])
config.mechanism            # FirstPrice(reserve=0.3, ...)
config.document             # every setting, defaults filled, ready for JSON
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from auctionlab.core import Environment, Mechanism, Strategy
from auctionlab.errors import AuctionlabError, ConfigError, ContractError
from auctionlab.experiments import sources
from auctionlab.experiments.crosscheck import check_agents, check_mechanism
from auctionlab.experiments.paper import Paper, check_paper
from auctionlab.experiments.section import Section
from auctionlab.registry import Component, build, describe, kinds

T = TypeVar("T")
_LARGEST = 2**63 - 1  # integers that every database can hold
_ROUNDS = 2**31 - 1
Count = Annotated[int, Field(ge=1, le=_ROUNDS)]


class MarketSettings(Section):
    """[market]: how many auctions at once, who meets whom, and who learns what afterwards."""

    groups: Annotated[int, Field(ge=1, le=1_000_000, description="auctions at once in a replication")] = 1
    matching: Annotated[
        Literal["fixed", "strangers"], Field(description="the same rivals always, or drawn anew every round")
    ] = "fixed"
    disclose: Annotated[
        Literal["own", "price", "all"], Field(description="own result, the price to win too, or all messages")
    ] = "own"


class RecordSettings(Section):
    """[record]: which rows go into which database."""

    database: Annotated[str | None, Field(min_length=1, description="SQLAlchemy URL")] = None
    bids: Annotated[str, Field(description="all, every:K, last:K or none")] = "all"

    @field_validator("bids")
    @classmethod
    def _known_policy(cls, text: str) -> str:
        from auctionlab.platform.recorder import parse_policy

        try:
            parse_policy(text)
        except ConfigError as error:
            raise ConfigError(f"record: {error}") from None
        return text


class AnalysisSettings(Section):
    """[analysis]: which rounds are judged, and how close to theory is close."""

    window: Annotated[float, Field(gt=0, le=1, description="the last share of the rounds")] = 0.2
    margin: Annotated[float, Field(gt=0, description="equivalence margin, relative to theory revenue")] = 0.02


_SECTIONS: dict[str, type[Section]] = {
    "market": MarketSettings,
    "record": RecordSettings,
    "analysis": AnalysisSettings,
    "paper": Paper,
}


class AgentBlock(Section):
    """An [[agents]] block: one strategy and the seats, or the number of bidders, that it drives."""

    strategy: dict[str, Any]
    seats: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, min_length=1)] | None = None
    count: Count | None = None
    role: Annotated[int, Field(ge=0)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=100)] = ""

    @field_validator("strategy", mode="before")
    @classmethod
    def _checked(cls, table: Any, info: ValidationInfo) -> dict[str, Any]:
        where = f"{(info.context or {}).get('where', 'agents')}.strategy"
        return describe(_build("agents", table, where))

    @field_validator("seats")
    @classmethod
    def _once_each(cls, seats: tuple[int, ...] | None) -> tuple[int, ...] | None:
        twice = [seat for seat in seats or () if (seats or ()).count(seat) > 1]
        if twice:
            raise ValueError(f"names seat {twice[0]} twice")
        return seats

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.name:
            object.__setattr__(self, "name", self.strategy["kind"])
        return self

    def build(self) -> Strategy:
        """The strategy of this block, fresh."""
        return _build("agents", self.strategy, f"agents: {self.name}")


class Config(Section):
    """An experiment. Made by `load_config`; frozen."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = "experiment"
    label: Annotated[str, Field(max_length=100, description="what a point of a sweep is called")] = ""
    description: str = ""
    seed: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    rounds: Count = 10_000
    replications: Count = 20
    environment: Environment
    mechanism: Mechanism
    market: MarketSettings = MarketSettings()
    agents: Annotated[list[AgentBlock], Field(default_factory=list)]
    record: RecordSettings = RecordSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    paper: Paper | None = None

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        return (*super().keys(), "sweep")

    @field_validator("name")
    @classmethod
    def _no_run_reference(cls, name: str) -> str:
        if name == "last" or name.isdecimal():
            raise ValueError(f"should not be a number or 'last', which name runs, got {name!r}")
        return name

    @field_validator("environment", mode="before")
    @classmethod
    def _environment(cls, table: Any) -> Environment:
        return _build("environments", table, "environment")

    @field_validator("mechanism", mode="before")
    @classmethod
    def _mechanism(cls, table: Any, info: ValidationInfo) -> Mechanism:
        return _build("mechanisms", _with_environment(table, info.data.get("environment")), "mechanism")

    @field_validator("market", "record", "analysis", "paper", mode="before")
    @classmethod
    def _section(cls, table: Any, info: ValidationInfo) -> Section:
        return _SECTIONS[str(info.field_name)].parse(table, str(info.field_name))

    @field_validator("agents", mode="before")
    @classmethod
    def _blocks(cls, blocks: Any) -> list[AgentBlock]:
        if not isinstance(blocks, list | tuple):
            raise ConfigError(f"agents: should be [[agents]] tables, got {blocks!r}")
        return [AgentBlock.parse(block, f"agents.{i}") for i, block in enumerate(blocks)]

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        check_mechanism(self.environment, self.mechanism)
        if not (info.context or {}).get("game_only"):
            check_agents(self)
        return self

    @property
    def document(self) -> dict[str, Any]:
        """Every setting, defaults filled in, as plain data: `load_config(config.document)` is this config again."""
        plain = self.model_dump(mode="json", exclude={"environment", "mechanism"}, exclude_none=True)
        plain["environment"], plain["mechanism"] = describe(self.environment), describe(self.mechanism)
        return {key: plain[key] for key in type(self).model_fields if key in plain}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that determines the recorded rows and the metrics; not of words or of where they go."""
        told = {
            key: value for key, value in self.document.items() if key not in ("name", "label", "description", "paper")
        }
        told["record"] = self.record.bids
        told["agents"] = [{key: value for key, value in block.items() if key != "name"} for block in told["agents"]]
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def load_config(
    source: str | Path | Mapping[str, Any] | Config,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    game_only: bool = False,
) -> Config:
    """The experiment at a path, under a gallery name or in a table, with overrides such as "mechanism.reserve=0.3".

    game_only : the agents may be missing and are not checked (for theory, which needs no players).
    Raises ConfigError, one sentence: which file, which key, what it got, what is allowed.
    """
    if isinstance(source, Config):
        if not overrides:
            return source
        source = source.document
    overrides = overrides if isinstance(overrides, Mapping) else list(overrides)
    found = sources.read(source)
    sources.override(found.table, overrides)
    if "sweep" in found.table:
        raise ConfigError(
            f"{found.where}: [sweep] describes several experiments; `auctionlab run` plays them all "
            "(auctionlab.run_sweep from Python); without [sweep] it is one"
        )
    config = parse_config(found, game_only=game_only)
    if not game_only:
        named(found, lambda: check_paper([config], asked=keys_of(overrides)))
    return config


def keys_of(overrides: Iterable[str] | Mapping[str, Any]) -> list[str]:
    """The keys that overrides set."""
    return [text.partition("=")[0].strip() for text in overrides]


def parse_config(found: sources.Source, *, game_only: bool = False) -> Config:
    """The experiment that a table describes, named after where it was found unless it has a name."""
    found.table.setdefault("name", found.name)
    return named(found, lambda: Config.parse(found.table, game_only=game_only))


def named(found: sources.Source, make: Callable[[], T]) -> T:
    """What `make` makes; its errors begin with where the config was found."""
    try:
        return make()
    except ContractError:
        raise  # that is for whoever wrote the component
    except AuctionlabError as error:
        raise ConfigError(sentence(f"{found.where}: {error}")) from error
    except RecursionError:
        raise ConfigError(f"{found.where}: tables are nested too deeply") from None


def sentence(text: str, longest: int = 600) -> str:
    """The text on one line, its middle left out where somebody wrote a novel into the config."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest // 2]} … {line[-longest // 2 :]}"


def _build(group: str, table: Any, where: str) -> Any:
    """A component from its table; messages start with where it stands in the config."""
    if isinstance(table, Component):
        return table
    kind = table.get("kind") if isinstance(table, Mapping) else table
    try:
        return build(group, dict(table) if isinstance(table, Mapping) else table)
    except AuctionlabError as error:
        raise ConfigError(f"{where}: {str(error).removeprefix(f'{kind}: ')}") from None
    except (MemoryError, OverflowError):
        raise ConfigError(f"{where}: a number in it is too large") from None


def _with_environment(table: Any, environment: Environment | None) -> Any:
    """A mechanism that is designed for an environment gets the experiment's, unless its table names another."""
    kind = table.get("kind") if isinstance(table, Mapping) else table
    cls = kinds("mechanisms").get(kind) if isinstance(kind, str) else None
    if cls is None or environment is None or "environment" not in (field.name for field in fields(cls)):
        return table
    return {"environment": environment, **(table if isinstance(table, Mapping) else {"kind": kind})}
