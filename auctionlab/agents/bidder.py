"""Mesa agents: a thin view on a strategy's lanes for every member, and plain bidders written one auction at a time."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mesa
import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Feedback, Seat, Strategy
from auctionlab.errors import ConfigError, suggest
from auctionlab.registry import Component, kind_of
from auctionlab.rng import Stream


class Member(mesa.Agent):  # type: ignore[misc]
    """The Mesa agent of one member of the population: what its lanes (one a replication) did in the last round.

    `value`, `bid`, `allocation`, `payment` and `utility` are means over replications (so plain numbers for one
    replication); `signals`, `messages`, `utilities` are the arrays, (R, ...).
    """

    def __init__(self, model: Any, member: int) -> None:
        super().__init__(model)
        self.member = member
        self.team = model.team_of(member)
        self.role = self.team.role
        self.kind = kind_of(self.team.strategy)

    @property
    def strategy(self) -> Strategy:
        """The strategy object that drives this member (shared by its team)."""
        return self.team.strategy

    @property
    def signals(self) -> Array:
        """This member's signals in the last round, (R, *S)."""
        return self.model.of_member("signals", self.member)

    @property
    def messages(self) -> Array:
        """This member's messages in the last round, (R, *M); -inf took no part."""
        return self.model.of_member("messages", self.member)

    @property
    def utilities(self) -> Array:
        """This member's utility in the last round, (R,)."""
        return self.model.of_member("utility", self.member)

    @property
    def value(self) -> float:
        """Mean value over replications in the last round."""
        return float(np.mean(self.model.of_member("values", self.member)))

    @property
    def bid(self) -> float:
        """Mean bid over the replications in which it took part in the last round; NaN if in none."""
        bids = self.messages[np.isfinite(self.messages)]
        return float(bids.mean()) if bids.size else float("nan")

    @property
    def message(self) -> float:
        """The same as `bid`, but -inf where it took part in none: what a plain bidder has under this name too."""
        return self.bid if np.isfinite(self.messages).any() else NO_BID

    @property
    def allocation(self) -> float:
        """Mean allocation over replications in the last round."""
        return float(np.mean(self.model.of_member("allocation", self.member)))

    @property
    def payment(self) -> float:
        """Mean payment over replications in the last round."""
        return float(np.mean(self.model.of_member("payments", self.member)))

    @property
    def utility(self) -> float:
        """Mean utility over replications in the last round."""
        return float(np.mean(self.utilities))


class Bidder(mesa.Agent, Component, ABC):  # type: ignore[misc]
    """Base of plain Mesa bidders: override `bid(value)` and, to learn, `learn(...)`. The slow, simple way.

    One instance plays for one member in one replication, so everything is a scalar; expect a hundredth of the speed
    of a `Strategy`. `bid` is the method; the last bid is `message`, here and in `Member`, for Mesa's reporters and
    verbs. Keyword arguments of `__init__` are the parameters that a config can set. What is learned goes into
    attributes whose names end in "_" (numbers or arrays of constant shape): those are checkpointed. `self.rng` is a
    NumPy generator of this agent and round alone, so a resumed run sees the same draws.

        class Cautious(auctionlab.Bidder):
            def __init__(self, model, fraction=0.5):
                super().__init__(model)
                self.fraction = fraction

            def bid(self, value):
                return self.fraction * value
    """

    group: ClassVar[str] = "agents"
    needs: ClassVar[frozenset[str]] = frozenset()

    seat: Seat
    kind: str
    role: int
    member: int
    replication: int
    value: float = float("nan")
    message: float = float("nan")  # the last bid; -inf took no part
    allocation: float = 0.0
    payment: float = 0.0
    utility: float = 0.0
    price: float | None = None  # the lowest bid that would have won, where the experiment discloses it
    others: Array | None = None  # the rivals' messages, where the experiment discloses them

    def start(self, seat: Seat) -> None:
        """Sit down; `self.seat`, `self.member` and `self.replication` are set. Default: nothing."""

    @abstractmethod
    def bid(self, value: float) -> float | None:
        """The bid at this value; None takes no part."""

    def learn(self, value: float, bid: float, utility: float) -> None:
        """Learn from one round; the rest of what is disclosed is in the attributes. Default: nothing."""

    @property
    def rng(self) -> np.random.Generator:
        """A generator addressed by seed, round, replication and member."""
        if self._drawn_in != self.model.round:
            self._drawn_in = self.model.round
            self._generator = np.random.default_rng(
                [self.model.source.seed, self.model.round, self.replication, self.member]
            )
        return self._generator

    _drawn_in: int = -1
    _generator: np.random.Generator

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> _PlainTeam:
        """A strategy that plays one instance of this class a lane."""
        signature = inspect.signature(cls.__init__)
        known = list(signature.parameters)[2:]
        for key in parameters:
            if key not in known:
                raise ConfigError(f"{kind_of(cls)}: unknown key {key!r}. {suggest(key, known)}")
        try:
            signature.bind(None, None, **parameters)
            json.dumps(parameters, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{kind_of(cls)}: {error}") from None
        return _PlainTeam(cls, dict(parameters))


@dataclass
class _PlainTeam(Strategy):
    """Plays one plain Mesa agent a lane, in a Python loop over agents."""

    stands_for: type[Bidder]
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.needs = self.stands_for.needs  # type: ignore[misc]
        self.agents: list[Bidder] = []

    def to_parameters(self) -> dict[str, Any]:
        return dict(self.arguments)

    def join(self, model: Any, members: Array, first: int) -> None:
        """Create the agents of these members, in order of lanes (replication × members + member)."""
        for replication in range(self.seat.lanes // len(members)):
            for member in members:
                agent = self.stands_for(model, **self.arguments)
                agent.seat, agent.member, agent.replication = self.seat, int(member), first + replication
                agent.kind, agent.role = kind_of(self), self.seat.role
                agent.start(self.seat)
                self.agents.append(agent)

    def act(self, signals: Array, rng: Stream) -> Array:
        messages = np.empty(len(signals))
        for lane, agent in enumerate(self.agents):
            agent.value = signals[lane].item()
            bid = agent.bid(agent.value)
            messages[lane] = agent.message = NO_BID if bid is None else float(bid)
        return messages

    def learn(self, feedback: Feedback) -> None:
        for lane, agent in enumerate(self.agents):
            agent.message = feedback.messages[lane].item()
            agent.allocation = feedback.allocation[lane].item()
            agent.payment = feedback.payments[lane].item()
            agent.utility = feedback.utility[lane].item()
            agent.price = None if feedback.price is None else feedback.price[lane].item()
            agent.others = None if feedback.others is None else feedback.others[lane]
            agent.learn(agent.value, agent.message, agent.utility)

    def state(self) -> dict[str, Array]:
        if not self.agents:
            return {}
        names = [name for name in vars(self.agents[0]) if name.endswith("_") and not name.startswith("_")]
        return {name: np.stack([np.asarray(getattr(agent, name)) for agent in self.agents]) for name in names}

    def restore(self, state: dict[str, Array]) -> None:
        for name, values in state.items():
            for agent, value in zip(self.agents, values, strict=True):
                setattr(agent, name, value.item() if value.ndim == 0 else value.copy())
