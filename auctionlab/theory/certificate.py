"""How good an equilibrium is: what the type that gains most could gain by any other bid.

A certificate is computed from bid functions and the mechanism alone, on types and bids finer than those that were
solved on, and knows nothing of how the bids were found.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import t

from auctionlab import rng
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import BidFunction, Environment, Mechanism, Prior
from auctionlab.theory.favourites import exchangeable
from auctionlab.theory.lower_bids import Profiles, faced
from auctionlab.theory.sealed import Outcomes, Sealed, require_scalar

_TYPES, _BIDS = 201, 480  # a seat, where integrals are exact
_PAIRED_TYPES, _PAIRED_BIDS = 61, 150  # where they are over two rival bids
_SAMPLED_TYPES, _SAMPLED_BIDS = 41, 80  # else
_POINTS, _LATTICES = 64, 16  # of a lattice for the lower bids, for each bid of the highest rival
_ODDS, _HALVINGS = 40.0, 50  # log odds beyond all levels that a double tells from 0 and 1; to tell levels apart
_ROWS = 400_000  # auctions at once
_ENDS = (1e-6, 1e-4, 1 - 1e-4, 1 - 1e-6)  # quantiles of more types, which count in no average
_CONFIDENCE = 0.99  # of all types together
_LEAST = 0.01  # of the utility of a typical value: what gains are relative to where utility vanishes


@dataclass(frozen=True)
class Certificate:
    """The largest gain of any type from any bid, relative to what its seat expects in equilibrium.

    gain : the estimate;   bound : the same where integrals are exact, else a 99 % confidence bound on what sampling may
    hide. That of cells is not in it: a rival bid between two of the `bids` tried stands at their middle.
    loss : what a seat gains if every type replies best, on average over types; the largest over seats.
    seat, value, bid : where the largest gain is found (bid -inf: by taking no part).
    """

    gain: float
    bound: float
    loss: float
    seat: int
    value: float
    bid: float
    types: int
    bids: int
    exact: bool
    seconds: float

    def __str__(self) -> str:
        sure = "exact integrals" if self.exact else "99 % confidence from sampled rivals, whose bids are put into cells"
        return (
            f"no type gains more than {share(self.bound)} of its seat's equilibrium utility by another bid "
            f"({self.types} types × {self.bids} bids, {sure})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data with stable keys; a bid that takes no part is None."""
        return asdict(self) | {"bid": self.bid if np.isfinite(self.bid) else None}


def share(part: float) -> str:
    """A share in words, to one digit: 3e-07 %, 0.02 %, 90 %, 3,000 %."""
    if part <= 1e-15:
        return "1e-13 %"
    told = float(f"{100 * part:.1g}")
    return f"{told:,.0f} %" if 10 <= told < 1e6 else f"{told:.1g} %"


def certify(
    mechanism: Mechanism, environment: Environment, bids: Sequence[BidFunction], enough: float = np.inf
) -> Certificate:
    """The certificate of bid functions that never fall, one a seat.

    enough : a bound above which it does not matter how much more other seats could gain: they are not looked at.
    Raises NoEquilibrium, saying why, for games that are not sealed with scalar bids and private values.
    """
    began = time.process_time()
    priors = require_scalar(mechanism, environment)
    roles = exchangeable(mechanism, environment)
    kinds: list[tuple[int, BidFunction]] = []
    found: list[Certificate] = []
    for seat, (role, bid) in enumerate(zip(roles, bids, strict=True)):
        if any(other is bid and known == role for known, other in kinds):
            continue  # as good as the seat before it
        kinds.append((role, bid))
        game = Sealed(mechanism, environment, seat)
        found.append((_sampled if game.depth is None else _exact)(game, priors, bids))
        if found[-1].bound > enough:
            break
    worst = max(found, key=lambda one: one.bound)
    whole = {"loss": max(one.loss for one in found), "seconds": time.process_time() - began}
    return Certificate(**(asdict(worst) | whole))


def below(prior: Prior, bid: BidFunction, prices: Array) -> tuple[Array, Array]:
    """P(the seat's bid < p) and P(bid ≤ p) of a bid function that never falls, by bisection over log odds."""
    sides = []
    for strict in (True, False):
        low, high = np.full(prices.shape, -_ODDS), np.full(prices.shape, _ODDS)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            sent = np.asarray(bid(prior.quantile(np.minimum(expit(middle), 1 - 2**-53))))
            under = sent < prices if strict else sent <= prices
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        sides.append(np.where(low == -_ODDS, 0.0, np.where(high == _ODDS, 1.0, expit((low + high) / 2))))
    return sides[0], sides[1]


