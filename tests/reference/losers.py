"""Rules in which every losing bid matters, for which no formula is built in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.mechanisms.single_item import SingleItem


@dataclass(frozen=True)
class MeanOfLosers(SingleItem):
    """The highest bid wins and pays the mean of all other bids, or the reserve where it is alone."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        taking = bids > NO_BID
        paid = np.where(taking, bids, 0.0)
        mean = (paid.sum(axis=0) - paid.max(axis=0)) / np.maximum(taking.sum(axis=0) - 1, 1)
        return allocation * np.maximum(mean, self.reserve)


@dataclass(frozen=True)
class MeanOfAll(SingleItem):
    """The highest bid wins and pays the mean of all bids, its own included."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        taking = bids > NO_BID
        return allocation * np.where(taking, bids, 0.0).sum(axis=0) / np.maximum(taking.sum(axis=0), 1)
