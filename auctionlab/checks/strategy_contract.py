"""What a strategy promises: messages for all lanes, lanes that do not meet, and a state that is the whole memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks._require import require
from auctionlab.core import Environment, Feedback, Mechanism, Seat, Strategy, expected_utility
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import AuctionlabError, ContractError
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.registry import kind_of

_REPLICATIONS, _MEMBERS, _ROUNDS = 4, 3, 12
_NEEDS = {"price", "others", "payoff"}


def check_strategy(
    strategy: Strategy, environment: Environment | None = None, mechanism: Mechanism | None = None
) -> None:
    """Play a strategy against truthful rivals and hold it to its contract; the instance itself is left untouched.

    Messages (L,) of a floating type, never NaN or +inf; inputs left alone; the same play from the same streams; lanes
    that stay the same whatever the number of replications; `state` and `restore` that continue as if nothing had
    happened, in plain arrays that a checkpoint can hold; and no use of feedback that `needs` does not name.
    Default: seat 0 of a first-price auction between two bidders with uniform values.
    """
    name = kind_of(strategy)
    unknown = sorted(strategy.needs - _NEEDS)
    require(not unknown, f"{name}: needs {unknown}, allowed are {sorted(_NEEDS)}")
    place = environment or PrivateValues(bidders=2, prior=Uniform())
    table = _Table(name, place, mechanism or FirstPrice())
    whole = table.play(table.seated(strategy), range(_ROUNDS))
    again = table.play(table.seated(strategy), range(_ROUNDS))
    require(
        _same(whole, again), f"{name}: two plays from the same streams differ; draw only from the rng that is given"
    )
    _check_memory(table, strategy, whole)
    fewer = _Table(name, table.environment, table.mechanism, replications=_REPLICATIONS // 2)
    part = fewer.play(fewer.seated(strategy), range(_ROUNDS))
    lanes = fewer.lanes
    alone = _same([sent[:lanes] for sent in whole], part)
    why = "draw with lanes as first axis, and keep lanes apart"
    require(alone, f"{name}: lanes change with the number of replications; {why}")


def _check_memory(table: _Table, strategy: Strategy, whole: list[Array]) -> None:
    """A fresh copy with the state of half a play continues to the same messages, and leaves that state alone."""
    half, name = _ROUNDS // 2, table.name
    first = table.seated(strategy)
    table.play(first, range(half))
    state = {key: np.array(value) for key, value in first.state().items()}
    for key, value in state.items():
        require(value.dtype != object, f"{name}: state {key!r} is not an array of numbers")
    kept = {key: value.copy() for key, value in state.items()}
    second = table.seated(strategy)
    second.restore(state)
    continued = table.play(second, range(half, _ROUNDS))
    why = "keep everything learned in attributes whose names end in '_'"
    for t, (sent, expected) in enumerate(zip(continued, whole[half:], strict=True)):
        same = np.array_equal(sent, expected)
        require(same, f"{name}: {t} rounds after restore(state()) it plays on differently; {why}")
    intact = all(np.array_equal(kept[key], state[key], equal_nan=_floating(kept[key])) for key in kept)
    require(intact, f"{name}: playing on after restore changed the restored arrays; copy them")


@dataclass(frozen=True)
class _Table:
    """Seat 0 of one auction a lane, against rivals who tell the truth."""

    name: str
    environment: Environment
    mechanism: Mechanism
    replications: int = _REPLICATIONS

    @property
    def lanes(self) -> int:
        return self.replications * _MEMBERS

    def seated(self, strategy: Strategy) -> Strategy:
        fresh = copy.deepcopy(strategy)
        disclose = "all" if fresh.needs else "own"
        self.guard(
            "start", fresh.start, Seat(0, self.lanes, _ROUNDS, self.environment, self.mechanism, disclose=disclose)
        )
        return fresh

    def play(self, strategy: Strategy, rounds: range) -> list[Array]:
        """The messages of each round."""
        source = rng.Source(17, self.replications)
        return [self._round(strategy, source, t) for t in rounds]

    def _round(self, strategy: Strategy, source: rng.Source, t: int) -> Array:
        signals, values = self.environment.sample(source.stream(t, "deal"), self.lanes)
        own = signals[:, 0].copy()
        sent = np.asarray(self.guard("act", strategy.act, own, source.stream(t, "act")))
        require(np.array_equal(own, signals[:, 0]), f"{self.name}: act changed the signals that it was given")
        shape = (self.lanes, *self.mechanism.messages(self.environment).shape)
        require(sent.shape == shape, f"{self.name}: act returned shape {sent.shape}, expected {shape}")
        require(_floating(sent), f"{self.name}: act returned messages of type {sent.dtype}, expected floating")
        bad = np.isnan(sent) | (sent == np.inf)
        require(
            not bad.any(),
            f"{self.name}: act sent {sent[bad][:1].tolist()}; -inf takes no part, NaN and inf mean nothing",
        )
        sent = sent.copy()
        if self.mechanism.clock and self.environment.n > 1:
            history = np.full((self.lanes, self.environment.n - 1), np.nan)
            left = np.asarray(self.guard("leave", strategy.leave, history, own.copy(), source.stream(t, "leave")))
            require(left.shape == shape, f"{self.name}: leave returned shape {left.shape}, expected {shape}")
        feedback = self._feedback(strategy, signals, values, sent, source.stream(t, "settle"))
        before = copy.deepcopy(_arrays(feedback))
        self.guard(f"learn, given own results and {sorted(strategy.needs) or 'no more'}", strategy.learn, feedback)
        for key, array in _arrays(feedback).items():
            require(np.array_equal(array, before[key]), f"{self.name}: learn changed feedback.{key}")
        return sent

    def _feedback(self, strategy: Strategy, signals: Array, values: Array, sent: Array, random: rng.Stream) -> Feedback:
        """What it needs and no more."""
        messages = np.array(signals, dtype=float)
        messages[:, 0] = sent
        outcome = self.mechanism.run(messages, random)
        utility = self.environment.utility(outcome, values)

        def payoff(trials: Array, own: Array | None = None) -> Array:
            """Expected utility (L, K) of messages against this round's rivals, had the value been `own`."""
            lanes = len(messages)
            mine = np.broadcast_to(trials, (lanes, np.shape(trials)[-1]))
            rows = np.repeat(messages[:, None], mine.shape[1], axis=1)
            rows[:, :, 0] = mine
            held = values if own is None else np.concatenate([own[:, None], values[:, 1:]], axis=1)
            worth = np.repeat(held[:, None], mine.shape[1], axis=1)
            flat = rows.reshape(-1, *messages.shape[1:])
            expected = expected_utility(self.mechanism, self.environment, flat, worth.reshape(-1, *values.shape[1:]))
            return np.asarray(expected[:, 0].reshape(lanes, -1))

        price = self.mechanism.price(messages)
        needs = strategy.needs
        return Feedback(
            signals=signals[:, 0].copy(),
            messages=sent.copy(),
            utility=utility[:, 0].copy(),
            allocation=outcome.allocation[:, 0].copy(),
            payments=outcome.payments[:, 0].copy(),
            price=price[:, 0].copy() if "price" in needs and price is not None else None,
            others=messages[:, 1:].copy() if "others" in needs else None,
            payoff=payoff if "payoff" in needs else None,
        )

    def guard(self, what: str, method: Any, *arguments: Any) -> Any:
        """Call a method; an error that is not ours becomes one sentence about the strategy."""
        try:
            return method(*arguments)
        except AuctionlabError:
            raise
        except Exception as error:
            raise ContractError(f"{self.name}: {what}, raised {type(error).__name__}: {error}") from error


def _arrays(feedback: Feedback) -> dict[str, Array]:
    return {key: value for key, value in vars(feedback).items() if isinstance(value, np.ndarray)}


def _same(one: list[Array], two: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def _floating(array: Array) -> bool:
    return np.issubdtype(array.dtype, np.floating)
