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
from scipy.stats import norm

from auctionlab import rng
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import BidFunction, Environment, Mechanism, Prior, counterfactual
from auctionlab.theory.sealed import Sealed, require_sealed

_TYPES, _BIDS = 201, 480  # a seat, where integrals are exact
_SAMPLED_TYPES, _SAMPLED_BIDS = 41, 81  # else
_SEARCH, _SCORE, _BLOCKS = 2_000, 4_000, 8  # draws of rivals for finding the best bid, and for measuring its gain
_ENDS = (1e-6, 1e-4, 1 - 1e-4, 1 - 1e-6)  # quantiles of more types, which count in no average
_CONFIDENCE = 0.99  # of all types together
_LEAST = 0.01  # of the utility of a typical value: what gains are relative to where utility vanishes


@dataclass(frozen=True)
class Certificate:
    """The largest gain of any type from any bid, relative to what its seat expects in equilibrium.

    gain : the estimate;   bound : the same where integrals are exact, else a 99 % confidence bound.
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
        sure = "exact integrals" if self.exact else "99 % confidence from sampled rivals"
        return (
            f"no type gains more than {share(self.bound)} of its seat's equilibrium utility by another bid "
            f"({self.types} types × {self.bids} bids, {sure})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data with stable keys; a bid that takes no part is None."""
        return asdict(self) | {"bid": self.bid if np.isfinite(self.bid) else None}


def share(part: float) -> str:
    """A small share in words: 0.02 %, 3e-07 %."""
    return f"{100 * part:.1g} %" if part > 1e-15 else "1e-13 %"


def certify(mechanism: Mechanism, environment: Environment, bids: Sequence[BidFunction]) -> Certificate:
    """The certificate of bid functions that never fall, one a seat.

    Raises NoEquilibrium, saying why, for games that are not sealed with scalar bids and private values.
    """
    began = time.process_time()
    priors = require_sealed(mechanism, environment)
    kinds: list[tuple[Prior, BidFunction]] = []
    found: list[Certificate] = []
    for seat, (prior, bid) in enumerate(zip(priors, bids, strict=True)):
        if any(other is bid and known == prior for known, other in kinds):
            continue  # as good as the seat before it
        kinds.append((prior, bid))
        game = Sealed(mechanism, environment, seat)
        found.append((_exact if game.price_is_enough else _sampled)(game, priors, bids))
    worst = max(found, key=lambda one: one.bound)
    whole = {"loss": max(one.loss for one in found), "seconds": time.process_time() - began}
    return Certificate(**(asdict(worst) | whole))


def below(prior: Prior, bid: BidFunction, prices: Array) -> tuple[Array, Array]:
    """P(the seat's bid < p) and P(bid ≤ p) of a bid function that never falls, by bisection over quantiles."""
    sides = []
    for strict in (True, False):
        low, high = np.zeros(prices.shape), np.ones(prices.shape)
        for _ in range(46):
            middle = (low + high) / 2
            sent = np.asarray(bid(prior.quantile(np.minimum(middle, 1 - 2**-53))))
            under = sent < prices if strict else sent <= prices
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        sides.append(np.where(low == 0, 0.0, np.where(high == 1, 1.0, (low + high) / 2)))
    return sides[0], sides[1]


def _types(prior: Prior, count: int) -> Array:
    """Quantiles in the middle of cells of equal probability, and some near both ends."""
    return np.asarray(prior.quantile(np.concatenate([(np.arange(count) + 0.5) / count, _ENDS])))


