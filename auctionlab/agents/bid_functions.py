"""Learners of whole bid functions from their own payoffs: continuous bids, and values that share what they learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from auctionlab.agents._functions import BidFunctions
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.rng import Stream

Rate = Annotated[float, Field(gt=0, description="first step along the gradient, in bids (of the top value) per unit")]
Power = Annotated[float, Field(ge=0, le=1, description="steps shrink as (1 + round / 1000)^−power")]


@dataclass
class PolicyGradient(BidFunctions):
    """Bids a rising piecewise-linear function of the value plus noise, and moves it towards noise that paid.

    After a round the two knots around the value move by step × (utility − what this place earned so far) × noise / its
    variance, the gradient of expected utility in the bid (REINFORCE with a baseline); then the heights are made to rise
    again. Bids are continuous and neighbouring values share what they learn. It finds local optima only.
    Source: Williams (1992), Machine Learning 8; in auctions Bichler, Fichtl, Heidekrüger, Kohring and Sutterer (2021).
    """

    rate: Rate = 0.005
    power: Power = 0.5
    noise: Annotated[float, Field(gt=0, le=1, description="standard deviation of the noise, of the top value")] = 0.05

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.baseline_ = np.full((seat.lanes, self.knots), np.nan)

    def act(self, signals: Array, rng: Stream) -> Array:
        self.left, self.share = self.hats(signals)
        self.drawn = ndtri(rng.random(self.seat.lanes) + 2.0**-54)  # never infinite
        bids = self.read(self.heights_, self.left, self.share)
        return bids + self.noise * self.span * self.drawn

    def learn(self, feedback: Feedback) -> None:
        earned = feedback.utility / self.unit
        step = self.rate * self.span * (1.0 + int(self.rounds_) / 1000) ** -self.power
        near = self.left + (self.share > 0.5)
        known = self.baseline_[self.lanes, near]
        usual = np.where(np.isnan(known), earned, known)
        self.baseline_[self.lanes, near] = usual + 0.05 * (earned - usual)
        slope = (earned - usual) * self.drawn / self.noise
        heights = self.heights_.copy()
        heights[self.lanes, self.left] += step * slope * (1.0 - self.share)
        heights[self.lanes, self.left + 1] += step * slope * self.share
        self.heights_ = self.legal(heights)
        self.rounds_ += 1


@dataclass
class EvolutionStrategies(BidFunctions):
    """Plays its bid function with its heights perturbed, for some rounds up and for as many down, and moves along.

    The step is (mean utility up − mean utility down) / (2 noise) × the perturbation, an estimate of the gradient of
    expected utility in all heights at once; perturbations are drawn anew after every such pair. Bids are continuous.
    Source: Salimans, Ho, Chen, Sidor and Sutskever (2017); in auctions Bichler et al. (2021), Nature Mach. Intell. 3.
    """

    rate: Rate = 0.1
    power: Power = 0.5
    noise: Annotated[
        float, Field(gt=0, le=1, description="standard deviation of a height's perturbation, of the top value")
    ] = 0.05
    block: Annotated[int, Field(ge=1, description="rounds played with one perturbation before its sign changes")] = 10

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.trial_ = np.zeros((seat.lanes, self.knots))
        self.won_ = np.zeros(seat.lanes)

    def act(self, signals: Array, rng: Stream) -> Array:
        place = int(self.rounds_) % (2 * self.block)
        if place == 0:
            self.trial_ = ndtri(rng.random((self.seat.lanes, self.knots)) + 2.0**-54)
        self.sign = 1.0 if place < self.block else -1.0
        moved = self.heights_ + self.sign * self.noise * self.span * self.trial_
        return self.read(self.legal(moved), *self.hats(signals))

    def learn(self, feedback: Feedback) -> None:
        self.won_ = self.won_ + self.sign * feedback.utility / self.unit
        self.rounds_ += 1
        if int(self.rounds_) % (2 * self.block) == 0:
            step = self.rate * self.span * (1.0 + int(self.rounds_) / 1000) ** -self.power
            slope = self.won_ / (2 * self.block * self.noise)
            self.heights_ = self.legal(self.heights_ + step * slope[:, None] * self.trial_)
            self.won_ = np.zeros_like(self.won_)
