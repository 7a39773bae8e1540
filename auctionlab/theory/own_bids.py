"""Rules by which a bidder pays by its own bid, win or lose: whether a mechanism is one, and what is paid."""

from __future__ import annotations

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.theory.sealed import Roles, Sealed

CUT = 1e-12  # the probability that is cut off the top of an unbounded prior
_NODES = 1001  # bids at which payments are tabulated
_DOUBLED = 10  # how often the range of bids is, until a winner pays the highest value


def own_bid_decides(roles: Roles) -> bool:
    """True where payments follow from the own bid and whether it wins, alike for all, and rise with it."""
    if len({game.low for game in roles.games}) > 1:
        return False
    tables = [tabulated(game, tops(roles)[1]) for game in roles.games]
    return all(table is not None and tables[0] is not None and np.allclose(table, tables[0]) for table in tables)


def tops(roles: Roles) -> tuple[Array, float]:
    """The highest type of each role, and the second-highest of all seats, above which nobody bids."""
    tops = np.array([min(g.prior.high, float(g.prior.quantile(np.array(1 - CUT)))) for g in roles.games])
    return tops, float(np.sort(np.repeat(tops, roles.counts))[-2])


def tabulated(game: Sealed, top: float) -> Array | None:
    """Bids, what a winner and what a loser pays, (3, N); None where rivals' bids matter to that.

    top : the most that a winner would pay. Bids end where that is reached, or where more of them cost a winner nothing.
    """
    low, reach = game.low, top - game.low if top > game.low else 1.0
    ranges = reach * 2.0 ** np.arange(_DOUBLED)
    alone = game.outcomes(low + ranges, np.full((_DOUBLED, 1), NO_BID)).paid[0]
    reach = ranges[np.argmax(np.append((alone[:-1] >= top) | (np.diff(alone) <= 0), True))]
    bids = np.linspace(low, low + reach, _NODES)
    lower = np.stack([np.full(bids.shape, NO_BID), low + 0.3 * (bids - low), np.nextafter(bids, -np.inf)])
    higher = np.stack([np.nextafter(bids, np.inf), bids + 0.5 * reach, bids + reach])
    paid = []
    for rivals, wins in ((lower, 1.0), (higher, 0.0)):
        rows = rivals[:, 1:] if wins else rivals
        found = game.outcomes(np.tile(bids[1:] if wins else bids, 3), rows.reshape(-1, 1))
        if len(found.chances) != 1 or np.any(found.shares != wins) or not np.isfinite(found.paid).all():
            return None
        table = found.paid[0].reshape(3, -1)
        if not np.allclose(table, table[0], rtol=0, atol=1e-9 * reach):
            return None
        paid.append(table[0])
    win = np.append(game.outcomes(bids[:1], np.array([[NO_BID]])).paid[0], paid[0])
    kept = 1 + int(np.argmin(np.append(np.diff(win) > 1e-9 * reach / _NODES, False)))
    if kept < 2 or np.any(np.diff(paid[1][:kept]) < 0):
        return None
    return np.stack([bids, win, paid[1]])[:, :kept]