def _types(prior: Prior, count: int) -> Array:
    """Quantiles in the middle of cells of equal probability, and some near both ends."""
    return np.asarray(prior.quantile(np.concatenate([(np.arange(count) + 0.5) / count, _ENDS])))


def _candidates(priors: Sequence[Prior], bids: Sequence[BidFunction], low: float, size: int) -> Array:
    """Bids worth trying: what seats bid at quantiles of who takes part, more where bids may soar, and equal steps."""
    inner = (np.arange(size // 2) + 0.5) / (size // 2)
    soaring = 1 - 0.5 ** np.arange(3, 38, 0.125 if size >= _BIDS else 0.5)
    levels = np.sort(np.concatenate([[1e-9, 1e-6, 1e-4], inner, soaring]))
    kinds = list({(id(bid), prior): (prior, bid) for prior, bid in zip(priors, bids, strict=True)}.values())[:8]
    parts = []
    for prior, bid in kinds:
        absent = float(below(prior, bid, np.array([low]))[0][0])
        parts.append(np.asarray(bid(prior.quantile(absent + (1 - absent) * levels)), float)[:: len(kinds)])
    tops = [float(bid(prior.quantile(np.array([1 - 1e-9])))[0]) for prior, bid in kinds]
    sent = np.concatenate([*parts, tops])
    sent = sent[np.isfinite(sent) & (sent >= low)]
    top = float(sent.max()) if sent.size else low + 1.0
    step = (top - low) / (size // 2) if top > low else max(1.0, abs(low)) / size
    steps = low + step * np.arange(size // 2 + 8)
    return np.unique(np.concatenate([sent, steps, [low, top + 0.5 * (top - low)]]))


def _exact(game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction]) -> Certificate:
    """Integrals over the highest rival bid, and over one lower bid where that decides too."""
    count, size = (_TYPES, _BIDS) if game.depth == 1 else (_PAIRED_TYPES, _PAIRED_BIDS)
    values = _types(priors[game.seat], count)
    own, edges = _edges(game, priors, bids, values, size)
    payoff = _payoffs(game, values, edges, faced(edges, *_chances(game, priors, bids, edges), game.depth))
    taking = np.isfinite(own)
    mine = np.where(taking, payoff[np.arange(len(own)), np.minimum(np.searchsorted(edges, own), len(edges) - 1)], 0.0)
    best = payoff.argmax(axis=1)
    top = payoff[np.arange(len(own)), best]
    gains = np.maximum(np.maximum(top, 0.0) - mine, 0.0)[:, None]
    return _certificate(game, values, np.where(top > 0, edges[best], NO_BID), mine, gains, len(edges), exact=True)


def _sampled(game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction]) -> Certificate:
    """Integrals over the highest rival bid, and over lattices of lower ones: the best bid of each type is found with
    one, and what it gains is measured with others, moved at random and the same for both bids."""
    values = _types(priors[game.seat], _SAMPLED_TYPES)
    own, edges = _edges(game, priors, bids, values, _SAMPLED_BIDS)
    chances = _chances(game, priors, bids, edges)
    payoff = _payoffs(game, values, edges, faced(edges, *chances, None, _POINTS))
    best = np.where(payoff.max(axis=1) > 0, edges[payoff.argmax(axis=1)], NO_BID)
    shifts = rng.Source(23).stream(0, "evaluate").random((_LATTICES, game.n - 2))
    scores = [_paired(game, values, own, best, faced(edges, *chances, None, _POINTS, shift)) for shift in shifts]
    mine, tops = np.stack(scores, axis=-1)  # (K, lattices) each
    return _certificate(game, values, best, mine.mean(axis=1), tops - mine, len(edges), exact=False)


def _edges(
    game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction], values: Array, size: int
) -> tuple[Array, Array]:
    """What the types bid, NO_BID where they take no part, and ascending bids worth trying, those among them."""
    own = np.asarray(bids[game.seat](values), float)
    own = np.where(np.isfinite(own) & (own >= game.low), own, NO_BID)
    tried = [_candidates(priors, bids, game.low, size), own[np.isfinite(own)]]
    if not game.environment.risk_neutral:  # u may bend where a price leaves nothing, so no cell should lie around it
        tried.append(values[values >= game.low])
    return own, np.unique(np.concatenate(tried))


def _chances(game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction], edges: Array) -> tuple[Array, Array]:
    """The chances (n − 1, E) of every rival's bid to be below and to be at most each edge."""
    known: dict[tuple[int, Prior], tuple[Array, Array]] = {}
    sides = []
    for j, (other, sent) in enumerate(zip(priors, bids, strict=True)):
        if j != game.seat:
            key = (id(sent), other)
            known[key] = known[key] if key in known else below(other, sent, edges)
            sides.append(known[key])
    under, upto = (np.stack(side) for side in zip(*sides, strict=True))
    return under, upto


