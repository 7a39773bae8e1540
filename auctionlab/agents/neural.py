"""Bid functions that are small neural networks, one a lane, on the processor or a GPU; needs "auctionlab[torch]".

Networks of all lanes are one batch of matrices, so a thousand learners cost a few calls a round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from auctionlab.agents._table import utility_range
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat, Strategy
from auctionlab.errors import ConfigError, ContractError
from auctionlab.registry import kind_of
from auctionlab.rng import Stream, stream

_KEPT = 0.9, 0.999  # of the mean gradient and the mean square, a step (Adam)


@dataclass
class NeuralPseudoGradient(Strategy):
    """Bids by a neural network of its value, and moves its weights to where perturbed bids would have earned more.

    After each round the slope of its payoff in its own bid is estimated from what `trials` pairs of bids, above and
    below by the same normal noise, would have earned; payoffs jump where a bid begins to win, and noise smooths that.
    After `batch` rounds the slopes are followed back through the network, and Adam takes a step. Two hidden layers;
    at the start the bid is `begin` × value. Every lane has a network of its own. It finds local optima only.
    Source: Bichler, Fichtl, Heidekrüger, Kohring and Sutterer (2021), Nature Mach. Intell. 3; perturbed bids in place
    of perturbed weights: Kohring, Pieroth and Bichler (2023), ICML; steps: Kingma and Ba (2015), ICLR.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"payoff"})

    hidden: Annotated[int, Field(ge=1, le=512, description="units in each of the two hidden layers")] = 16
    rate: Annotated[float, Field(gt=0, description="first step size of Adam")] = 0.003
    power: Annotated[float, Field(ge=0, le=1, description="steps shrink as (1 + step / 50)^−power")] = 0.75
    noise: Annotated[float, Field(gt=0, le=1, description="standard deviation of the noise, of the top value")] = 0.05
    trials: Annotated[int, Field(ge=1, le=1_000, description="pairs of perturbed bids a round")] = 8
    batch: Annotated[int, Field(ge=1, le=10_000, description="rounds between two steps")] = 16
    begin: Annotated[float, Field(ge=0, le=1, description="bid per unit of value at the start; 1 is the value")] = 1.0
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description='where the networks are; "auto": on a GPU where there is one')
    ] = "auto"

    def start(self, seat: Seat) -> None:
        super().start(seat)
        boxes = seat.environment.signal, seat.mechanism.messages(seat.environment)
        if any(box.shape != () for box in boxes):
            raise ConfigError(f"{kind_of(self)}: needs scalar signals and messages")
        self.floor = seat.low if np.isfinite(seat.low) else seat.bottom
        self.span = seat.top - self.floor
        if not self.span > 0:
            raise ConfigError(f"{kind_of(self)}: there is no bid between {self.floor:g} and {seat.top:g}")
        worst, best = utility_range(seat)
        self.unit = best - worst
        self.networks = _Networks(self.hidden, self.device)
        self.weights_ = np.tile(self._first(), (seat.lanes, 1))  # (L, weights)
        self.moments_ = np.zeros((2, *self.weights_.shape))  # means of gradients and of their squares
        self.inputs_, self.slopes_ = np.zeros((2, seat.lanes, self.batch))  # of the rounds since the last step
        self.rounds_ = np.zeros((), np.int64)

    def _first(self) -> Array:
        """Weights (W,) to begin with: any numbers of even size, and nothing from the last layer yet."""
        sizes = self.networks.sizes
        uniforms = 2.0 * stream(21).random(sum(sizes)) - 1.0
        scale = [2.0, 1.0, np.sqrt(3.0 / self.hidden), 0.1, 0.0, 0.0]
        return uniforms * np.repeat(scale, sizes)

    def act(self, signals: Array, rng: Stream) -> Array:
        self.inputs = 2.0 * (signals - self.floor) / self.span - 1.0
        self.drawn = ndtri(rng.random((self.seat.lanes, self.trials)) + 2.0**-54)  # never infinite
        raised = self.networks.outputs(self.weights_, self.inputs[:, None])[:, 0]
        raised = np.where(np.isfinite(raised), raised, np.nan)  # weights that overflowed say nothing
        self.bids: Array = np.clip(self.begin * signals + self.span * raised, self.floor, self.floor + self.span)
        return self.bids

    def learn(self, feedback: Feedback) -> None:
        if feedback.payoff is None:
            raise ContractError(f"{kind_of(self)}: learns from payoff, which this feedback does not hold")
        moved = self.noise * self.span * self.drawn  # (L, trials)
        earned = feedback.payoff(np.concatenate([self.bids[:, None] + moved, self.bids[:, None] - moved], axis=1))
        above, below = earned[:, : self.trials], earned[:, self.trials :]
        slope = ((above - below) * self.drawn).mean(axis=1) / (2.0 * self.noise * self.unit)
        outward = np.where(slope > 0, self.bids >= self.floor + self.span, self.bids <= self.floor)
        place = int(self.rounds_) % self.batch
        self.inputs_[:, place] = self.inputs
        self.slopes_[:, place] = np.where(outward, 0.0, slope)
        self.rounds_ = self.rounds_ + 1
        if place == self.batch - 1:
            self._step(int(self.rounds_) // self.batch)

    def _step(self, number: int) -> None:
        """One step of Adam up the gradient of payoff in the weights."""
        gradient = self.networks.gradient(self.weights_, self.inputs_, self.slopes_)
        keep, square = _KEPT
        self.moments_ = np.stack(
            [keep * self.moments_[0] + (1 - keep) * gradient, square * self.moments_[1] + (1 - square) * gradient**2]
        )
        mean, size = self.moments_[0] / (1 - keep**number), np.sqrt(self.moments_[1] / (1 - square**number))
        self.weights_ = self.weights_ + self.rate * (1.0 + number / 50.0) ** -self.power * mean / (size + 1e-8)


class _Networks:
    """Networks value -> bid, one a lane, by their weights (L, W): tanh in two hidden layers, a linear output."""

    def __init__(self, hidden: int, device: str) -> None:
        try:
            import torch
        except ImportError:
            told = 'neural-pseudo-gradient: needs torch, which is not installed: pip install "auctionlab[torch]"'
            raise ConfigError(told) from None
        if device == "cuda" and not torch.cuda.is_available():
            told = 'neural-pseudo-gradient: device: torch finds no GPU for "cuda" here; allowed: "auto", "cpu"'
            raise ConfigError(told)
        self.torch: Any = torch
        self.hidden = hidden
        self.sizes = (hidden, hidden, hidden * hidden, hidden, hidden, 1)
        self.device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        self._sent: tuple[Array, Any] | None = None  # the weights last sent to the device

    def outputs(self, weights: Array, inputs: Array) -> Array:
        """What the networks answer to inputs (L, B), (L, B)."""
        with self.torch.no_grad():
            if self._sent is None or self._sent[0] is not weights:
                self._sent = weights, self._tensor(weights)
            return np.asarray(self._forward(self._sent[1], self._tensor(inputs)).cpu().numpy())

    def gradient(self, weights: Array, inputs: Array, slopes: Array) -> Array:
        """The gradient (L, W) in the weights of the mean over B of slopes × outputs, both (L, B)."""
        at = self._tensor(weights).requires_grad_()
        self.torch.autograd.backward((self._tensor(slopes) * self._forward(at, self._tensor(inputs))).mean(dim=1).sum())
        return np.asarray(at.grad.cpu().numpy())

    def _tensor(self, array: Array) -> Any:
        return self.torch.as_tensor(array, dtype=self.torch.float64, device=self.device)

    def _forward(self, weights: Any, inputs: Any) -> Any:
        first, one, second, two, last, three = self.torch.split(weights, self.sizes, dim=1)
        units = self.torch.tanh(inputs[:, :, None] * first[:, None] + one[:, None])  # (L, B, H)
        units = self.torch.tanh(units @ second.reshape(-1, self.hidden, self.hidden) + two[:, None])
        return (units * last[:, None]).sum(dim=2) + three
