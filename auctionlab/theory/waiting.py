"""What bidders face in a war of attrition: who wins pays the second-highest bid, the others their own.

Let p_i be the level of the type v_i that bids b, and K_i = Π p_j over the rivals. As a winner's payment does not change
with the own bid, a type that loses x = b + fee unless it wins is content where K_i′ (u(v_i − x) − u(−x)) equals
(1 − K_i) u′(−x). On a clock τ with dτ = u′(−x) dx / g(x) that reads K_i′ / (1 − K_i) = 1 / G_i:

    risk-neutral  τ = x            G = v
    cara          τ = x            G = (1 − exp(−αv)) / α, whatever was paid so far
    crra          τ = x^(1−rho)    G = (1 − rho) (u(v − x) + u(x))

so with h_i = K_i′ / K_i = (1 − K_i) / (K_i G_i) those who bid there move by `descent.rates`. Types are told by their
places, the log odds z of their level among types above those who could not even gain if alone: both ends are infinitely
far, and next to both ends all is smooth in z.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoMethod
from auctionlab.theory.facing import rates

FURTHEST = 36.0  # the places that a double can tell from both ends
_BEYOND = 4.0  # places more, for types whose place is not known better
_LOW = -12.0  # places below which values above a lowest one inside the support are in proportion to their level
_LONGEST = 400.0  # how far the strong go on while the weak get to their last place
_CELLS = 3600  # of places between both ends
_NODES = 0.03  # the largest distance of places at which a path is kept
_APART, _FEWEST = 1e-6, 5  # the least distance, and number
_INNER = np.arange(12) / 12  # and where in each step of the solver
_ACCURACY = 1e-9
_STEP = 4.0  # the longest, so that none leaps over an event
_PATIENCE = 20_000  # slopes asked for in one stretch

Event = Callable[[Array, float], float]  # of places and the clock, (R,) and scalar; a stretch ends where it falls to 0


@dataclass(frozen=True)
class Stretch:
    """Places (R, N) and clock (N,) along steps (N,) to bids that rise, and which sides bid there (R,)."""

    steps: Array
    places: Array
    clock: Array
    bidding: Array


@dataclass(frozen=True, eq=False)
class Waiting:
    """Sides, each a prior and a number of seats that bid alike; what the lowest bid costs, fee and all; the risk."""

    priors: tuple[Prior, ...]
    counts: Array
    stake: float
    risk: Any

    # ---- money ----

    @property
    def moving(self) -> bool:
        """Whether what was paid so far matters to how bids go on."""
        return hasattr(self.risk, "rho")

    def utility(self, money: Array | float) -> Array:
        return np.asarray(money if self.risk is None else self.risk.u(np.asarray(money, float)))

    def certain(self, utility: Array | float) -> Array:
        """The money that is worth a utility."""
        return np.asarray(utility if self.risk is None else self.risk.inverse(np.asarray(utility, float)))

    def clock(self, paid: Array | float) -> Array:
        return np.asarray(paid ** (1 - self.risk.rho) if self.moving else paid)

    def paid(self, clock: Array | float) -> Array:
        return np.asarray(np.maximum(clock, 0.0) ** (1 / (1 - self.risk.rho)) if self.moving else clock)

    def gain(self, values: Array, clock: Array | float) -> Array:
        """G: what winning brings, in units of the clock."""
        if self.risk is None:
            return values
        if not self.moving:
            return np.asarray(-np.expm1(-self.risk.alpha * values) / self.risk.alpha)
        power, x = 1 - self.risk.rho, self.paid(clock)
        near = np.abs(values - x) ** power * np.sign(values - x) + x**power
        with np.errstate(divide="ignore", invalid="ignore"):
            far = -(x**power) * np.expm1(power * np.log1p(-np.minimum(values / x, 0.5)))
        return np.where(x > 2 * values, far, near)

    @cached_property
    def scale(self) -> float:
        """The utility of the highest value."""
        return float(self.utility(self._table[0].max()))

    # ---- types ----

    @cached_property
    def least(self) -> Array:
        """The lowest types that could gain if alone, (R,)."""
        return np.array([max(prior.low, self.stake) for prior in self.priors])

    @cached_property
    def under(self) -> Array:
        """The levels below them, (R,)."""
        return np.array([float(prior.cdf(np.array(v))) for prior, v in zip(self.priors, self.least, strict=True)])

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Values and their slopes at `_CELLS` + 1 places, (R, N) each."""
        z = np.linspace(-FURTHEST, FURTHEST, _CELLS + 1)
        rows = [
            _placed(p, under, least, z) for p, under, least in zip(self.priors, self.under, self.least, strict=True)
        ]
        return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])

    def values(self, places: Array) -> Array:
        """The values (R,) at places (R,), or (R, N) at (R, N); on a line a little beyond `FURTHEST`, then constant."""
        heights, slopes = self._table
        step = 2 * FURTHEST / _CELLS
        at = np.minimum(np.maximum((places + FURTHEST) / step, 0.0), _CELLS)
        cell = np.minimum(np.maximum(at.astype(int), 0), _CELLS - 1)  # a step too far may ask for no number
        t, side = at - cell, np.arange(len(heights)).reshape(-1, *[1] * (places.ndim - 1))
        a, b = heights[side, cell], heights[side, cell + 1]
        c, d = slopes[side, cell] * step, slopes[side, cell + 1] * step
        rise = b - a
        beyond = np.minimum(np.maximum(places - FURTHEST, 0.0), _BEYOND) / step
        return np.asarray(a + t * (c + t * (3 * rise - 2 * c - d + t * (c + d - 2 * rise))) + beyond * d)

    def levels(self, places: Array) -> tuple[Array, Array]:
        """p and 1 − p."""
        under = self.under.reshape(-1, *[1] * (places.ndim - 1))
        return under + (1 - under) * expit(places), (1 - under) * expit(-places)

    def places(self, side: int, values: Array) -> Array:
        """The places of the values of one side."""
        prior, under = self.priors[side], float(self.under[side])
        with np.errstate(divide="ignore"):
            if under == 0:
                low = np.asarray(prior.logcdf(values))
            else:
                low = np.log(np.maximum(np.asarray(prior.cdf(values)) - under, 0.0))
            return np.asarray(low - np.asarray(prior.logsf(values)))

    # ---- chances ----

    @cached_property
    def _others(self) -> Array:
        return np.tile(self.counts, (len(self.counts), 1)) - np.eye(len(self.counts))

    def chances(self, places: Array) -> tuple[Array, Array]:
        """K and 1 − K of each side, (R,) or (R, N)."""
        p, q = self.levels(places)
        with np.errstate(divide="ignore"):
            logs = self._others @ np.where(p < 0.5, np.log(p), np.log1p(-np.minimum(q, 0.5)))
        return np.exp(logs), -np.expm1(logs)

    def worth(self, places: Array) -> Array:
        """What the types at places expect from the lowest bid, which loses to all of the others' types above theirs."""
        win, lose = self.chances(places)
        values = self.values(places)
        return np.asarray(win * self.utility(values - self.stake) + lose * self.utility(-self.stake))

    # ---- how places move ----

    def pressures(self, places: Array, clock: float, values: Array | None = None) -> Array:
        """h times Π p over all, (R,), of the values at the places or of others."""
        gain = self.gain(self.values(places) if values is None else values, clock)
        with np.errstate(all="ignore"):
            return np.asarray(self.chances(places)[1] * self.levels(places)[0] / gain)

    def moves(self, places: Array, clock: float, bidding: Array) -> Array:
        """How fast places and the clock move as bids rise, (R + 1,), relative to the places together."""
        with np.errstate(all="ignore"):
            p, q = self.levels(places)
            speeds = rates(self.counts, self.pressures(places, clock), bidding)
            moves = np.where(bidding, speeds * p / np.where(bidding, q * expit(places), 1.0), 0.0)
            return np.append(moves, np.exp(self.counts @ np.log(p))) / np.abs(moves[self._pace(bidding)]).sum()

    def _pace(self, bidding: Array) -> Array:
        """The first two seats that bid: steps are as long as their places move, as others may race."""
        first = np.flatnonzero(bidding)
        return first[:1] if self.counts[first[0]] > 1 else first[:2]

    def follow(
        self, places: Array, clock: float, bidding: Array, sign: int, events: Sequence[Event] = ()
    ) -> tuple[Stretch, int | None]:
        """Bids from some places up (sign 1) or down (−1), to the first of the events (its number) or an end (None)."""
        size = len(places)
        asked = itertools.count()
        still = np.where(bidding, 0.0, places)  # no numbers to the solver, which may be infinite

        def at(y: Array) -> Array:
            return np.where(bidding, y[:size], still)

        def slope(_: float, y: Array) -> Array:
            if next(asked) > _PATIENCE:
                raise stuck()
            return sign * self.moves(at(y), float(y[size]), bidding)

        def furthest(_: float, y: Array) -> float:
            own = y[:size][bidding]
            return float(own.min() + FURTHEST if sign < 0 else min(FURTHEST - own.min(), _LONGEST - own.max()))

        def watch(event: Event) -> Any:
            return lambda _, y: event(at(y), float(y[size]))

        watched: list[Any] = [furthest, *map(watch, events)]
        for one in watched:
            one.terminal, one.direction = True, -1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of LSODA, before it gives up
                found: Any = solve_ivp(
                    slope,
                    (0.0, 2 * (_LONGEST + FURTHEST) * size),
                    np.append(np.where(bidding, places, 0.0), clock),
                    "LSODA"
                    if self.counts[bidding].sum() > 2 and bidding.sum() > 1
                    else "DOP853",  # few types may move fast
                    dense_output=True,
                    events=watched,
                    rtol=_ACCURACY,
                    atol=1e-3 * _ACCURACY,
                    max_step=_STEP,
                )
        except (ValueError, IndexError) as confused:  # interpolants that miss an event that steps have seen
            raise stuck() from confused
        if found.status != 1:
            raise stuck()
        end = float(found.t[-1])
        within = found.t[:-1, None] + np.diff(found.t)[:, None] * _INNER
        steps = np.unique(np.concatenate([np.arange(0.0, end, _NODES), within.ravel()]))
        steps = np.append(steps[np.append(True, np.diff(steps) > _APART) & (steps < end - _APART)], end)
        if len(steps) < _FEWEST:
            steps = np.linspace(0.0, max(end, _APART), _FEWEST)
        y = found.sol(steps)[:, ::sign]
        which = next(k for k, times in enumerate(found.t_events) if len(times))
        y[:size][~bidding] = still[~bidding, None]
        return Stretch(sign * steps[::sign], y[:size], y[size], bidding), which - 1 if which else None


