"""Which allocation rules of finitely many types can be made incentive compatible by payments.  Rochet (1987)

Types may be anything, vectors too. worth[r, k] is what type k gets from the allocation of type r, before payments. A
link r → k is as long as worth[r, k] − worth[r, r]: what the allocation of r is worth more to k than to r itself.
Payments exist exactly where no cycle of links is longer than 0, and then type k keeps the longest path to k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism
from auctionlab.errors import ConfigError

_ROUNDING = 1e-12  # of the largest worth, for each link


@dataclass(frozen=True)
class Implementation:
    """Payments (T,) that make a rule incentive compatible, or the cycle of types that rules them out.

    cycle : indices of types, the first repeated at the end; empty where there is none.   excess : how long it is.
    utility : (T,), what types keep, 0 for type 0.
    slack : how far payments between two types are free, at most: 0 where they are unique up to a constant.
    """

    worth: Array
    payments: Array | None
    utility: Array | None
    cycle: tuple[int, ...]
    excess: float
    slack: float

    @property
    def implementable(self) -> bool:
        """True where the rule is cyclically monotone."""
        return not self.cycle

    def line(self, types: Sequence[object] | None = None) -> str:
        """One line to follow: the payments, or each step of the offending cycle."""
        names = [f"{types[k]}" if types is not None else f"{k}" for k in range(len(self.worth))]
        if self.payments is not None:
            shown = ", ".join(f"{name}: {paid:.6g}" for name, paid in zip(names, self.payments, strict=True))
            return f"incentive compatible with payments {shown}"
        steps = [
            f"x({names[a]}) is worth {self.worth[a, b] - self.worth[a, a]:.6g} more to {names[b]} than to {names[a]}"
            for a, b in zip(self.cycle[:-1], self.cycle[1:], strict=True)
        ]
        return f"no payments exist: {'; '.join(steps)}; in sum {self.excess:.6g} > 0"


def worth_of(v: Callable[[Any, Any], float], rule: Sequence[Any], types: Sequence[Any]) -> Array:
    """worth (T, T) of a rule that gives rule[k] to types[k], by v(allocation, type) of one pair at a time."""
    return np.array([[float(v(allocation, theta)) for theta in types] for allocation in rule])


def weak_monotonicity(worth: Array) -> tuple[float, tuple[int, int]]:
    """The longest cycle of two types, and which: above 0 the rule cannot be implemented.  Okumura (2018), prop. 1.1

    Necessary; sufficient where types are scalar with increasing differences, but not in general.
    """
    links = _links(worth)
    cycles = links + links.T
    np.fill_diagonal(cycles, -np.inf)
    a, b = np.unravel_index(int(np.argmax(cycles)), cycles.shape)
    return float(cycles[a, b]), (int(a), int(b))


def implement(worth: Array) -> Implementation:
    """Payments for a rule, or a cycle that is too long, by Bellman and Ford.  Rochet (1987); Okumura (2018), thm. 1.5

    worth : (T, T), see above. V(θ) is the longest path from type 0 to θ, and t(θ) = v(x(θ), θ) − V(θ).
    """
    worth = np.asarray(worth, dtype=float)
    if worth.ndim != 2 or worth.shape[0] != worth.shape[1] or not np.isfinite(worth).all():
        raise ConfigError(f"worth: should be a square table of finite numbers, got shape {worth.shape}")
    links, count = _links(worth), len(worth)
    rounding = _ROUNDING * max(float(np.abs(worth).max()), 1e-300)
    longest, before = np.zeros(count), np.full(count, -1)  # from a source with a link of 0 to every type
    for _ in range(count):
        through = longest[:, None] + links
        step = np.argmax(through, axis=0)
        reached = through[step, np.arange(count)]
        better = reached > longest + rounding
        if not better.any():
            return _payments(worth, links)
        longest, before = np.where(better, reached, longest), np.where(better, step, before)
    cycle = _cycle(before, int(np.argmax(better)))
    excess = float(links[list(cycle[:-1]), list(cycle[1:])].sum())
    return Implementation(worth, None, None, cycle, excess, 0.0)


def rule_worth(
    mechanism: Mechanism, environment: Environment, seat: int, types: Array, others: Array
) -> tuple[Array, Array]:
    """worth (T, T) and payments (T,) of a direct mechanism for one seat whose rivals report `others` (n, *S).

    types : (T, *S), the seat's; the entry of the seat in `others` is not used. `implement` then tells whether the
    allocation is dominant-strategy implementable against these rivals.
    """
    types = np.asarray(types, dtype=float)
    reports = np.repeat(np.asarray(others, dtype=float)[None], len(types), axis=0)
    reports[:, seat] = types
    outcome, worth = mechanism.run(reports), np.empty((len(types), len(types)))
    for k in range(len(types)):
        signals = np.array(reports)
        signals[:, seat] = types[k]
        worth[:, k] = environment.value(outcome.allocation, environment.values(signals))[:, seat]
    return worth, outcome.payments[:, seat]


def _links(worth: Array) -> Array:
    return np.asarray(worth, dtype=float) - np.diagonal(worth)[:, None]


def _payments(worth: Array, links: Array) -> Implementation:
    paths = _longest_paths(links)
    utility = paths[0]
    slack = float(np.max(-(paths + paths.T)))
    return Implementation(worth, np.diagonal(worth) - utility, utility, (), 0.0, max(slack, 0.0))


def _longest_paths(links: Array) -> Array:
    """The longest path from each type to each other, (T, T), by Floyd and Warshall; no cycle is longer than 0."""
    paths = np.array(links)
    for through in range(len(paths)):
        paths = np.maximum(paths, paths[:, through, None] + paths[None, through, :])
    return paths


def _cycle(before: Array, start: int) -> tuple[int, ...]:
    """The cycle that a chain of predecessors runs into, in the direction of its links, first type repeated."""
    node = start
    for _ in range(len(before)):
        node = int(before[node])
    found = [node]
    while True:
        node = int(before[node])
        found.append(node)
        if node == found[0]:
            return tuple(reversed(found))
