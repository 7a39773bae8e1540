"""What environments with finitely many outcomes share: independent scalar types, and welfare as a maximum over rows."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Box, Draw, Environment, Prior
from auctionlab.environments._checks import require, require_resolved
from auctionlab.rng import Stream

Priors = Annotated[tuple[Prior, ...], Field(strict=False, description="one prior a seat, instead of prior")]
Options = Annotated[
    tuple[float, ...],
    Field(strict=False, description="what not taking part is worth, one a seat, in money; 0 for all by default"),
]


class Finite(Environment, ABC):
    """Types are scalar and independent; `outcomes` lists what can be decided, and welfare is linear in it.

    A subclass has the field `priors` (one a seat) and may have `outside_options`, money that needs no part.
    """

    @property
    def n(self) -> int:
        return len(self.priors)

    @property
    def signal(self) -> Box:
        priors = [prior for prior in self.priors if prior is not None]
        if all(prior == priors[0] for prior in priors):
            return Box(priors[0].low, priors[0].high)
        return Box(np.array([prior.low for prior in priors]), np.array([prior.high for prior in priors]))

    def sample(self, rng: Stream, batch: int) -> Draw:
        signals = rng.random((batch, self.n))
        for seat, prior in enumerate(self.priors):
            if prior is not None:
                signals[:, seat] = prior.quantile(signals[:, seat])
        values = self.values(signals)
        return Draw(signals, values)

    def outside(self, values: Array) -> Array:
        options = getattr(self, "outside_options", ())
        xp = namespace(values)
        money = xp.asarray(options or (0.0,) * self.n, dtype=values.dtype)
        return xp.broadcast_to(money, values.shape[:2])

    @cached_property
    def _rows(self) -> tuple[Array, Array]:
        """The outcomes as rows (K, n · A), and the designer's cost of each (K,)."""
        outcomes = self.outcomes()
        return outcomes.reshape(len(outcomes), -1), np.asarray(self.cost(outcomes))

    def best_welfare(self, values: Array) -> Array:
        xp = namespace(values)
        rows, costs = (xp.asarray(array, dtype=values.dtype) for array in self._rows)
        flat = xp.reshape(values, (values.shape[0], -1))
        best = xp.sum(flat * rows[0, :], axis=1) - costs[0]
        for k in range(1, rows.shape[0]):
            best = xp.maximum(best, xp.sum(flat * rows[k, :], axis=1) - costs[k])
        return best


def spread(count: int | None, prior: Prior | None, priors: Sequence[Prior], noun: str) -> tuple[Prior, ...]:
    """One prior a seat, from a number of seats with one prior or from the list of all; ConfigError where unclear."""
    if prior is None:
        require(bool(priors), "missing key 'prior' (one for all seats) or 'priors' (one a seat)")
        require(count in (None, len(priors)), f"priors: should be {count}, one a seat ({noun}), got {len(priors)}")
        require_resolved(priors)
        return tuple(priors)
    require(
        count is not None and count >= 1, f"{noun}: should be the number of seats that share the prior, got {count}"
    )
    require_resolved([prior])
    same = (prior,) * int(count or 1)
    require(tuple(priors) in ((), same), "priors: should not be given together with 'prior'; give one of the two")
    return same


def shared(priors: tuple[Prior, ...]) -> Prior | None:
    """The prior of all seats, None where they differ."""
    return priors[0] if all(prior == priors[0] for prior in priors) else None


def require_options(options: Sequence[float], n: int) -> None:
    """ConfigError unless there is an outside option for each seat, or none at all."""
    require(len(options) in (0, n), f"outside_options: should be {n}, one a seat, got {len(options)}")
    require(bool(np.isfinite(options).all()), f"outside_options: should be finite numbers, got {tuple(options)}")


def settle(environment: Environment, **fields: object) -> None:
    """Set resolved fields of a frozen environment, so that equal environments are equal however they were written."""
    for name, value in fields.items():
        object.__setattr__(environment, name, value)


def known(environment: Environment, parameters: dict[str, object]) -> dict[str, object]:
    """The parameters that say something: one prior instead of equal ones, no empty lists."""
    one = getattr(environment, "prior", None) is not None
    unused = {"priors", "each"} if one else {"prior"}
    return {key: value for key, value in parameters.items() if key not in unused and value not in ([], None)}


def alike(seats: list[object]) -> tuple[int, ...]:
    """A role for each seat: seats that are described alike share one."""
    seen: list[object] = []
    for seat in seats:
        if seat not in seen:
            seen.append(seat)
    return tuple(seen.index(seat) for seat in seats)
