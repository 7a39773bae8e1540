"""The market: deals signals, asks for messages, settles the outcome and teaches the strategies, round after round.

All replications and groups are played at once on arrays (R, G, n); a strategy object drives its lanes (replication ×
members + member) at once. Mesa sees one agent a member (or a plain bidder a member and replication).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import mesa
import numpy as np

from auctionlab.agents.bidder import Member, _PlainTeam
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Draw, Environment, Feedback, Mechanism, Seat, Strategy, counterfactual
from auctionlab.errors import ConfigError, ContractError
from auctionlab.platform.ledger import Round
from auctionlab.platform.matching import Block, Seating, Team, line_up
from auctionlab.registry import kind_of
from auctionlab.rng import Source
from auctionlab.theory.equilibria import bid_functions

_PAYOFF_ROWS = 500_000  # messages evaluated at once for counterfactual payoffs: bounds memory


class Market(mesa.Model):  # type: ignore[misc]
    """Repeated auctions among the teams that `blocks` describe.

    groups : simultaneous auctions in a replication; the population has groups × n members.
    matching : "fixed" keeps the groups; "strangers" deals the members of each role over the groups every round.
    disclose : what strategies learn about a round beside their own result: "own" (nothing), "price", "all".
    first : number of the first replication, when this market plays only some of a run's.
    Raises ConfigError where seats are filled twice or not at all, or a learner needs what is not disclosed.
    """

    def __init__(
        self,
        environment: Environment,
        mechanism: Mechanism,
        blocks: Sequence[Block],
        *,
        rounds: int,
        seed: int = 0,
        replications: int = 1,
        groups: int = 1,
        matching: str = "fixed",
        disclose: str = "own",
        first: int = 0,
        observers: Sequence[Callable[[Round], None]] = (),
        datacollector: mesa.DataCollector | None = None,
    ) -> None:
        super().__init__(rng=seed)
        self.environment, self.mechanism = environment, mechanism
        self.rounds, self.replications, self.groups, self.n = rounds, replications, groups, environment.n
        self.disclose = disclose
        self.source = Source(seed, replications, first)
        self.observers = list(observers)
        self.datacollector = datacollector
        self.round = 0  # the number of the round to be played next
        self.last: Round | None = None
        self.stopped = np.full((2, replications), -1)  # of each replication: the round a learner failed in, its member
        box = mechanism.messages(environment)
        self._low = np.broadcast_to(np.asarray(box.low, float), (self.n, *box.shape))
        self._message_shape = box.shape
        self.seating = Seating(mechanism.roles(environment), groups, replications, matching)
        self.teams = [
            Team(copy.deepcopy(block.strategy), role, members, number, block.name or kind_of(block.strategy))
            for block, number, role, members in line_up(blocks, mechanism.roles(environment), groups)
        ]
        for team in self.teams:
            self._sit_down(team, first)

    def _sit_down(self, team: Team, first: int) -> None:
        missing = team.strategy.needs - disclosed(self.disclose, self.mechanism)
        if missing:
            raise ConfigError(
                f"agents.{team.block}: {kind_of(team.strategy)} learns from {', '.join(sorted(missing))}, which "
                f"disclose = {self.disclose!r} hides in {kind_of(self.mechanism)}"
            )
        team.strategy.start(
            Seat(
                index=self.mechanism.roles(self.environment).index(team.role),
                lanes=self.replications * len(team.members),
                rounds=self.rounds,
                environment=self.environment,
                mechanism=self.mechanism,
                role=team.role,
                disclose=self.disclose,
                bids=partial(bid_functions, self.mechanism, self.environment),
            )
        )
        if isinstance(team.strategy, _PlainTeam):
            team.strategy.join(self, team.members, first)
        else:
            for member in team.members:
                Member(self, int(member))

    # ---- one round ----

    def deal(self) -> Draw:
        """Seat everyone and draw signals and values, (R, G, n, ...), of the round to be played next."""
        self.seating.deal(self.source.stream(self.round, "match"))
        draw = self.environment.sample(self.source.stream(self.round, "deal"), self.replications * self.groups)
        shape = (self.replications, self.groups)
        signals = draw.signals.reshape(*shape, *draw.signals.shape[1:])
        same = draw.values is draw.signals
        return Draw(signals, signals if same else draw.values.reshape(*shape, *draw.values.shape[1:]))

    def ask(self, draw: Draw, given: Mapping[int, Array] | None = None) -> Array:
        """Messages (R, G, n, *M); `given` maps members to people's messages (R, *M), which replace their bots'."""
        messages = np.empty((self.replications, self.groups, self.n, *self._message_shape))
        for team in self.teams:
            rng = self.source.stream(self.round, "act", self.address(team))
            with np.errstate(over="ignore", invalid="ignore"):  # see `_stop`
                sent = team.strategy.act(self._lanes(draw.signals, team), rng)
                self._put(messages, team, self._sent(team, "act", sent))
        if self.mechanism.clock == "up" and any(_overrides(team.strategy, "leave") for team in self.teams):
            self._run_clock(draw, messages)
        if given:
            flat = messages.reshape(-1, *self._message_shape)
            for member, message in given.items():
                flat[self.seating.place[:, member]] = message
        legal = (messages >= self._low) & (messages < np.inf)
        if legal.all():
            return messages
        self._stop(np.isnan(messages) | (messages == np.inf))
        return np.where(legal, messages, NO_BID)

    def _stop(self, failed: Array) -> None:
        """Stop the replications in which a message is ∞ or no number: there a learner's numbers have overflowed.

        They play on without it, but count nowhere.
        """
        if not failed.any():
            return
        by_seat: Array = np.any(failed.reshape(self.replications * self.groups * self.n, -1), axis=1)
        by_member = by_seat[self.seating.place]  # (R, P)
        fresh = by_member.any(axis=1) & (self.stopped[0] < 0)
        self.stopped[0, fresh] = self.round
        self.stopped[1, fresh] = by_member[fresh].argmax(axis=1)

    def address(self, team: Team) -> int:
        """The block of addresses at which a team draws when it acts."""
        return team.block * self.n + team.role

    def settle(self, draw: Draw, messages: Array) -> Round:
        """The realised outcome of the messages, with everybody's utility."""
        batch = self.replications * self.groups
        shape = (self.replications, self.groups, self.n)
        values = draw.values.reshape(batch, *draw.values.shape[2:])
        rng = self.source.stream(self.round, "settle")
        outcome = self.mechanism.run(messages.reshape(batch, *messages.shape[2:]), rng)
        return Round(
            number=self.round,
            signals=draw.signals,
            values=draw.values,
            messages=messages,
            allocation=outcome.allocation.reshape(*shape, *outcome.allocation.shape[2:]),
            payments=outcome.payments.reshape(shape),
            utility=self.environment.utility(outcome, values).reshape(shape),
            members=self.seating.members,
        )

    def teach(self, round: Round) -> None:
        """Give every learner the feedback that the experiment discloses."""
        price = self._price(round)
        for team in self.teams:
            if not _overrides(team.strategy, "learn"):
                continue
            feedback = Feedback(
                signals=self._lanes(round.signals, team),
                messages=self._lanes(round.messages, team),
                utility=self._lanes(round.utility, team),
                allocation=self._lanes(round.allocation, team),
                payments=self._lanes(round.payments, team),
                price=None if price is None else self._lanes(price, team),
                others=self._others(round, team) if self.disclose == "all" else None,
                payoff=self._payoff(round, team) if "payoff" in disclosed(self.disclose, self.mechanism) else None,
            )
            with np.errstate(over="ignore", invalid="ignore"):  # see `_stop`
                team.strategy.learn(feedback)

    def play(self) -> Round:
        """One round: deal, ask, settle, teach, then tell the observers."""
        draw = self.deal()
        round = self.settle(draw, self.ask(draw))
        self.teach(round)
        self.finish(round)
        return round

    def finish(self, round: Round) -> None:
        """Close a round: remember it, tell the observers, go on to the next."""
        self.last = round
        self.round += 1
        for observe in self.observers:
            observe(round)

    def step(self) -> None:
        """Mesa's verb for `play`; collects into the DataCollector if there is one."""
        self.play()
        if self.datacollector is not None:
            self.datacollector.collect(self)

    # ---- state ----

    def state(self) -> dict[str, Array]:
        """What every team has learned, by team number and attribute, and which replications are stopped."""
        return {"stopped": self.stopped} | {
            f"{number}/{name}": array
            for number, team in enumerate(self.teams)
            for name, array in team.strategy.state().items()
        }

    def restore(self, round: int, state: Mapping[str, Array]) -> None:
        """Go on from the beginning of `round` with what `state` gave."""
        self.round = round
        self.stopped = np.array(state.get("stopped", self.stopped))
        for number, team in enumerate(self.teams):
            own = {key.partition("/")[2]: array for key, array in state.items() if key.startswith(f"{number}/")}
            team.strategy.restore(own)

    def close(self) -> None:
        """Let go of all agents: Mesa keeps a reference to every model that still has some."""
        self.remove_all_agents()
        getattr(mesa.Agent, "_ids", {}).pop(self, None)

    def team_of(self, member: int) -> Team:
        """The team that drives a member."""
        return next(team for team in self.teams if member in team.members)

    def of_member(self, name: str, member: int) -> Array:
        """A field of the last round for one member, (R, ...)."""
        if self.last is None:
            raise ConfigError("no round has been played yet")
        array = getattr(self.last, name)
        return array.reshape(-1, *array.shape[3:])[self.seating.place[:, member]]

    # ---- lanes ----

    def _everyone_in_place(self, team: Team) -> bool:
        return self.seating.fixed and len(team.members) == self.seating.population

    def _lanes(self, array: Array, team: Team) -> Array:
        """(R, G, n, ...) by seat -> (L, ...) by lane."""
        flat = array.reshape(-1, *array.shape[3:])
        if self._everyone_in_place(team):
            return flat
        return flat[self._where(team)]

    def _sent(self, team: Team, method: str, found: Any) -> Array:
        """What a strategy returned as messages, (L, *M); ContractError where it is something else."""
        expected = (self.replications * len(team.members), *self._message_shape)
        shape = getattr(found, "shape", None)
        if shape != expected or found.dtype.kind not in "fiub":
            got = type(found).__name__ if shape is None else f"an array of shape {shape} and type {found.dtype}"
            raise ContractError(
                f"agents.{team.block}: {kind_of(team.strategy)}: {method} returned {got}, expected numbers of shape "
                f"{expected}, one message a lane"
            )
        return cast(Array, found)

    def _put(self, array: Array, team: Team, lanes: Array) -> None:
        flat = array.reshape(-1, *array.shape[3:])
        if self._everyone_in_place(team):
            flat[:] = lanes
        else:
            flat[self._where(team)] = lanes

    def _where(self, team: Team) -> Array:
        """Flat position in (R, G, n) of each lane."""
        return self.seating.place[:, team.members].reshape(-1)

    # ---- what feedback is made of ----

    def _price(self, round: Round) -> Array | None:
        if self.disclose == "own":
            return None
        messages = round.messages.reshape(-1, *round.messages.shape[2:])
        price = self.mechanism.price(messages)
        return None if price is None else price.reshape(round.payments.shape)

    def _others(self, round: Round, team: Team) -> Array:
        rows, seats = np.divmod(self._where(team), self.n)
        messages = round.messages.reshape(-1, *round.messages.shape[2:])[rows]  # (L, n, *M)
        rivals = np.array([[seat for seat in range(self.n) if seat != own] for own in range(self.n)], np.intp)
        return np.take_along_axis(
            messages, rivals[seats].reshape(*rivals[seats].shape, *(1,) * (messages.ndim - 2)), axis=1
        )

    def _payoff(self, round: Round, team: Team) -> Callable[..., Array]:
        rows, seats = np.divmod(self._where(team), self.n)
        messages = round.messages.reshape(-1, *round.messages.shape[2:])
        values = round.values.reshape(-1, *round.values.shape[2:])

        def payoff(trials: Array, own: Array | None = None) -> Array:
            trials = np.asarray(trials, float)
            shared = trials.ndim == 1 + len(self._message_shape)
            count = trials.shape[0 if shared else 1]
            result = np.empty((len(rows), count))
            step = max(1, _PAYOFF_ROWS // (count * self.n))
            for start in range(0, len(rows), step):
                lanes = slice(start, start + step)
                at, seat = rows[lanes], seats[lanes]
                sent = self._legal(trials if shared else trials[lanes], seat, shared)
                worth = values[at]
                if own is not None:
                    worth[np.arange(len(at)), seat] = own[lanes]
                result[lanes] = counterfactual(self.mechanism, self.environment, messages[at], worth, seat, sent)
            return result

        return payoff

    def _legal(self, trials: Array, seats: Array, shared: bool) -> Array:
        """The trials (K, *M) or (L, K, *M), with no part in place of what is below a seat's lowest legal message."""
        if shared and (self._low == self._low[0]).all():
            return np.where(trials >= self._low[0], trials, NO_BID)
        low = self._low[seats][:, None]
        return np.where(trials >= low, trials, NO_BID)

    def _run_clock(self, draw: Draw, messages: Array) -> None:
        """Let the clock run: after every exit those still in may change the price at which they leave."""
        shape = (self.replications, self.groups, self.n)
        history = np.full((*shape, self.n - 1), np.nan)
        out = np.zeros(shape, bool)
        movers = [team for team in self.teams if _overrides(team.strategy, "leave")]
        for stage in range(self.n - 1):
            planned = np.where(out, np.inf, messages)
            first = planned.argmin(axis=2)[..., None]
            price = np.take_along_axis(messages, first, axis=2)
            np.put_along_axis(out, first, True, axis=2)
            history[..., stage] = price
            for team in movers:
                rng = self.source.stream(self.round, "leave", (team.block * self.n + team.role) * self.n + stage)
                seen = self._lanes(history.reshape(*shape, self.n - 1), team)
                revised = np.empty(shape)
                prices = team.strategy.leave(seen, self._lanes(draw.signals, team), rng)
                self._put(revised, team, self._sent(team, "leave", prices))
                mine = np.zeros(shape, bool)
                self._put(mine, team, np.ones((), bool))
                messages[...] = np.where(mine & ~out, np.maximum(revised, price), messages)


def disclosed(disclose: str, mechanism: Mechanism) -> frozenset[str]:
    """The fields of Feedback, beyond the own result, that an experiment with this setting reveals."""
    if disclose == "all":
        return frozenset({"price", "others", "payoff"})
    if disclose == "price":
        return frozenset({"price", "payoff"}) if mechanism.sufficient_price else frozenset({"price"})
    return frozenset()


def _overrides(strategy: Strategy, method: str) -> bool:
    """True where the strategy's class defines the method itself."""
    if isinstance(strategy, _PlainTeam):
        return method == "learn"
    return inspect.getattr_static(type(strategy), method) is not inspect.getattr_static(Strategy, method)