def _candidates(priors: Sequence[Prior], bids: Sequence[BidFunction], low: float, size: int) -> Array:
    """Bids worth trying: what seats bid at quantiles, and equal steps from the lowest legal to beyond the highest."""
    levels = np.concatenate([[1e-9, 1e-6, 1e-4], (np.arange(size // 2) + 0.5) / (size // 2), [1 - 1e-4, 1 - 1e-9]])
    kinds = list({(id(bid), prior): (prior, bid) for prior, bid in zip(priors, bids, strict=True)}.values())[:8]
    parts = [np.asarray(bid(prior.quantile(levels)), float)[:: len(kinds)] for prior, bid in kinds]
    tops = [float(bid(prior.quantile(np.array([1 - 1e-9])))[0]) for prior, bid in kinds]
    sent = np.concatenate([*parts, tops])
    sent = sent[np.isfinite(sent) & (sent >= low)]
    top = float(sent.max()) if sent.size else low + 1.0
    step = (top - low) / (size // 2) if top > low else max(1.0, abs(low)) / size
    steps = low + step * np.arange(size // 2 + 8)
    return np.unique(np.concatenate([sent, steps, [low, top + 0.5 * (top - low)]]))


def _exact(game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction]) -> Certificate:
    """Integrals over the price to win: cells of prices between neighbouring bids, and prices that have a mass."""
    prior, bid = priors[game.seat], bids[game.seat]
    values = _types(prior, _TYPES)
    own = np.asarray(bid(values), float)
    legal = np.isfinite(own) & (own >= game.low)
    edges = np.unique(np.append(_candidates(priors, bids, game.low, _BIDS), own[legal]))
    under, upto = np.ones(edges.shape), np.ones(edges.shape)
    known: dict[tuple[int, Prior], tuple[Array, Array]] = {}
    for j, (other, sent) in enumerate(zip(priors, bids, strict=True)):
        if j != game.seat:
            key = (id(sent), other)
            known[key] = known[key] if key in known else below(other, sent, edges)
            under, upto = under * known[key][0], upto * known[key][1]
    payoff = _payoffs(game, values, edges, under, upto)
    mine = np.where(legal, payoff[np.arange(len(own)), np.minimum(np.searchsorted(edges, own), len(edges) - 1)], 0.0)
    best = payoff.argmax(axis=1)
    top = payoff[np.arange(len(own)), best]
    gains = np.maximum(np.maximum(top, 0.0) - mine, 0.0)[:, None]
    return _certificate(game, values, np.where(top > 0, edges[best], NO_BID), mine, gains, len(edges), exact=True)


def _payoffs(game: Sealed, values: Array, edges: Array, under: Array, upto: Array) -> Array:
    """Expected utility (K, M) of types from bids at ascending edges, where the price to win has P(< edge), P(≤ edge).

    Prices between neighbouring edges stand at the middle; a price below all edges is no bid.
    """
    size = len(edges)
    atoms = np.flatnonzero(upto - under > 1e-12)
    beyond = edges[-1] + (edges[-1] - edges[0]) / size if size > 1 else edges[-1] + 1.0
    prices = np.concatenate([[NO_BID], (edges[1:] + edges[:-1]) / 2, [beyond], edges[atoms]])
    masses = np.concatenate([under[:1], under[1:] - upto[:-1], 1 - upto[-1:], (upto - under)[atoms]])
    prices, masses = prices[masses > 0], masses[masses > 0]
    outcomes = game.outcomes(np.repeat(edges, len(prices)), np.tile(prices, size)[:, None])
    tables = [field.reshape(-1, size, len(prices)) for field in outcomes]
    if game.environment.risk_neutral:
        shares, paid = tables[1][0] @ masses, tables[2][0] @ masses
        return game.utility(values[:, None], shares, paid)
    return _averages(game, values, tables, masses)


def _averages(game: Sealed, values: Array, tables: list[Array], masses: Array) -> Array:
    """Mean utility (K, M), adding up the masses of prices at which a bid has the same outcome."""
    result = np.empty((len(values), tables[0].shape[1]))
    for row in range(result.shape[1]):
        chances, shares, paid = (table[:, row] for table in tables)  # (L, P)
        weights = (chances * masses).ravel()
        whats = np.stack([shares.ravel(), paid.ravel()], axis=1)
        order = np.lexsort(whats.T)
        whats, weights = whats[order], weights[order]
        starts = np.flatnonzero(np.append(True, np.any(np.diff(whats, axis=0) != 0, axis=1)))
        sums = np.add.reduceat(weights, starts)
        result[:, row] = game.utility(values[:, None], whats[starts, 0], whats[starts, 1]) @ sums
    return result


def _sampled(game: Sealed, priors: Sequence[Prior], bids: Sequence[BidFunction]) -> Certificate:
    """Averages over draws of the rivals: the best bid of each type is found on some and what it gains is measured on
    others, with the same draws for both bids."""
    values = _types(priors[game.seat], _SAMPLED_TYPES)
    own = np.asarray(bids[game.seat](values), float)
    edges = _candidates(priors, bids, game.low, _SAMPLED_BIDS)
    search = _payoffs_against(game, values, np.append(edges, NO_BID), _draw(game, bids, 0, _SEARCH)).mean(axis=1)
    best = np.append(edges, NO_BID)[search.argmax(axis=1)]
    scores = []
    for block in range(_BLOCKS):
        rivals = _draw(game, bids, 1 + block, _SCORE)
        scores.append(np.stack([_paired(game, v, (b, o), rivals) for v, b, o in zip(values, best, own, strict=True)]))
    both = np.concatenate(scores, axis=1)  # (K, N, 2)
    return _certificate(game, values, best, both[..., 1].mean(axis=1), both[..., 0] - both[..., 1], len(edges), False)


def _draw(game: Sealed, bids: Sequence[BidFunction], block: int, count: int) -> Array:
    """Messages of all seats, (N, n)."""
    signals = game.environment.sample(rng.Source(23).stream(block, "evaluate"), count).signals
    return np.stack([np.asarray(bid(signals[:, j]), float) for j, bid in enumerate(bids)], axis=1)


def _payoffs_against(game: Sealed, values: Array, tried: Array, messages: Array) -> Array:
    """Utility (K, N, M) of types from bids against each draw of rivals."""
    seats = np.full(len(messages), game.seat)
    if game.environment.linear:
        won = game.mechanism.deviations(messages, seats, tried)
        return values[:, None, None] * won.allocation - won.payments
    rows = [_paired(game, value, tried, messages) for value in values]
    return np.stack(rows)


def _paired(game: Sealed, value: float, tried: Any, messages: Array) -> Array:
    """Utility (N, M) of one type from bids against each draw of rivals."""
    all_values = np.full(messages.shape, value)
    seats = np.full(len(messages), game.seat)
    return counterfactual(game.mechanism, game.environment, messages, all_values, seats, np.asarray(tried, float))


def _certificate(
    game: Sealed, values: Array, best: Array, mine: Array, gains: Array, tried: int, exact: bool
) -> Certificate:
    """From gains (K, N), one for each draw."""
    median = np.asarray(game.prior.quantile(np.array(0.5)))
    typical = float(game.utility(np.abs(median)[None], np.ones(1), np.zeros(1))[0])
    scale = max(float(mine[: -len(_ENDS)].mean()), _LEAST * abs(typical), 1e-300)
    mean = gains.mean(axis=1)
    bound = mean
    if not exact:
        errors = gains.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
        bound = mean + norm.ppf(1 - (1 - _CONFIDENCE) / len(values)) * errors
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
