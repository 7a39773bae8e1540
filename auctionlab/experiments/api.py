"""The main job from Python: run an experiment, look at its result, solve its equilibrium.

result = auctionlab.run("first-price", replications=10)
result.bids()            # every bid, a DataFrame
result.convergence()     # estimates with intervals and verdicts
result.plot_bids()       # a matplotlib figure
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from auctionlab.errors import Stopped
from auctionlab.experiments import playing
from auctionlab.experiments.config import Config, load_config
from auctionlab.experiments.playing import Observe
from auctionlab.platform.runs import RunInfo
from auctionlab.platform.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from auctionlab.experiments.analysis import Analysis
    from auctionlab.theory.benchmarks import Benchmark

DATABASE: Final = "sqlite:///auctionlab.db"


class Interrupted(Stopped):
    """A run was stopped; everything played is recorded and the same command goes on."""

    def __init__(self, result: Result, rounds: int) -> None:
        self.result = result
        done = f"stopped after {result.run.round:,} of {rounds:,} rounds"
        super().__init__(f"run {result.run.id} {done}; nothing is lost. The same command goes on from there")


def run(
    source: str | Path | Mapping[str, Any] | Config,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    database: str | None = None,
    again: bool = False,
    observe: Observe | None = None,
    tell: Callable[[str], None] = lambda message: None,
    checkpoint_seconds: float = 10.0,
    **settings: Any,
) -> Result:
    """Run an experiment to its end and judge it; continue it if it was stopped; just load it if it is finished.

    source : a gallery name, a path to a TOML file, or a table; `settings` are top-level keys (replications=10).
    database : SQLAlchemy URL; default the config's, then AUCTIONLAB_DATABASE, then sqlite:///auctionlab.db.
    again : play a finished experiment once more, as a new run.
    observe : makes an observer of rounds (a progress bar) from the market and its benchmark.
    tell : is told what is going on, one sentence at a time.
    Raises ConfigError and StoreError, and Interrupted after Ctrl-C, when everything played is recorded.
    """
    merged = dict(overrides) if isinstance(overrides, Mapping) else list(overrides)
    config = load_config(source, merged)
    if settings:
        config = load_config(config, settings)
    store = Store(database_of(database or config.record.database))
    try:
        return _run(config, store, again, observe, tell, checkpoint_seconds)
    finally:
        store.close()


def load(ref: int | str = "last", database: str | None = None) -> Result:
    """The result of a recorded run: its id, its name (the newest of that name), or "last"."""
    url = database_of(database)
    with Store(url, create=False) as store:
        return Result(url, store.run(ref).id)


def solve(source: str | Path | Mapping[str, Any] | Config, overrides: Iterable[str] = ()) -> Benchmark:
    """The equilibrium of an experiment's mechanism in its environment; raises NoEquilibrium where none is known."""
    from auctionlab.theory.benchmarks import benchmark

    config = load_config(source, overrides, game_only=True)
    return benchmark(config.mechanism, config.environment)


def database_of(url: str | None = None) -> str:
    """The database that is meant: `url`, else the variable AUCTIONLAB_DATABASE, else sqlite:///auctionlab.db."""
    return url or os.environ.get("AUCTIONLAB_DATABASE") or DATABASE