def _payoffs(game: Sealed, values: Array, own: Array, rivals: Profiles) -> Array:
    """Expected utility (K, M) of types from bids against profiles of the rivals."""
    rows = max(1, _ROWS // len(rivals.masses))
    parts = []
    for block in np.split(own, range(rows, len(own), rows)):
        outcomes = game.against(block, rivals.messages)
        if game.environment.risk_neutral:
            parts.append(
                game.utility(values[:, None], outcomes.shares[0] @ rivals.masses, outcomes.paid[0] @ rivals.masses)
            )
        else:
            parts.append(_averages(game, values, outcomes, rivals.masses))
    return np.concatenate(parts, axis=1)


def _paired(game: Sealed, values: Array, own: Array, best: Array, rivals: Profiles) -> Array:
    """Expected utility (2, K) of each type from its own bid and from its best; 0 where it takes no part."""
    tried, where = np.unique(np.append(own, best), return_inverse=True)
    payoff = _payoffs(game, values, tried, rivals)[np.tile(np.arange(len(values)), 2), where]
    return np.where(np.isfinite(np.append(own, best)), payoff, 0.0).reshape(2, -1)


def _averages(game: Sealed, values: Array, outcomes: Outcomes, masses: Array) -> Array:
    """Mean utility (K, M): that of every different outcome, times its mass for each bid."""
    _, bids, profiles = outcomes.paid.shape
    whats, where = np.unique(outcomes.shares + 1j * outcomes.paid, return_inverse=True)
    if len(whats) > 4 * (bids + profiles) and bids > 1:  # hardly two alike: some bids at a time
        halves = (Outcomes(*(field[:, part] for field in outcomes)) for part in np.array_split(np.arange(bids), 2))
        return np.concatenate([_averages(game, values, half, masses) for half in halves], axis=1)
    cells = np.arange(bids)[:, None] * len(whats) + where.reshape(outcomes.paid.shape)  # (L, M, Q)
    weights = np.bincount(cells.ravel(), (outcomes.chances * masses).ravel(), bids * len(whats))
    return game.utility(values[:, None], whats.real, whats.imag) @ weights.reshape(bids, -1).T


def _typical(prior: Prior) -> Array:
    """The size of the median, or where values lie around 0, half the distance of the quartiles."""
    low, median, high = np.asarray(prior.quantile(np.array([0.25, 0.5, 0.75])))
    return np.maximum(abs(median), (high - low) / 2)


def _certificate(
    game: Sealed, values: Array, best: Array, mine: Array, gains: Array, tried: int, exact: bool
) -> Certificate:
    """From gains (K, N), one for each lattice."""
    typical = float(game.utility(_typical(game.prior)[None], np.ones(1), np.zeros(1))[0])
    scale = max(float(mine[: -len(_ENDS)].mean()), _LEAST * typical, 1e-300)
    mean = gains.mean(axis=1)
    bound = mean
    if not exact:
        count = gains.shape[1]
        bound = mean + t.ppf(1 - (1 - _CONFIDENCE) / len(values), count - 1) * gains.std(axis=1, ddof=1) / count**0.5
    k = int(np.argmax(bound))
    return Certificate(
        gain=max(float(mean[k]), 0.0) / scale,
        bound=max(float(bound[k]), 0.0) / scale,
        loss=float(np.maximum(mean[: -len(_ENDS)], 0.0).mean()) / scale,
        seat=game.seat,
        value=float(values[k]),
        bid=float(best[k]),
        types=len(values),
        bids=tried,
        exact=exact,
        seconds=0.0,
    )
