"""Broken strategies are caught, and the sentence says what to mend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.checks.contracts import check_strategy
from auctionlab.core import Strategy
from auctionlab.errors import ContractError


@dataclass
class _Average(Strategy):
    """Bids the mean of its values so far: a sound strategy to break."""

    def start(self, seat):
        super().start(seat)
        self.total_, self.rounds_ = np.zeros(seat.lanes), np.zeros(())

    def act(self, signals, rng):
        return (self.total_ + signals) / (self.rounds_ + 1) * rng.random(signals.shape[0])

    def learn(self, feedback):
        self.total_ = self.total_ + feedback.signals
        self.rounds_ = self.rounds_ + 1


class SendsNaN(_Average):
    def act(self, signals, rng):
        return signals / 0 * 0


class SendsOneNumber(_Average):
    def act(self, signals, rng):
        return np.array(0.5)


class SendsIntegers(_Average):
    def act(self, signals, rng):
        return (signals > 0.5).astype(int)


class ChangesSignals(_Average):
    def act(self, signals, rng):
        signals *= 0.5
        return signals.copy()


class ChangesFeedback(_Average):
    def learn(self, feedback):
        feedback.utility[:] = 0


class ForgetsItsRounds(_Average):
    """Counts in an attribute that a checkpoint does not hold."""

    def start(self, seat):
        super().start(seat)
        self.count = 0

    def act(self, signals, rng):
        return signals / (1 + self.count)

    def learn(self, feedback):
        self.count += 1


class SharesOneMemory(_Average):
    """Keeps views of the restored arrays and writes into them."""

    def restore(self, state):
        for name, value in state.items():
            setattr(self, name, value)

    def learn(self, feedback):
        self.total_ += feedback.signals
        self.rounds_ = self.rounds_ + 1


class OwnRandomness(_Average):
    def act(self, signals, rng):
        return signals * np.random.default_rng().random()


class MixesLanes(_Average):
    def act(self, signals, rng):
        return np.full_like(signals, signals.mean())


class KeepsObjects(_Average):
    def learn(self, feedback):
        super().learn(feedback)
        self.notes_ = np.array([None, "seen"], dtype=object)


class ReadsWhatItDoesNotNeed(_Average):
    def learn(self, feedback):
        self.total_ = self.total_ + feedback.others[:, 0]


class NeedsNonsense(_Average):
    needs = frozenset({"values"})


def test_a_sound_strategy_passes():
    check_strategy(_Average())


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize(
    ("strategy", "culprit"),
    [
        (SendsNaN(), "act sent .nan."),
        (SendsOneNumber(), r"act returned shape \(\), expected \(12,\)"),
        (SendsIntegers(), "act returned messages of type int64"),
        (ChangesSignals(), "act changed the signals"),
        (ChangesFeedback(), "learn changed feedback.utility"),
        (
            ForgetsItsRounds(),
            "0 rounds after restore.state... it plays on differently; keep everything learned in attr",
        ),
        (SharesOneMemory(), "playing on after restore changed the restored arrays; copy them"),
        (OwnRandomness(), "two plays from the same streams differ"),
        (MixesLanes(), "lanes change with the number of replications"),
        (KeepsObjects(), "state 'notes_' is not an array of numbers"),
        (ReadsWhatItDoesNotNeed(), "learn, given own results and no more, raised TypeError"),
        (NeedsNonsense(), "needs .'values'., allowed are"),
    ],
)
def test_a_broken_strategy_is_named_with_its_fault(strategy, culprit):
    with pytest.raises(ContractError, match=culprit):
        check_strategy(strategy)
