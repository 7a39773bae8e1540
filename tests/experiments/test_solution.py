"""The picture of an equilibrium shows the bids of nearly all types."""

from __future__ import annotations

import numpy as np

from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.solution import draw


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
