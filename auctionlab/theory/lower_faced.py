"""What types face, and what a bid is worth to them, where all their rivals bid less or one of them as much.

All rivals bid by one function of `spline_bids`; they are integrated by `lower_ranks`, utility along the innermost of
them by `path_means`. Outcomes come from running the mechanism, derivatives from running it at bids moved a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import NamedTuple

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Outcome
from auctionlab.theory.lower_ranks import Ranks, all_of, one_of, two_of
from auctionlab.theory.path_means import Utility, marginal, path_mean
from auctionlab.theory.sealed import Outcomes, Roles, Sealed
from auctionlab.theory.spline_bids import Curve, Points, Splines

_ALONE, _PIECES = 128, 20  # pieces of the innermost axis, where it is the only one and else
_POINTS = (1, 12, 5, 3, 2)  # Gauss points of the others, by how many these are
_MORE = (1, 48, 16, 6, 3)  # and for what is expected in the end
_UNLIKELY = 1e-7
_NEAR = 3e-5  # bids that differ by so much of what they are above the lowest are as good as equal


class Block(NamedTuple):
    """Some of the types, by rows (K,), how likely it is that so many rivals take part, and where these bid.

    inner : the innermost rival (K, O, T), None where there is none;   outer : the others (K, O, q);
    masses : (K, O, T − 1) between nodes, or (K, O, 1);   copies : how many rivals bid as each of 1 + q does;
    tied : whether one more bids as much as the type.
    """

    rows: Array
    likely: Array
    inner: Points | None
    outer: Points
    masses: Array
    copies: tuple[int, ...]
    tied: bool


class Worth(NamedTuple):
    """Expected utility (K,), its derivatives (K, 1 + C) to what was chosen, and how much it depends on bids (K,)."""

    mean: Array
    matrix: Array
    size: Array


@dataclass(frozen=True, eq=False)
class Faced:
    """The rivals of a symmetric auction, seen by the first seat."""

    sides: Roles
    splines: Splines

    @cached_property
    def game(self) -> Sealed:
        return self.sides.games[0]

    # ---- who is faced ----

    def blocks(self, types: Array, count: int, tied: bool, fine: bool = False) -> list[Block]:
        """What types face if `count` rivals are below them or take no part; `fine`: at more points."""
        level, depth, found = np.asarray(self.game.prior.cdf(types)), self.game.depth, []
        points = _MORE if fine else _POINTS
        absent = np.minimum(self.sides.entry[0] / np.maximum(level, 1e-300), 1.0)
        for there in range(count + 1):
            likely = comb(count, there) * absent ** (count - there) * (1 - absent) ** there
            rows = np.flatnonzero(likely > _UNLIKELY)
            if not len(rows):
                continue
            if depth is None:
                ranks = all_of(there, points[min(max(there - 1, 0), 4)])
            elif tied or not self.highest_counts:
                ranks = one_of(there, depth - tied)
            else:
                ranks = two_of(there, depth, points[1])
            found.append(Block(rows, likely[rows], *self._along(types[rows], level[rows], ranks), ranks.copies, tied))
        return found

    def _along(self, types: Array, level: Array, ranks: Ranks) -> tuple[Points | None, Points, Array]:
        """Inner, outer and masses of a block; the nodes of the innermost axis are evenly spread over places."""
        splines, entry, prior = self.splines, self.sides.entry[0], self.game.prior
        outer = np.asarray(prior.quantile(entry + (level - entry)[:, None, None] * ranks.ratios))  # (K, O, q)
        count, size, spare = outer.shape
        if ranks.upto is None:
            return None, splines.points(outer), np.broadcast_to(ranks.weights[:, None], (count, size, 1))
        first = outer[:, :, 0] if spare else np.full((count, size), splines.values[0])
        start, end = splines.place(first)[..., None], splines.place(types)[:, None, None]
        inner = splines.value(
            start + (end - start) * np.linspace(0, 1, 1 + (_ALONE if size == 1 else _PIECES))
        )  # (K, O, T)
        least, most = np.asarray(prior.cdf(first))[..., None], level[:, None, None]
        share = np.clip((np.asarray(prior.cdf(inner)) - least) / np.maximum(most - least, 1e-300), 0.0, 1.0)
        share[..., 0], share[..., -1] = 0.0, 1.0
        masses = ranks.weights[:, None] * np.diff(ranks.upto(share), axis=-1)
        return splines.points(inner), splines.points(outer), masses

    # ---- what a bid is worth ----

    @cached_property
    def probes(self) -> Array:
        """Profiles of bids (B, n), each from high to low."""
        bids = np.random.Generator(np.random.Philox(5)).random((200, self.sides.n))
        return self.game.low + 1.5 * self.sides.scale * np.sort(bids, axis=1)[:, ::-1]

    @cached_property
    def own_bid_counts(self) -> bool:
        """Whether the own bid changes what a winner gets and pays."""
        bids, more = self.probes, 1e-3 * self.sides.scale
        return not self._same(*(self.game.outcomes(bids[:, 0] + raise_, bids[:, 1:]) for raise_ in (0.0, more)))

    @cached_property
    def highest_counts(self) -> bool:
        """Whether a winner's outcome depends on more than the `depth`-th highest rival bid."""
        rivals, depth = self.probes[:, 1:], self.game.depth or 1
        alike = rivals.copy()
        alike[:, :depth] = rivals[:, depth - 1 : depth]
        one, other = (self.game.outcomes(self.probes[:, 0], sent) for sent in (rivals, alike))
        return self.own_bid_counts or not self._same(one, other)

    def _same(self, one: Outcomes, other: Outcomes) -> bool:
        return all(np.allclose(a, b, 1e-9, 1e-9 * self.sides.scale) for a, b in zip(one, other, strict=True))

    @cached_property
    def utility(self) -> Utility | None:
        """Of money; None for the risk-neutral, and where payoffs are taken in utility."""
        return None if self.sides.environment.risk_neutral or not self.sure else self.of_money

    def of_money(self, money: Array) -> Array:
        flat = np.reshape(money, (1, -1))
        found = self.sides.environment.utility(Outcome(np.zeros_like(flat), -flat), np.zeros_like(flat))
        return np.asarray(found).reshape(np.shape(money))

    @cached_property
    def sure(self) -> bool:
        """Whether the highest bid has one outcome, and utility is that of money."""
        own, rivals = self.probes[:, 0], self.probes[:, 1:]
        found = self.game.outcomes(own, rivals)
        if len(found.chances) > 1:
            return False
        values = own[::-1]
        money = values * found.shares[0] - found.paid[0]
        return bool(np.allclose(self.game.payoff(values, found), self.of_money(money), 1e-9, 1e-12))

    def outcomes(self, own: Array, sent: Array) -> Outcomes:
        """Of bids (K, O, T) against rivals' (K, O, T, r), each (L, K, O, T)."""
        rows = sent.reshape(own.size, -1) if sent.shape[-1] else np.full((own.size, 1), NO_BID)
        return Outcomes(*(field.reshape(-1, *own.shape) for field in self.game.outcomes(own.ravel(), rows)))

    def payoffs(self, types: Array, outcomes: Outcomes) -> Array:
        """In money, or in utility where outcomes are drawn, (K, O, T)."""
        types = types[:, None, None]
        if self.utility is not None:
            return np.asarray(types * outcomes.shares[0] - outcomes.paid[0])
        shape = outcomes.shares.shape[1:]
        flat = Outcomes(*(field.reshape(len(field), 1, -1) for field in outcomes))
        return self.game.payoff(np.broadcast_to(types, shape).reshape(1, -1), flat).reshape(shape)

    def mean(self, utility: Utility | None, payoffs: Array, masses: Array) -> tuple[Array, Array]:
        """Expected utility (K,) and derivatives to the payoffs."""
        if payoffs.shape[-1] > 1:
            mean, slopes = path_mean(utility, payoffs, masses)
            return mean.sum(axis=1), slopes
        mean = (payoffs if utility is None else utility(payoffs)) * masses
        slopes = masses * (1.0 if utility is None else marginal(utility, payoffs))
        return mean.sum(axis=(1, 2)), slopes

    def sent(self, block: Block, curve: Curve) -> Array:
        """The bids of the rivals of a block, (K, O, T, r)."""
        if block.inner is None:
            return np.zeros((*block.masses.shape, 0))
        inner, outer = curve.at(block.inner)[..., None], curve.at(block.outer)[:, :, None]
        bids = np.concatenate([inner, np.broadcast_to(outer, (*inner.shape[:-1], outer.shape[-1]))], axis=-1)
        return np.repeat(bids, block.copies, axis=-1)

    def near(self, curve: Curve, own: Points) -> Array:
        """Differences in bids that are as good as none."""
        return np.asarray(
            _NEAR * np.minimum(curve.at(own) - curve.bids[0], self.sides.scale) + 1e-11 * self.sides.scale
        )

    def worth(self, types: Array, block: Block, curve: Curve, own: Points, more: float, derive: bool) -> Worth:
        """What a type's own bid is worth, or what it is `more` times as good as none above it; derivatives if asked."""
        rows = block.rows
        types, bids = types[rows], curve.at(own)[rows, None, None]
        near, sent = self.near(curve, own)[rows, None, None], self.sent(block, curve)
        if block.tied:
            tie = np.broadcast_to(bids[..., None], (*sent.shape[:-1], 1))
            sent = np.concatenate([tie, np.minimum(sent, tie - near[..., None] / 2)], axis=-1)
        offered = np.broadcast_to(bids + more * near, sent.shape[:-1])
        here = self.payoffs(types, self.outcomes(offered, sent))
        mean, slopes = self.mean(self.utility, here, block.masses)
        if not derive:
            return Worth(mean, np.zeros((len(rows), 1)), np.zeros(len(rows)))
        step = near / 10

        def rates(raised: Array, moved: Array) -> Array:
            return (self.payoffs(types, self.outcomes(raised, moved)) - here) / step * slopes

        tied = step[..., None] * (np.arange(sent.shape[-1]) < block.tied)
        change = rates(offered + step, sent + tied)
        matrix, size = curve.derivatives(own)[rows] * change.sum(axis=(1, 2))[:, None], np.abs(change).sum(axis=(1, 2))
        places = np.repeat(np.arange(len(block.copies)), block.copies)
        places = np.append(-1, places) if block.tied else places
        for place in range(len(block.copies)):
            change = rates(offered, sent + step[..., None] * (places == place))
            size += np.abs(change).sum(axis=(1, 2))
            if place == 0 and block.inner is not None:
                matrix += np.einsum("kot,kotc->kc", change, curve.derivatives(block.inner))
            else:
                there = Points(block.outer.cells[..., place - 1], block.outer.weights[..., place - 1])
                matrix += np.einsum("ko,koc->kc", change.sum(axis=2), curve.derivatives(there))
        return Worth(mean, matrix, size)
