"""The audit where types and messages are vectors: a value for each of three alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.checks.audit import AUDITED, audit
from auctionlab.checks.incentives import dominant_gain
from auctionlab.checks.interim import interim_gain
from auctionlab.core import Box, Draw, Environment, Mechanism, Outcome

K = 3


@dataclass(frozen=True)
class Choice(Environment):
    """Two seats, each with independent uniform values of three alternatives, of which one is chosen for both."""

    @property
    def n(self):
        return 2

    @property
    def signal(self):
        return Box(0.0, 1.0, (K,))

    @property
    def independent(self):
        return True

    def sample(self, rng, batch):
        signals = rng.random((batch, 2, K))
        return Draw(signals, signals)

    def best_welfare(self, values):
        return values.sum(axis=1).max(axis=1)

    def outcomes(self):
        return np.repeat(np.eye(K)[:, None], 2, axis=1)


@dataclass(frozen=True)
class Clarke(Mechanism):
    """The alternative with the highest sum of reports; everyone pays the harm to the other. `own` breaks it."""

    own: float = 0.0  # the share of the own reported value that is charged too

    def run(self, messages, rng=None):
        reports = np.where(np.isfinite(messages), messages, 0.0)
        chosen = np.argmax(reports.sum(axis=1), axis=1)
        rows = np.arange(len(reports))
        allocation = np.repeat(np.eye(K)[chosen][:, None], 2, axis=1)
        others = reports[:, ::-1]
        payments = others.max(axis=2) - others[rows, :, chosen] + self.own * reports[rows, :, chosen]
        return Outcome(allocation, payments)

    def equilibrium(self, environment):
        return (lambda signals: signals,) * 2


def test_clarke_is_dominant_efficient_and_never_in_deficit():
    found = {finding.property: finding for finding in audit(Clarke(), Choice())}
    assert set(found) == set(AUDITED)
    for name in ("dsic", "ex-post-ic", "bic", "equilibrium", "ex-post-ir", "interim-ir", "ex-ante-ir", "efficient"):
        assert found[name].holds, found[name].line()
    assert found["no-deficit"].holds
    assert found["balanced"].holds is False
    assert found["revenue-optimal"].holds is None  # no bound is known for three alternatives


def test_charging_a_tenth_of_the_own_report_is_found_in_every_search():
    broken = Clarke(own=0.1)
    finding = dominant_gain(broken, Choice())
    # whoever values the chosen alternative at 1 and reports 0 keeps it where the others' reports allow: 0.1 saved
    assert finding.worst == pytest.approx(0.1, abs=0.002)
    case = finding.where
    assert case.reports.shape == (2, K)
    assert "sends (" in finding.line()
    average = interim_gain(broken, Choice())
    assert average.holds is False
    assert 0 < average.worst < 0.1
    assert average.standard_error > 0


def test_dependent_vectors_cannot_be_averaged_over():
    @dataclass(frozen=True)
    class Dependent(Choice):
        @property
        def independent(self):
            return False

    finding = interim_gain(Clarke(), Dependent())
    assert finding.holds is None
    assert "types are dependent" in finding.line()
