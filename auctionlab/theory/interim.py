"""What a seat expects from each report: q(z), m(z), U(x), and what incentive compatibility makes of them.

q is the slope of the seat's expected value in its own type, the chance to win of a single item; m is its expected
payment. A type x that reports z expects U(z) + q(z) (x − z), affine in x (Krishna 2010, section 5.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Environment, Mechanism, expected_utility
from auctionlab.errors import ConfigError
from auctionlab.theory.bidding import Bidding
from auctionlab.theory.draws import Draws, draws
from auctionlab.theory.rival import over_rival

_BLOCKS, _SIZE, _ROWS = 16, 512, 400_000  # draws of rivals; auctions evaluated at once
_COUNTED = 2_000  # rivals' profiles that are counted one by one


@dataclass(frozen=True)
class Interim:
    """Expectations of one seat over its rivals, one entry a report (K,); standard errors are 0 where exact.

    utility : of the type that is reported; for the risk-neutral, value received less payment.
    """

    seat: int
    reports: Array
    allocation: Array  # q
    payment: Array  # m
    utility: Array  # U
    errors: Array  # (3, K), of the three above
    method: str

    def payoff(self, types: Array) -> Array:
        """What types (T,) expect from the reports, (T, K): U(z) + q(z) (x − z).  Krishna (2010), (5.3)"""
        return np.asarray(self.utility + self.allocation * (np.asarray(types, dtype=float)[:, None] - self.reports))

    def line(self, index: int) -> Array:
        """The line that supports U at a report, (K,), at all reports.  Krishna (2010), (5.5) and figure 5.2"""
        return np.asarray(self.utility[index] + self.allocation[index] * (self.reports - self.reports[index]))


def truthful(bid: BidFunction | None = None) -> BidFunction:
    """Every type reports itself; with all that is known of the equilibrium `bid` of which it is the direct form."""
    if not isinstance(bid, Bidding):
        return _truth
    return replace(bid, bids=_truth, method=f"revelation principle, Krishna (2010), prop. 5.1; {bid.method}")


def by_formula(bid: BidFunction, environment: Environment) -> bool:
    """True where a bid knows what its types expect, which formulas do where one item is sold and values are signals."""
    kind = type(environment)
    plain = all(getattr(kind, name) is getattr(Environment, name) for name in ("values", "value", "outcomes"))
    return plain and isinstance(bid, Bidding)


def interim(
    mechanism: Mechanism,
    environment: Environment,
    seat: int = 0,
    reports: Array | None = None,
    bids: Sequence[BidFunction] | None = None,
) -> Interim:
    """q, m and U of a seat at reports (K,), which send what those types send by `bids`; default: the equilibrium.

    reports : default `type_grid`.   bids : one a seat; `[truthful()] * n` asks what truth is worth.
    By formula where the equilibrium knows it, by counting where rivals' types are few, by quadrature against one rival,
    else by Monte Carlo, all reports against the same rivals. Raises NoEquilibrium where no equilibrium is known.
    """
    played = tuple(mechanism.equilibrium(environment) if bids is None else bids)
    z = type_grid(environment, seat, bids=played) if reports is None else np.asarray(reports, dtype=float)
    _require_scalar(environment)
    bid: Any = played[seat]
    if by_formula(bid, environment):
        gains = bid.utility(z)
        if gains is not None:
            return Interim(seat, z, bid.win(z), bid.payment(z), gains, np.zeros((3, len(z))), bid.method)
    play = partial(_play, mechanism, environment, seat, played)
    rivals = [prior for j, prior in enumerate(environment.priors) if j != seat and prior is not None]
    errors = np.zeros((3, len(z)))
    if _few(rivals):
        means, method = _counted(play, environment, seat, z), "rivals' types counted"
    elif len(rivals) == 1 and not rivals[0].atoms:
        means = over_rival(lambda k, signals: play(z[k], signals), environment, seat, z)
        method = "adaptive quadrature over the rival's type"
    else:
        drawn = draws(environment, _BLOCKS, _SIZE, rng.stream(21))
        blocks = _sampled(play, drawn, z)  # (blocks, 3, K)
        means, errors = blocks.mean(axis=0), blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))
        method = f"Monte Carlo with {drawn.size:,} common draws of rivals"
    return Interim(seat, z, means[0], means[1], means[2], errors, method)


def type_grid(environment: Environment, seat: int = 0, size: int = 101, bids: Sequence[BidFunction] = ()) -> Array:
    """About `size` types from one end of the support to the other, with the points where expectations may bend.

    Half of them are quantiles, half equal steps; an unbounded end is cut off at probability 1e-6. Where types are
    discrete, the support.
    """
    _require_scalar(environment)
    prior: Any = environment.priors[seat]
    if prior.atoms:
        return np.asarray(prior.support)
    low, high = (float(prior.quantile(np.array(p))) for p in (1e-6, 1 - 1e-6))
    low, high = (end if np.isfinite(end) else cut for end, cut in ((prior.low, low), (prior.high, high)))
    marks = [bid.threshold for bid in bids if isinstance(bid, Bidding)] + list(prior.breaks)
    for other in environment.priors:
        marks += [] if other is None else [other.low, other.high, *other.breaks]
    inside = np.array([mark for mark in marks if low < mark < high])
    steps = np.linspace(low, high, size - size // 2)
    quantiles = np.asarray(prior.quantile(np.linspace(0, 1, size // 2 + 2)[1:-1]))
    grid = np.unique(np.concatenate([steps, quantiles[(quantiles > low) & (quantiles < high)], inside]))
    return grid[np.append(True, np.diff(grid) > 1e-9 * (high - low))]


Play = Callable[[Array, Array], Array]  # own types (P,), all signals (P, n) -> (3, P)


def _play(
    mechanism: Mechanism, environment: Environment, seat: int, bids: Sequence[BidFunction], own: Array, signals: Array
) -> Array:
    """Slope of value in the own type, payment and utility of the seat, (3, P), when it is of type `own`."""
    signals = np.array(signals)
    signals[:, seat] = own
    messages = np.stack([np.asarray(bid(signals[:, j])) for j, bid in enumerate(bids)], axis=1)
    outcome, values = mechanism.run(messages), environment.values(signals)
    received = environment.value(outcome.allocation, values)[:, seat]
    step = 2.0 ** np.floor(np.log2(np.maximum(np.abs(own), 1e-3)))  # a power of 2, so that linear values lose nothing
    moved = np.array(signals)
    moved[:, seat] = own + step
    slope = (environment.value(outcome.allocation, environment.values(moved))[:, seat] - received) / step
    payment = outcome.payments[:, seat]
    if environment.risk_neutral:
        utility = environment.utility(outcome, values)[:, seat]
    else:
        utility = expected_utility(mechanism, environment, messages, values)[:, seat]
    return np.stack([slope, payment, utility])


def _few(rivals: list[Any]) -> bool:
    return all(prior.atoms for prior in rivals) and bool(
        np.prod([float(len(prior.support)) for prior in rivals]) <= _COUNTED
    )


def _counted(play: Play, environment: Environment, seat: int, z: Array) -> Array:
    """Means (3, K) over all profiles of rivals' discrete types."""
    priors: list[Any] = list(environment.priors)
    axes = [np.array([0.0]) if j == seat else prior.support for j, prior in enumerate(priors)]
    masses = [np.array([1.0]) if j == seat else prior.masses for j, prior in enumerate(priors)]
    profiles = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(priors))
    weights = np.stack(np.meshgrid(*masses, indexing="ij"), axis=-1).reshape(-1, len(priors)).prod(axis=1)
    return _averaged(play, profiles, z) @ weights


def _sampled(play: Play, drawn: Draws, z: Array) -> Array:
    """Means by block, (blocks, 3, K)."""
    return np.stack([_averaged(play, block, z) @ drawn.weights for block in drawn.signals])


def _averaged(play: Play, profiles: Array, z: Array) -> Array:
    """Every report against every profile (N, n), (3, K, N)."""
    chunk = max(1, _ROWS // len(profiles))
    parts = []
    for start in range(0, len(z), chunk):
        own = z[start : start + chunk]
        rows = np.broadcast_to(profiles, (len(own), *profiles.shape)).reshape(-1, profiles.shape[1])
        parts.append(play(np.repeat(own, len(profiles)), rows).reshape(3, len(own), len(profiles)))
    return np.concatenate(parts, axis=1)


def _require_scalar(environment: Environment) -> None:
    if environment.signal.shape != () or any(prior is None for prior in environment.priors):
        raise ConfigError("environment: expectations over rivals need independent types that are single numbers")


def _truth(signals: Array) -> Array:
    return signals
