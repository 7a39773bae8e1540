"""What bidders do who play an equilibrium: the mechanism's own, else one that is solved for numerically."""

from __future__ import annotations

from typing import NamedTuple

from auctionlab.core import BidFunction, Environment, Mechanism
from auctionlab.theory import equilibria


class Play(NamedTuple):
    """Bid functions, one a seat. Of a numerical solution also how good it is: in words, and the most that is gained.

    error : relative to equilibrium utility; less than so much of the largest value may be due to it.
    """

    bids: tuple[BidFunction, ...]
    solved: str = ""
    error: float = 0.0


def play_of(mechanism: Mechanism, environment: Environment) -> Play:
    """Raises NoEquilibrium, saying why, where neither is to be had."""
    found = equilibria.equilibrium(mechanism, environment)
    if found.certificate is None:
        return Play(found.bids)
    return Play(found.bids, str(found.certificate), found.certificate.bound)
