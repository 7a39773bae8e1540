"""The progress bar: where the run is, how fast, and revenue beside the equilibrium's."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
from rich.console import Console

from auctionlab.experiments.progress import RoundBar
from auctionlab.platform.ledger import Round


def played(number: int, revenue: float) -> Round:
    payments = np.full((4, 2, 2), revenue / 2)  # four replications of two auctions between two bidders
    return Round(number, *(payments,) * 4, payments=payments, utility=payments, members=payments)


def test_the_bar_shows_rounds_speed_and_revenue_beside_the_equilibriums() -> None:
    screen = io.StringIO()
    with RoundBar(Console(file=screen, force_terminal=True, width=150)) as bar:
        observe = bar.watch(SimpleNamespace(rounds=20_000, round=19_990), SimpleNamespace(revenue=1 / 3))
        for number in range(19_990, 20_000):
            observe(played(number, 0.25))
    assert "round 20,000 of 20,000" in screen.getvalue()
    assert "rounds/s" in screen.getvalue()
    assert "revenue 0.25 (equilibrium 0.3333)" in screen.getvalue()


def test_without_an_equilibrium_there_is_nothing_beside_revenue() -> None:
    screen = io.StringIO()
    with RoundBar(Console(file=screen, force_terminal=True, width=150)) as bar:
        bar.watch(SimpleNamespace(rounds=1, round=0), None)(played(0, 0.5))
    assert "revenue 0.5" in screen.getvalue()
    assert "equilibrium" not in screen.getvalue()


def test_a_bar_that_nobody_watches_prints_nothing() -> None:
    screen = io.StringIO()
    with RoundBar(Console(file=screen, force_terminal=True)):
        pass
    assert screen.getvalue() == ""