@dataclass(frozen=True)
class Result:
    """A run in a database; everything is read when it is asked for, so a result is cheap to hold."""

    database: str
    run_id: int

    @property
    def run(self) -> RunInfo:
        """Name, config, seed, status and size of the run."""
        with self._store() as store:
            return store.run(self.run_id)

    def bids(self, **selection: Any) -> pd.DataFrame:
        """Every recorded bid, one row each; `rounds=(lo, hi)`, `replications=[0, 1]`, `columns=[...]`, `limit=n`."""
        with self._store() as store:
            return store.bids(self.run_id, **selection)

    def auctions(self, **selection: Any) -> pd.DataFrame:
        """Every recorded auction: revenue, welfare, winner, whether it was efficient."""
        with self._store() as store:
            return store.auctions(self.run_id, **selection)

    def stopped(self) -> dict[int, int]:
        """Replications that a learner's overflowing numbers stopped, each with the round from which on; not judged."""
        from auctionlab.experiments.metric_table import stopped_rounds

        with self._store() as store:
            return stopped_rounds(store, self.run_id)

    def metrics(self) -> pd.DataFrame:
        """What was measured while playing, one value a replication."""
        with self._store() as store:
            return store.metrics(self.run_id)

    def analysis(self) -> Analysis:
        """The judged result: estimates with intervals, verdicts, and the tables behind the figures."""
        from auctionlab.experiments.analysis import analyse

        with self._store() as store:
            return analyse(store, self.run_id)

    def convergence(self) -> pd.DataFrame:
        """Every estimate with its 95 % interval over replications, theory, margin and verdict."""
        from auctionlab.experiments.plots import estimates_table

        return estimates_table(self.analysis())

    def plot_bids(self) -> Figure:
        """Bids against values, with the equilibrium over them."""
        from auctionlab.experiments.plots import plot_bids

        return plot_bids(self.analysis())

    def plot_revenue(self) -> Figure:
        """Revenue by round with its band, and the equilibrium's."""
        from auctionlab.experiments.plots import plot_revenue

        return plot_revenue(self.analysis())

    def plot_stages(self) -> Figure:
        """Learned bid functions in each stage of the run, with the equilibrium's."""
        from auctionlab.experiments.learned_plots import plot_stages

        return plot_stages(self.analysis())

    def plot_regret(self) -> Figure:
        """Regret and the gain from a best reply by round, on log axes."""
        from auctionlab.experiments.learned_plots import plot_regret

        return plot_regret(self.analysis())

    def plot_agents(self) -> Figure:
        """Mean bids of the first two agents against each other, as play goes on."""
        from auctionlab.experiments.learned_plots import plot_agents

        return plot_agents(self.analysis())

    def plot_convergence(self) -> Figure:
        """The share of replications whose revenue has converged, by round."""
        from auctionlab.experiments.learned_plots import plot_convergence

        return plot_convergence(self.analysis())

    def report(self, path: str | Path) -> Path:
        """Write the self-contained HTML report."""
        from auctionlab.experiments.report import write_report

        write_report(self.analysis(), Path(path))
        return Path(path)

    def summary(self) -> str:
        """The verdict and the key figures as text."""
        from auctionlab.experiments.report import text_summary

        return text_summary(self.analysis())

    def _store(self) -> Store:
        return Store(self.database, create=False)


def _run(
    config: Config,
    store: Store,
    again: bool,
    observe: Observe | None,
    tell: Callable[[str], None],
    checkpoint_seconds: float,
) -> Result:
    earlier = [info for info in store.runs() if info.fingerprint == config.fingerprint and info.point is None]
    unfinished = next((info for info in earlier if info.status != "finished" and not info.alive), None)
    finished = [info for info in earlier if info.status == "finished"]
    if finished and not unfinished and not again:
        info = next((one for one in reversed(finished) if not playing.kept_words(one.config, config)), finished[-1])
        kept = playing.kept_words(info.config, config)
        tell(
            f"run {info.id} of {info.name!r} is already finished; this is its result{kept} (--again plays it once more)"
        )
        return Result(store.url, info.id)

    def begin() -> int:
        if unfinished is None:
            playing.warn_of_size([config], tell)
            return playing.enter(config, store)
        store.claim(unfinished.id)
        tell(f"run {unfinished.id} of {config.name!r} goes on from round {unfinished.round:,}")
        return unfinished.id

    run_id, done = playing.play(config, store, begin, observe, checkpoint_seconds)
    result = Result(store.url, run_id)
    if not done:
        raise Interrupted(result, config.rounds)
    return result
