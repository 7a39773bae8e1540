"""Draws of many rounds at once are the draws of each round, whatever the part of the replications."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab import kernels, rng
from auctionlab.rng import Source


@pytest.fixture(params=["loops", "arrays"])
def way(request, monkeypatch):
    if request.param == "arrays":
        monkeypatch.setattr(rng, "compiled", lambda loop: None)
    elif not kernels.available():
        pytest.skip("numba is not installed, or turned off")


@pytest.mark.parametrize(
    ("replications", "first", "each"),
    [(1, 0, 1), (1, 3, 2), (3, 0, 4), (5, 7, 3), (2, 1, 1031)],  # within, at and beyond blocks of four and of 512 fours
)
def test_rounds_at_once_are_the_rounds_one_by_one(way, replications, first, each):
    source, count = Source(9, replications, first), 40
    together = source.rounds(11, count, "act", block=2)
    alone = [source.stream(11 + t, "act", block=2) for t in range(count)]
    for _ in range(2):  # two calls at each address
        found = together.random((count * replications, each))
        expected = np.concatenate([stream.random((replications, each)) for stream in alone])
        np.testing.assert_array_equal(found, expected)


def test_rounds_are_drawn_into_an_array_that_is_given(way):
    source, given = Source(1, 2), np.empty((3, 2, 5))
    assert source.rounds(0, 3, "deal").random(given.shape, given) is given
    np.testing.assert_array_equal(given[2], source.stream(2, "deal").random((2, 5)))
