"""Rules that treat bidders differently: whom they tell apart, and scores in which a favourite's bids are comparable.

Where one seat's bid counts for more than another's (a bid preference in procurement, a bonus), equal bids do not tie.
The numerical methods need ties where bids are equal, so they are given the same auction in other words: a seat sends
the bid of seat 0 that ties with its own, its score, and the rule is run at the bids that scores stand for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab import rng
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Box, Environment, Mechanism, Outcome
from auctionlab.errors import NoMethod
from auctionlab.registry import kind_of
from auctionlab.rng import Stream

_PROBES = 200  # profiles in which it is tried whether seats are alike
_BIDS, _HALVINGS = 65, 60  # bids whose ties are looked for, by bisection
_CLOSE = 1e-9  # relative to the range of bids


def exchangeable(mechanism: Mechanism, environment: Environment) -> tuple[int, ...]:
    """One role a seat, the same for seats with one prior whom the rule does not tell apart in any profile tried.

    Raises NoMethod where what the rule decides is no number.
    """
    lows, top = _range(mechanism, environment)
    draws = rng.Source(7).stream(0, "evaluate").random((_PROBES, environment.n))
    messages = lows + (top - lows) * draws
    messages[: _PROBES // 4] = lows + (top - lows) / 8 * np.floor(8 * draws[: _PROBES // 4])  # ties
    messages[-_PROBES // 4 :][draws[-_PROBES // 4 :] < 0.3] = NO_BID
    outcome, told = mechanism.run(messages), mechanism.roles(environment)
    found = list(told)
    for part, drawn in (("an allocation", outcome.allocation), ("a payment", outcome.payments)):
        if np.any(np.isnan(drawn)):
            row = messages[np.argmax(np.isnan(drawn).any(axis=1))]
            sent = ", ".join("no part" if bid == NO_BID else f"{bid:.3g}" for bid in row)
            raise NoMethod(f"{kind_of(mechanism)}: {part} should be a number, got nan for the bids {sent}")
    for seat in range(environment.n):
        others = [j for j in range(seat) if told[j] == told[seat]]
        found[seat] = next((found[j] for j in others if _alike(mechanism, messages, outcome, seat, j)), seat)
    return tuple(found)


def _alike(mechanism: Mechanism, messages: Array, outcome: Outcome, one: int, other: int) -> bool:
    """Whether outcomes are exchanged where bids are."""
    order = np.arange(messages.shape[1])
    order[[one, other]] = other, one
    moved = mechanism.run(messages[:, order])
    pairs = ((moved.allocation[:, order], outcome.allocation), (moved.payments[:, order], outcome.payments))
    return all(bool(np.allclose(*pair, rtol=1e-9, atol=1e-12)) for pair in pairs)


def _range(mechanism: Mechanism, environment: Environment) -> tuple[Array, float]:
    """The lowest bid of each seat, (n,), and a bid above most values."""
    ends = np.array([prior.quantile(np.array([0.001, 0.999])) for prior in environment.priors if prior is not None])
    lows = np.broadcast_to(np.asarray(mechanism.messages(environment).low, float), (environment.n,))
    lows = np.where(np.isfinite(lows), lows, ends.min())
    return lows, float(max(ends.max(), lows.max()) + 0.5 * (ends.max() - ends.min()))


@dataclass(frozen=True, eq=False)
class Scored(Mechanism):
    """A rule whose messages are scores: the bid of seat 0 that ties with the bid of a seat.

    ties : by seat, ascending bids of seat 0 and those of the seat that tie with them; straight lines in between.
    """

    stands_for: Mechanism
    ties: tuple[tuple[Array, Array], ...]

    def bids(self, seat: int, scores: Array) -> Array:
        return _line(*self.ties[seat], scores)

    def messages(self, environment: Environment) -> Box:
        lows = np.broadcast_to(np.asarray(self.stands_for.messages(environment).low, float), (environment.n,))
        return Box(
            np.array([_line(own, first, low) for (first, own), low in zip(self.ties, lows, strict=True)]), np.inf
        )

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        return self.stands_for.run(self._sent(messages), rng)

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        return self.stands_for.lottery(self._sent(messages))

    def _sent(self, messages: Array) -> Array:
        return np.stack([self.bids(seat, messages[:, seat]) for seat in range(len(self.ties))], axis=1)


def scored(mechanism: Mechanism, environment: Environment) -> Scored | None:
    """The rule in scores, the same for seats that it does not tell apart.

    None where equal bids tie already, or no bid of some seat ties with one of seat 0.
    """
    (lows, top), alike = _range(mechanism, environment), exchangeable(mechanism, environment)
    ties = [(np.array([0.0, 1.0]), np.array([0.0, 1.0]))]
    for seat in range(1, environment.n):
        first = alike.index(alike[seat])
        found = ties[first] if first < seat else _ties(mechanism, seat, lows, top)
        if found is None:
            return None
        ties.append(found)
    if all(np.allclose(first, own, rtol=0, atol=_CLOSE * top) for first, own in ties):
        return None
    return Scored(mechanism, tuple(ties))


def _ties(mechanism: Mechanism, seat: int, lows: Array, top: float) -> tuple[Array, Array] | None:
    """Bids of seat 0, and those of a seat that tie with them where nobody else bids."""
    first = np.linspace(lows[0], top, _BIDS)
    messages = np.full((_BIDS, len(lows)), NO_BID)
    messages[:, 0] = first

    def wins(own: Array) -> Array:
        messages[:, seat] = own
        won = mechanism.run(messages).allocation
        return np.asarray(won[:, seat] > won[:, 0])

    low, high = np.full(_BIDS, lows[seat]), np.full(_BIDS, lows[seat] + 100 * (top - lows[seat]))
    kept = ~wins(low) & wins(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = wins(middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    first, own = first[kept], high[kept]
    if len(own) < 2 or np.any(np.diff(own) <= 0):
        return None
    ends = first[[0, -1]], own[[0, -1]]
    straight = np.allclose(_line(*ends, first), own, rtol=0, atol=_CLOSE * top)
    return ends if straight else (first, own)


def _line(x: Array, y: Array, at: Array) -> Array:
    """Through the points, and straight on beyond the ends; −inf stays."""
    cell = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    return np.asarray(y[cell] + (at - x[cell]) * (y[cell + 1] - y[cell]) / (x[cell + 1] - x[cell]))
