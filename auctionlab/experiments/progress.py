"""Progress bars: of a run, with rounds a second, time left and revenue beside the equilibrium's; and of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from auctionlab.platform.ledger import Round, only_rounds

_SMOOTH = 0.8  # weight of what was shown before


@contextmanager
def waiting(shown: bool = True, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """A spinner while something goes on, and the function that tells it what; nothing where it is not shown."""
    if not shown:
        yield lambda message: None
        return
    with (console or Console(stderr=True)).status("") as status:
        yield status.update


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

        @only_rounds
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


class SweepBar:
    """How many points are played, and a bar for each that is being played; `watch` and `tell` are for `run_sweep`."""

    def __init__(self, labels: Sequence[str], rounds: Sequence[int], console: Console | None = None) -> None:
        """labels, rounds : of each point, in order."""
        self.labels, self.rounds = labels, rounds
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeRemainingColumn(compact=True))
        self.progress = Progress(*columns, console=console or Console(stderr=True))
        self.whole: TaskID | None = None
        self.bars: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress.live.is_started:
            self.progress.stop()

    def tell(self, message: str) -> None:
        """Print a line above the bars."""
        self.progress.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def watch(self, reached: Sequence[int]) -> None:
        """Show the round that each point has reached, -1 where it has not begun."""
        done = sum(now >= rounds for now, rounds in zip(reached, self.rounds, strict=True))
        share = sum(max(0, now) / rounds for now, rounds in zip(reached, self.rounds, strict=True))
        if self.whole is None:
            self.whole = self.progress.add_task("", total=len(self.rounds))
            self.progress.start()
        self.progress.update(self.whole, completed=share, description=f"{done:,} of {len(self.rounds):,} points")
        for point, (now, rounds) in enumerate(zip(reached, self.rounds, strict=True)):
            if 0 <= now < rounds and point not in self.bars:
                self.bars[point] = self.progress.add_task(self.labels[point], total=rounds, completed=now)
            elif point in self.bars and now >= rounds:
                self.progress.remove_task(self.bars.pop(point))
            elif point in self.bars:
                self.progress.update(self.bars[point], completed=now)
