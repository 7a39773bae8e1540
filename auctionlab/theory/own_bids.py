"""Rules by which a bidder pays by its own bid, win or lose: whether a mechanism is one, and what is paid."""

from __future__ import annotations

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.theory.sealed import Roles, Sealed

CUT = 1e-12  # the probability that is cut off the top of an unbounded prior
_NODES = 1001  # bids at which payments are tabulated


def own_bid_decides(roles: Roles) -> bool:
    """True where payments follow from the own bid and whether it wins, alike for all, rise with it, and may be lost."""
    if len({game.low for game in roles.games}) > 1:
        return False
    tables = [tabulated(game, tops(roles)[1]) for game in roles.games]
    return all(table is not None and tables[0] is not None and np.allclose(table, tables[0]) for table in tables)


def tops(roles: Roles) -> tuple[Array, float]:
    """The highest type of each role, and the second-highest of all seats, above which nobody bids."""
    tops = np.array([min(g.prior.high, float(g.prior.quantile(np.array(1 - CUT)))) for g in roles.games])
    return tops, float(np.sort(np.repeat(tops, roles.counts))[-2])


def tabulated(game: Sealed, top: float) -> Array | None:
    """Bids, what a winner and what a loser pays, (3, N); None where rivals' bids matter to that or nothing is lost."""
    bids = np.linspace(game.low, top, _NODES) if top > game.low else np.array([game.low, game.low + 1.0])
    lower = np.stack([np.full(bids.shape, NO_BID), game.low + 0.3 * (bids - game.low), np.nextafter(bids, -np.inf)])
    higher = np.stack([np.nextafter(bids, np.inf), bids + 0.5 * (top - game.low), bids + top - game.low])
    paid = []
    for rivals, wins in ((lower, 1.0), (higher, 0.0)):
        rows = rivals[:, 1:] if wins else rivals
        found = game.outcomes(np.tile(bids[1:] if wins else bids, 3), rows.reshape(-1, 1))
        if len(found.chances) != 1 or np.any(found.shares != wins):
            return None
        table = found.paid[0].reshape(3, -1)
        if not np.allclose(table, table[0], rtol=0, atol=1e-9 * (top - game.low)):
            return None
        paid.append(table[0])
    first = game.outcomes(bids[:1], np.array([[NO_BID]])).paid[0]
    win = np.append(first, paid[0])
    rises = np.all(np.diff(win) > 0) and np.all(np.diff(paid[1]) >= 0)
    return np.stack([bids, win, paid[1]]) if rises and paid[1].max() > 0 else None
