"""What mechanisms share that choose the welfare-maximising outcome among finitely many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import Field

from auctionlab.arrays import NO_BID, Array, namespace
from auctionlab.core import Box, Environment, Mechanism, Outcome
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream
from auctionlab.theory.choice import Choice, Reports, least_types

Where = Annotated[
    Environment | None,
    Field(description="which outcomes there are and what they are worth; the experiment's unless given"),
]

_PART: Final = 2**18  # numbers handled at once, outcomes × seats × auctions


@dataclass(frozen=True)
class Efficient(Mechanism, ABC):
    """Everybody reports a type, and the outcome with the highest reported welfare, less its cost, is chosen.

    Equally good outcomes share equally in expectation; one is drawn in realised play. Any finite number is a report.
    """

    environment: Where = None

    def __post_init__(self) -> None:
        if self.environment is not None:
            _ = self.choice

    @cached_property
    def choice(self) -> Choice:
        """The outcomes; ConfigError where no environment was given."""
        return Choice(designed_for(self.environment))

    @cached_property
    def least(self) -> Array:
        """Each seat's type with the lowest value, (n, *S)."""
        return least_types(self.choice.environment)

    @abstractmethod
    def transfers(self, signals: Array, present: Array, reports: Reports, shares: Array) -> Array:
        """Payments (n, B) for reports (B, n, *S), present (B, n), when outcomes have these shares (K, B)."""

    def messages(self, environment: Environment) -> Box:
        """Any number is legal, also beyond the types; only no number is no part."""
        return Box(NO_BID, float("inf"), environment.signal.shape)

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        parts = self._parts(messages)
        if rng is None and len(parts) > 1:
            found = [self.run(part) for part in parts]
            return Outcome(_joined([one.allocation for one in found]), _joined([one.payments for one in found]))
        signals, present, reports = self._read(messages)
        return self._outcome(signals, present, reports, self.choice.shares(reports, rng))

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """One outcome for each of the equally good."""
        xp = namespace(messages)
        parts = self._parts(messages)
        if len(parts) > 1:
            weights, found = zip(*(self.lottery(part) for part in parts), strict=True)
            allocation, payments = ([getattr(one, name) for one in found] for name in ("allocation", "payments"))
            return _joined(weights, 1), Outcome(_joined(allocation, 1), _joined(payments, 1))
        signals, present, reports = self._read(messages)
        chances, choices = self.choice.lottery(reports)
        outcomes = [self._outcome(signals, present, reports, choices[k, ...]) for k in range(choices.shape[0])]
        return chances, Outcome(
            xp.stack([outcome.allocation for outcome in outcomes]), xp.stack([outcome.payments for outcome in outcomes])
        )

    def _parts(self, messages: Array) -> list[Array]:
        """The auctions in parts that fit into the cache, where a pass over all outcomes and seats is several times
        faster; the many outcomes of a tie of many are then drawn up for its own part only."""
        rows = max(1, _PART // (len(self.choice) * messages.shape[1]))
        return [messages[start : start + rows, ...] for start in range(0, messages.shape[0], rows)]

    def _outcome(self, signals: Array, present: Array, reports: Reports, shares: Array) -> Outcome:
        return Outcome(self.choice.allocation(shares), self.transfers(signals, present, reports, shares).T)

    def _read(self, messages: Array) -> tuple[Array, Array, Reports]:
        """Types reported, who takes part, and what that makes of the outcomes."""
        signals, present = self._types(messages)
        return signals, present, self.choice.reports(signals, present)

    def _types(self, messages: Array) -> tuple[Array, Array]:
        """Reports with 0 for those who take no part, and who takes part, (B, n)."""
        xp = namespace(messages)
        finite = xp.isfinite(messages)
        if xp.all(finite):
            return messages, xp.ones(messages.shape[:2], dtype=xp.bool)
        present = xp.all(finite, axis=tuple(range(2, messages.ndim))) if messages.ndim > 2 else finite
        known = present if messages.ndim == 2 else present[..., None]
        return xp.where(known, messages, xp.zeros_like(messages)), present


def _joined(parts: Sequence[Array], axis: int = 0) -> Array:
    """Parts along an axis; zeros fill up the first axis where it is shorter and not that one."""
    xp = namespace(*parts)
    most = max(part.shape[0] for part in parts)
    if axis and any(part.shape[0] < most for part in parts):
        blank = [xp.zeros((most - part.shape[0], *part.shape[1:]), dtype=part.dtype) for part in parts]
        parts = [xp.concat(pair) for pair in zip(parts, blank, strict=True)]
    return xp.concat(list(parts), axis=axis)


def designed_for(environment: Environment | None) -> Environment:
    """The environment a mechanism is made for; ConfigError where there is none."""
    if environment is None:
        raise ConfigError("missing key 'environment', which the mechanism is made for")
    return environment


def same_game(one: Environment | None, two: Environment) -> bool:
    """True where both have the same seats, outcomes, costs and values of types; beliefs may differ."""
    import numpy as np

    if one is None:
        return False
    if one == two:
        return True
    if one.n != two.n or one.signal.shape != two.signal.shape or one.outcomes().shape != two.outcomes().shape:
        return False
    probe = np.arange(1.0, 1 + np.prod((one.n, *one.signal.shape), dtype=float)).reshape(1, one.n, *one.signal.shape)
    first, second = Choice(one), Choice(two)
    return (
        np.array_equal(first.outcomes, second.outcomes)
        and np.array_equal(first.costs, second.costs)
        and np.array_equal(first.worth(probe), second.worth(probe))
        and np.array_equal(one.without(), two.without())
    )


def environments() -> Any:
    """Environments and priors under one name, for examples."""
    from auctionlab.mechanisms.single_item import _environments

    return _environments()
