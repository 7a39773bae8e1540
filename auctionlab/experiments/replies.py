"""What another message would have earned against the recorded messages of the rivals.

The best reply is chosen on one half of the sampled rounds and scored on the other, both ways, so the gain reported is
that of a policy fixed beforehand: maximising over noise does not inflate it (DESIGN §8). With few rounds the policy is
poorly chosen and the gain too small; it never is too large on average.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, expected_utility
from auctionlab.experiments.kept import GOLDEN
from auctionlab.experiments.reply_rules import WIDTHS, ByCell, Rule, Sample, candidates_for, lowest, rule_for

_FOLDS: Final = 4
_ALONE: Final = 400  # sampled rounds from which every member of a fixed group gets its own best reply
_FEWEST: Final = 2 * _FOLDS  # sampled rounds
_WORK: Final = 20_000_000  # auctions of two evaluated for a whole run


def truth_gains(environment: Environment, mechanism: Mechanism, sample: Sample, parties: int) -> Array:
    """Payoff at stake, (R, parties): expected utility of the truth less that of the message sent, a bid.

    Rivals' messages are as recorded, ties and lotteries averaged. NaN where a party has no bids.
    """
    floor = lowest(environment, mechanism)
    found = np.empty((sample.messages.shape[1], parties))
    for replication in range(len(found)):
        play = sample.of(replication)
        gain = np.empty(play.messages.shape)
        own = expected_utility(mechanism, environment, play.messages, play.values)
        for seat in range(environment.n):
            tried = play.messages.copy()
            tried[:, seat] = np.where(play.signals[:, seat] >= floor[seat], play.signals[:, seat], NO_BID)
            gain[:, seat] = expected_utility(mechanism, environment, tried, play.values)[:, seat] - own[:, seat]
        found[replication] = _mean_by(play.parties.ravel(), gain.ravel(), parties)
    return found


def best_reply_gains(
    environment: Environment, mechanism: Mechanism, sample: Sample, parties: int, grid: Array | None = None
) -> Array:
    """Exploitability, (R, parties): expected utility of the best reply less that of the message sent, a bid.

    Under fixed matching with enough rounds every member has a best reply of its own to its own rivals; else the reply
    is to the play of the replication's population, one for each party. Replies may be any of 200 equal steps, the
    points just above rivals' messages, and no part at all; or the messages of a grid (K,) alone. Where values are
    private and independent, a reply is chosen for each of 50 values (10 where utility is not linear) against all
    sampled messages of the rivals; else for each of 10 cells of signals against the rounds with such signals. NaN where
    a party has no bids.
    """
    replications = sample.messages.shape[1]
    found = np.empty((replications, parties))
    work = max(1, _WORK // sample.total)
    for replication in range(replications):
        found[replication] = _gains(environment, mechanism, sample, replication, parties, work, grid)
    return found


def _gains(
    environment: Environment, mechanism: Mechanism, sample: Sample, replication: int, parties: int, work: int,
    grid: Array | None,
) -> Array:  # fmt: skip
    play = sample.of(replication)
    candidates = candidates_for(environment, mechanism, play.messages) if grid is None else grid
    widths = WIDTHS if grid is None else (0,)
    kind = rule_for(environment, sample)
    most = max(1, len(sample.messages) // _FEWEST)
    tries = kind.profiles(play) * candidates.size * kind.cost * environment.n // 2
    step = min(most, -(-tries // work))
    if step > 1:
        play = sample.of(replication, step)
    groups = sample.messages.shape[2]
    auctions, n = play.messages.shape
    rounds = auctions // groups
    if rounds < _FEWEST:
        return np.full(parties, np.nan)
    units = play.parties
    if sample.fixed and kind is not ByCell and rounds >= _ALONE:
        units = np.tile(np.arange(groups * n).reshape(groups, n), (rounds, 1))
    fold = np.repeat(folds(rounds), groups)
    rule = kind(environment, mechanism, play, candidates, units, fold, widths)
    return _mean_by(play.parties.ravel(), _cross_fit(rule, units, fold).ravel(), parties)


def folds(rounds: int) -> Array:
    """Which of four about equal parts each round belongs to, in an order that never repeats.

    Turn by turn would put the even rounds into one half and the odd ones into the other: play that alternates would be
    replied to with what fits the other half.
    """
    return (_FOLDS * (np.arange(rounds) * GOLDEN % 1.0)).astype(int)


def _cross_fit(rule: Rule, units: Array, fold: Array) -> Array:
    """Gains (A, n) of replies chosen on folds 0 and 2 in the rounds of 1 and 3, and the other way round.

    How much to smooth, and whether to deviate at all, is settled for each unit on the choosing half alone: chosen on
    one of its folds, scored on the other.
    """
    gains = np.zeros(units.shape)
    count = int(units.max()) + 1
    for own, other in (((0, 2), (1, 3)), ((1, 3), (0, 2))):
        scores = np.zeros((len(rule.widths) + 1, count))  # the first: no deviation
        for train, test in (own, own[::-1]):
            policies, rows = rule.replies((train,)), fold == test
            for level, policy in enumerate(policies, start=1):
                won = rule.gain(policy, rows)
                scores[level] += np.bincount(units[rows].ravel(), weights=won.ravel(), minlength=count)
        best = scores.argmax(axis=0)  # (units,)
        rows = np.isin(fold, other)
        for level, policy in enumerate(rule.replies(own), start=1):
            chosen = best[units[rows]] == level
            gains[rows] += np.where(chosen, rule.gain(policy, rows), 0.0)
    return gains


def _mean_by(keys: Array, numbers: Array, count: int) -> Array:
    """Mean of the numbers under each key, (count,); NaN where there are none."""
    totals = np.bincount(keys, weights=numbers, minlength=count)
    with np.errstate(invalid="ignore"):
        return totals / np.bincount(keys, minlength=count)
