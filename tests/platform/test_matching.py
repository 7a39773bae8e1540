"""Who drives whom, and who sits where."""

import numpy as np
import pytest

from auctionlab.agents.fixed import Shading, Truthful
from auctionlab.errors import ConfigError
from auctionlab.platform.matching import Block, Seating, line_up
from auctionlab.rng import Source


def test_blocks_with_seats_then_counts_then_the_rest_fill_the_population():
    blocks = [Block(Truthful()), Block(Shading(0.5), seats=(0,)), Block(Truthful(), count=1)]
    teams = line_up(blocks, (0, 0, 0), groups=2)
    assert {number: members.tolist() for _, number, _, members in teams} == {0: [2, 4, 5], 1: [0, 3], 2: [1]}


def test_a_block_is_split_by_role():
    teams = line_up([Block(Truthful())], (0, 1), groups=3)
    assert [(role, members.tolist()) for _, _, role, members in teams] == [(0, [0, 2, 4]), (1, [1, 3, 5])]


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ([Block(Truthful(), seats=(0,)), Block(Truthful(), seats=(0, 1))], "seat 0 is filled twice"),
        ([Block(Truthful(), seats=(0,))], r"left empty \(seats \[1\]\)"),
        ([Block(Truthful(), seats=(2,)), Block(Truthful())], "no seat 2, allowed: 0 to 1"),
        ([Block(Truthful(), count=5)], "5 agents, but only 4 places"),
    ],
)
def test_seats_that_are_wrong_get_one_sentence(blocks, sentence):
    with pytest.raises(ConfigError, match=sentence):
        line_up(blocks, (0, 0), groups=2)


@pytest.mark.parametrize("roles", [(0, 0, 0), (0, 1, 1)])
def test_strangers_seat_everyone_once_within_their_role(roles):
    seating = Seating(roles, groups=4, replications=3, matching="strangers")
    seating.deal(Source(5, replications=3).stream(0, "match"))
    members = seating.members.reshape(3, -1)  # (R, G·n)
    assert (np.sort(members, axis=1) == np.arange(12)).all()
    role_of = np.tile(roles, 4)
    assert (role_of[members] == role_of).all()
    place = seating.place - np.arange(3)[:, None] * 12
    assert (np.take_along_axis(members, place, axis=1) == np.arange(12)).all()  # place is the inverse of members


def test_strangers_meet_everyone_equally_often():
    seating = Seating((0, 0), groups=3, replications=1, matching="strangers")
    source, rounds = Source(1), 6000
    met = np.zeros(6)
    for round in range(rounds):
        seating.deal(source.stream(round, "match"))
        pairs = seating.members.reshape(3, 2)
        met[pairs[(pairs == 0).any(axis=1)].sum()] += 1  # the partner of member 0
    share, error = met[1:] / rounds, np.sqrt(0.2 * 0.8 / rounds)
    assert np.abs(share - 0.2).max() < 4 * error
