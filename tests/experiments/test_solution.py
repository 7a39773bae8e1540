"""The picture of an equilibrium shows the bids of nearly all types."""

from __future__ import annotations

import numpy as np

from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.solution import bid_rows, draw, solution
from auctionlab.mechanisms.single_item import WarOfAttrition
from auctionlab.theory.benchmarks import benchmark


def drawn(bids) -> tuple[float, float]:
    values = np.linspace(0, 1, 101)
    solved = {"bids": [{"seat": 0, "signals": values.tolist(), "bids": bids(values)}] * 2}
    return draw(PrivateValues(2, Uniform()), solved).axes[0].get_ylim()


def test_bids_that_soar_next_to_the_highest_value_are_cut_off() -> None:
    # war of attrition: −v − log(1 − v), Krishna and Morgan (1997); 2.05 at 0.95 and beyond all bounds at 1
    low, high = drawn(lambda v: (-v - np.log(np.maximum(1 - v, 1e-14))).tolist())
    assert -0.2 < low < 0
    assert 2.0 < high < 2.5


def test_other_bids_are_shown_to_the_last() -> None:
    assert drawn(lambda v: [None, *(v[1:] / 2)])[1] > 0.5


def test_seats_of_one_role_that_bid_differently_have_columns_of_their_own_and_bids_without_bound_show_as_infinite() -> (
    None
):
    """Of U[0, 1] twice against U[0, 2], one of the equals stops: what it bids at 1 is a number."""
    environment = PrivateValues(priors=(Uniform(), Uniform(), Uniform(0.0, 2.0)))
    solved = solution(WarOfAttrition(), environment, benchmark(WarOfAttrition(), environment))
    columns, rows = bid_rows(environment, solved)
    assert [column for column in columns if "bid" in column] == [f"bid of seat {seat}" for seat in range(3)]
    assert rows[-1][1] == rows[-1][5] == "∞"
    assert rows[-1][3] < 1
    assert [table["unbounded"] for table in solved["bids"]] == [True, False, True]
