"""A table of the config: what every section has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from auctionlab.errors import ConfigError, suggest
from auctionlab.registry import explain


class Section(BaseModel):
    """A table of the config: unknown keys are answered with the nearest one, types are strict."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """What can stand in the table."""
        return tuple(cls.model_fields)

    @classmethod
    def parse(cls, table: Any, where: str = "", **context: Any) -> Self:
        """The section that a table describes; ConfigError says where it is wrong, what it got and what is allowed."""
        if isinstance(table, cls):
            return table
        prefix = f"{where}: " if where else ""
        if not isinstance(table, Mapping):
            raise ConfigError(f"{prefix}should be a table, got {table!r}")
        for key in table:
            if key not in cls.model_fields:
                raise ConfigError(f"{prefix}unknown key {key!r}. {suggest(str(key), cls.keys())}")
        try:
            return cls.model_validate(dict(table), context={"where": where, **context})
        except ValidationError as error:
            raise ConfigError(f"{prefix}{explain(error)}") from None
