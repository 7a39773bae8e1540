"""Who bids where in a war of attrition among different bidders: down from bids at which only the last sides bid.

On the way down from there

  - a side whose highest types would rather bid less comes in at the bid that makes them content;
  - a side leaves where its type expects no more than by staying out, or by the lowest bid: there bids have a gap. What
    it expects depends on what the others do below, so that this bid is found by trying;
  - the lowest bid is where, of the two seats that are left, one has nothing to gain; the other's lower types bunch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.errors import NoMethod
from auctionlab.theory.facing import rates
from auctionlab.theory.waiting import FURTHEST, Event, Stretch, Waiting, stuck

_NEAR = 4.0  # places of the last types: those who have just come in do not move yet
_SURE = 1e-10  # relative to what they ask for, how much less the others have to press than what keeps a side away
_TRIES = 400  # ways down
_SECANTS = 20  # to that bid
_APART, _FEWEST = 1e-6, 5  # of steps that are kept
_EXACT = 1e-9  # how well the step is found at which a side leaves
_FIRST = 0.05  # how far above its end it is first tried whether a side would stay
_CLOSE = 1e-7  # how well the bid of the middle types is found where it matters


@dataclass(frozen=True, eq=False)
class State:
    """Places and clock at one bid, who bids just below it, and who may come in further down; all (R,) but the clock."""

    places: Array
    clock: float
    bidding: Array
    waiting: Array

    def without(self, side: int) -> State:
        here = np.arange(len(self.places)) == side
        return replace(self, bidding=self.bidding & ~here, waiting=self.waiting & ~here)

    def joined(self, side: int) -> State:
        here = np.arange(len(self.places)) == side
        places = np.where(here, FURTHEST, self.places)
        return State(places, self.clock, self.bidding | here, self.waiting & ~here)


@dataclass(frozen=True, eq=False)
class Fall:
    """A part of the way down: its bids, and who was waiting to come in."""

    stretch: Stretch
    waiting: Array

    @cached_property
    def _curve(self) -> CubicSpline:
        part = self.stretch
        return CubicSpline(part.steps, np.vstack([part.places[part.bidding], part.clock]), axis=1)

    def at(self, step: float) -> State:
        part, y = self.stretch, self._curve(step)
        places = part.places[:, 0].copy()
        places[part.bidding] = y[:-1]
        return State(places, float(y[-1]), part.bidding, self.waiting)

    def above(self, step: float) -> list[Stretch]:
        """What lies above one of its steps, if anything."""
        part = self.stretch
        steps = np.append(step, part.steps[part.steps > step + _APART])
        if len(steps) < _FEWEST:
            steps = np.linspace(step, part.steps[-1], _FEWEST)
        if steps[-1] - step < _APART:
            return []
        y, places = self._curve(steps), np.repeat(part.places[:, :1], len(steps), axis=1)
        places[part.bidding] = y[:-1]
        return [Stretch(steps, places, y[-1], part.bidding)]


@dataclass(frozen=True, eq=False)
class GivingUp:
    """The search for the bids of all sides, of which the last bid without bound."""

    game: Waiting
    last: Array

    @cached_property
    def _tried(self) -> Iterator[int]:
        return itertools.count()

    def through(self, middle: Array) -> list[Stretch]:
        """Bids from the lowest up, in which places `middle` of the last would bid the same if no others bid there."""
        nobody = np.zeros(len(middle), dtype=bool)

        def alone(clock: float) -> list[Stretch]:
            return self.down(State(middle, clock, self.last, nobody))

        def together(clock: float) -> list[Stretch]:
            upper = self._up(middle, clock)
            return self.down(State(upper.places[:, -1], float(upper.clock[-1]), self.last, ~self.last))

        clock, parts = self._timed(alone, float(self.game.clock(self.game.values(middle)[self.last].min())))
        if self.last.all():
            return self._settled([*parts, self._up(middle, clock)])
        return self._settled(self._timed(together, clock)[1])

    def _timed(self, bids: Callable[[float], list[Stretch]], clock: float) -> tuple[float, list[Stretch]]:
        """The clock at the middle types from which bids lead down to the lowest, where it matters; and these bids."""
        first, last = float(self.game.clock(self.game.stake)), (clock - 1.0, 0.0)
        for _ in range(_SECANTS):
            parts = bids(clock)
            miss = float(parts[0].clock[0]) - first
            if not self.game.moving or abs(miss) < _CLOSE * (1.0 + abs(clock)):
                return clock, parts
            slope = (miss - last[1]) / (clock - last[0]) if last[1] else 1.0  # without risk aversion it would be 1
            last, clock = (clock, miss), clock - miss / slope
        raise stuck()

    def _settled(self, parts: list[Stretch]) -> list[Stretch]:
        """With the clock set so that the lowest bid is the lowest, unless that would matter to the rest."""
        late = float(parts[0].clock[0]) - float(self.game.clock(self.game.stake))
        if self.game.moving and abs(late) > 2 * _CLOSE * (1.0 + abs(float(parts[-1].clock[-1]))):
            return parts
        return [replace(part, clock=part.clock - late) for part in parts]

    def _up(self, middle: Array, clock: float) -> Stretch:
        """Bids of the last as if no others bid; of three or more all must bid on to their last types."""
        if self.game.counts @ self.last == 2 or self.last.sum() == 1:
            return self.game.follow(middle, clock, self.last, 1)[0]
        start = State(middle, clock, self.last, ~self.last)
        if self._speeds(start).min() <= 0:
            raise stuck()
        upper, end = self.game.follow(middle, clock, self.last, 1, [_least(self._speeds, start)])
        if end is not None or upper.places[self.last, -1].min() < FURTHEST - _NEAR:
            raise stuck()
        return upper

    # ---- conditions ----

    def _pulls(self, state: State) -> Array:
        """By how much more pressure those who wait ask for than those who bid exert, relative to it, (R,)."""
        values = self.game.values(np.where(state.waiting, FURTHEST, state.places))
        asked = self.game.pressures(state.places, state.clock, values)
        seats = self.game.counts * state.bidding
        exerted = (seats @ np.where(state.bidding, asked, 0.0)) / (seats.sum() - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(state.waiting, (asked - exerted) / asked + _SURE, np.inf)

    def _speeds(self, state: State) -> Array:
        """p′/p of those who bid, relative to the fastest, (R,); below 0 nobody can be content."""
        speeds = rates(self.game.counts, self.game.pressures(state.places, state.clock), state.bidding)
        moving = state.bidding & (state.places < FURTHEST - _NEAR)
        return np.where(moving, speeds / speeds.max(), 1.0) if speeds.max() > 0 else np.where(state.bidding, -1.0, 1.0)

    def _gains(self, state: State) -> Array:
        """What the types of those who bid would expect if theirs was the lowest bid, (R,)."""
        return np.where(state.bidding, self.game.worth(state.places) / self.game.scale, np.inf)

    # ---- down ----

    def down(self, state: State) -> list[Stretch]:
        """Stretches from the lowest bid up to a state."""
        falls: list[Fall] = []
        if next(self._tried) > _TRIES:
            raise stuck()
        while True:
            while (
                self.game.counts @ state.bidding > 1
                and state.waiting.any()
                and (pulls := self._pulls(state)).min() <= 0
            ):
                state = state.joined(int(np.argmin(pulls)))
            several = self.game.counts @ state.bidding > 2
            if self.game.counts @ state.bidding < 2 or (several and self._speeds(state).min() <= 0):
                raise stuck()
            tests = [self._pulls] if state.waiting.any() else []
            tests += [self._speeds] if several else []
            tests += [self._gains] if self.game.stake > 0 else []
            part, which = self.game.follow(
                state.places, state.clock, state.bidding, -1, [_least(test, state) for test in tests]
            )
            falls.append(Fall(part, state.waiting))
            state = replace(state, places=part.places[:, 0], clock=float(part.clock[0]))
            if which is None:
                return [fall.stretch for fall in reversed(falls)]
            found = tests[which](state)
            if tests[which] != self._pulls:
                return self._left(falls, state.bidding, np.where(state.bidding, found, np.inf))
            state = state.joined(int(np.argmin(found)))

    def _left(self, falls: list[Fall], bidding: Array, order: Array) -> list[Stretch]:
        """Stretches if the first in order leaves for which the rest can be solved."""
        left = self.game.counts @ bidding - self.game.counts
        if left[int(np.argmin(order))] < 2:
            return [fall.stretch for fall in reversed(falls)]
        for side in np.argsort(order)[: bidding.sum()].tolist():
            if left[side] >= 2:
                with suppress(NoMethod):
                    return self._without(side, falls)
        raise stuck()

    def _without(self, side: int, falls: list[Fall]) -> list[Stretch]:
        """Stretches if a side leaves in one of the falls, where it expects nothing more."""
        k, lower = len(falls) - 1, float(falls[-1].stretch.steps[0])
        leaves, reach = lower, 0.0
        while self._excess(side, falls[k].at(leaves)) < 0:
            if leaves == falls[k].stretch.steps[-1]:
                k -= 1
                if k < 0 or not falls[k].stretch.bidding[side]:
                    return self._never(side, falls, k + 1)
                leaves, reach = float(falls[k].stretch.steps[0]), 0.0
            lower, reach = leaves, max(2 * reach, _FIRST)
            leaves = min(leaves + reach, float(falls[k].stretch.steps[-1]))
        if leaves > lower:
            leaves = float(brentq(lambda step: self._excess(side, falls[k].at(step)), lower, leaves, xtol=_EXACT))
        below = self.down(falls[k].at(leaves).without(side))
        return [*below, *falls[k].above(leaves), *(fall.stretch for fall in reversed(falls[:k]))]

    def _never(self, side: int, falls: list[Fall], k: int) -> list[Stretch]:
        """Stretches if a side does not even come in where it did, at the top of a fall."""
        if self.last[side]:
            raise stuck()
        state = falls[k].at(float(falls[k].stretch.steps[-1])).without(side)
        out = np.where(np.arange(len(self.last)) == side, np.inf, state.places)
        return [*self.down(replace(state, places=out)), *(fall.stretch for fall in reversed(falls[:k]))]

    def _excess(self, side: int, state: State) -> float:
        """What the type of a side expects at a state below which it does not bid, beyond its best alternative there."""
        game, parts = self.game, self._settled(self.down(state.without(side)))
        places = np.concatenate([part.places for part in parts], axis=1)
        paid = game.paid(np.concatenate([part.clock for part in parts]))
        value = float(game.values(state.places)[side])
        win, lose = (chances[side] for chances in game.chances(places))
        alone = win[0] * game.utility(value - game.stake)
        later = np.diff(win) @ game.utility(value - (paid[1:] + paid[:-1]) / 2)
        bid, lowest = alone + later + lose[-1] * game.utility(-paid[-1]), alone + lose[0] * game.utility(-game.stake)
        return float(bid - max(float(lowest), 0.0)) / game.scale


def _least(test: Callable[[State], Array], state: State) -> Event:
    return lambda places, clock: float(test(replace(state, places=places, clock=clock)).min())
