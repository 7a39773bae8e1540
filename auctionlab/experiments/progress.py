"""The progress bar of a run: rounds a second, time left, and current revenue beside the equilibrium's."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from auctionlab.platform.ledger import Round

_SMOOTH = 0.8  # weight of what was shown before


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} rounds/s")


class RoundBar:
    """Use as a context manager; `watch` makes the observer that `auctionlab.run(observe=...)` asks for."""

    def __init__(self, console: Console | None = None) -> None:
        self.progress = Progress(
            TextColumn("round {task.completed:,.0f} of {task.total:,.0f}"),
            BarColumn(bar_width=24),
            _Speed(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[revenue]}"),
            console=console or Console(stderr=True),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress.live.is_started:
            self.progress.stop()

    def watch(self, market: Any, benchmark: Any) -> Callable[[Round], None]:
        """An observer of the rounds of this market."""
        theory = "" if benchmark is None else f" (equilibrium {benchmark.revenue:.4g})"
        task = self.progress.add_task("", total=market.rounds, completed=market.round, revenue="")
        self.progress.start()
        paid, rounds, shown, next_look = 0.0, 0, None, 0.0

        def observe(round: Round) -> None:
            nonlocal paid, rounds, shown, next_look
            paid += float(round.payments.sum()) / (round.payments.size // round.payments.shape[-1])
            rounds += 1
            now = self.progress.get_time()
            if now < next_look and round.number + 1 < market.rounds:
                return
            mean = paid / rounds
            shown = mean if shown is None else _SMOOTH * shown + (1 - _SMOOTH) * mean
            paid, rounds, next_look = 0.0, 0, now + 0.2
            self.progress.update(task, completed=round.number + 1, revenue=f"revenue {shown:.4g}{theory}")

        return observe