def stuck() -> NoMethod:
    """What to raise where the method fails."""
    return NoMethod(
        "war-of-attrition: the equations of these different bidders could not be solved, and no other method is known"
    )


def _placed(prior: Prior, under: float, least: float, z: Array) -> tuple[Array, Array]:
    """Values at places, by Newton's method on the logarithm of the upper tail where levels cannot tell them apart."""
    top, rest = prior.high, (1 - under) * expit(-z)
    with np.errstate(all="ignore"):
        values = np.asarray(prior.quantile(np.minimum(under + (1 - under) * expit(z), 1 - 2**-53)), float)
        far = z > 4
        for _ in range(3):
            v = values[far]
            moved = v + (np.asarray(prior.logsf(v)) - np.log(rest[far])) / np.asarray(prior.hazard(v))
            values[far] = np.where(np.isfinite(moved), np.clip(moved, v[0], top), v)
        if under > 0:  # where levels cannot tell values apart above a lowest one inside the support
            low = int(np.searchsorted(z, _LOW))
            values[:low] = least + (values[low] - least) * np.exp(z[:low] - z[low])
        values = np.maximum.accumulate(np.maximum(values, least))
        slopes = rest * expit(z) / np.asarray(prior.pdf(values))
    rough = np.gradient(values, z)
    return values, np.where(np.isfinite(slopes) & (slopes <= 3 * rough) & (slopes >= 0), slopes, rough)
