"""The ledger hands on what was played, round by round."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.agents.fixed import Truthful
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.platform.ledger import Chunk, Ledger, Round
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block


class _Chunks:
    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def consume(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        return None


@pytest.mark.parametrize("replications", [1, 3])
@pytest.mark.parametrize("matching", ["fixed", "strangers"])
def test_chunks_say_who_sat_where_in_every_round(matching: str, replications: int) -> None:
    played: list[Round] = []
    told = _Chunks()
    ledger = Ledger([told], chunk_rows=40)
    market = Market(
        PrivateValues(bidders=2, prior=Uniform()),
        FirstPrice(),
        [Block(Truthful())],
        rounds=12,
        replications=replications,
        groups=4,
        matching=matching,
        observers=[played.append, ledger],
    )
    for _ in range(12):
        market.step()
    ledger.flush()
    market.close()
    for chunk in told.chunks:
        seated = np.broadcast_to(chunk.members, chunk.payments.shape)
        for row, round in enumerate(played[chunk.first : chunk.first + chunk.rounds]):
            assert (seated[row] == np.broadcast_to(round.members, round.payments.shape)).all()
