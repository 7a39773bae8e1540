"""One experiment, from its config to a finished and judged run in a database."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from auctionlab.arrays import Array
from auctionlab.core import Environment
from auctionlab.errors import NoEquilibrium, StoreError
from auctionlab.experiments.config import Config
from auctionlab.platform.ledger import Round
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.platform.store import Store
from auctionlab.registry import describe

if TYPE_CHECKING:
    from auctionlab.experiments.metrics import Metrics
    from auctionlab.theory.benchmarks import Benchmark

Observe = Callable[[Market, "Benchmark | None"], Callable[[Round], None]]
_LARGE = 1e9  # bytes


def enter(config: Config, store: Store, point: dict[str, Any] | None = None) -> int:
    """Enter a new run of this experiment, a point of a sweep or not, and return its id."""
    return store.begin_run(
        name=config.name,
        config=config.document,
        fingerprint=config.fingerprint,
        seed=config.seed,
        rounds=config.rounds,
        replications=config.replications,
        groups=config.market.groups,
        seats=config.environment.n,
        versions=_versions(),
        point=point,
        single_item=type(config.environment).best_welfare is Environment.best_welfare,
    )


def kept_words(recorded: Mapping[str, Any], config: Config) -> str:
    """Which words a run found again keeps from the config it was played with; "" where this one has the same."""
    differ = [key for key in ("name", "description", "paper") if recorded.get(key) != config.document.get(key)]
    listed = " and ".join([", ".join(differ[:-1]), differ[-1]] if differ[1:] else differ)
    return f", with the {listed} that it was played with" if differ else ""


def play(
    config: Config,
    store: Store,
    begin: Callable[[], int],
    observe: Observe | None = None,
    checkpoint_seconds: float = 10.0,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[int, bool]:
    """Play and judge a run: its id, and whether it reached its end (False after a request to stop).

    begin : gives the id of the run, entered or claimed; called when the market stands, so that an experiment that
    cannot be played leaves no run.
    """
    from auctionlab.platform.recorder import Recorder
    from auctionlab.platform.runner import play_run

    market = make_market(config)
    try:
        benchmark, metrics = _metrics(config, market)
        run_id = begin()
        recorder = Recorder(
            store,
            run_id,
            policy=config.record.bids,
            rounds=config.rounds,
            agent_ids=store.add_agents(run_id, _agents(market)),
            replications=config.replications,
            groups=config.market.groups,
            seats=config.environment.n,
        )
        observers = () if observe is None else (observe(market, benchmark),)
        try:
            done = play_run(
                market, store, run_id, recorder, {"metrics": metrics}, observers, checkpoint_seconds, stopping
            )
            if done:
                _judge(store, run_id, metrics, market.stopped)
        except BaseException:
            with suppress(StoreError):  # the error on its way says more
                store.set_status(run_id, "interrupted")
            raise
    finally:
        market.close()
    return run_id, done


def make_market(config: Config) -> Market:
    """The market that a config describes, before its first round."""
    return Market(
        config.environment,
        config.mechanism,
        make_blocks(config),
        rounds=config.rounds,
        seed=config.seed,
        replications=config.replications,
        groups=config.market.groups,
        matching=config.market.matching,
        disclose=config.market.disclose,
    )


def make_blocks(config: Config) -> list[Block]:
    """The config's [[agents]] blocks with fresh strategies."""
    return [Block(block.build(), block.seats, block.count, block.role, block.name) for block in config.agents]


def warn_of_size(configs: Iterable[Config], tell: Callable[[str], None]) -> None:
    """Say how much these experiments will write, where it is much."""
    size = sum(_bytes(config) for config in configs)
    if size > _LARGE:
        tell(
            f"this run will write about {size / 1e9:.1f} GB of bids; "
            "record.bids = 'every:100', 'last:1000' or 'none' writes fewer"
        )


def _bytes(config: Config) -> float:
    from auctionlab.platform.recorder import estimate_bytes

    return estimate_bytes(
        config.record.bids,
        rounds=config.rounds,
        replications=config.replications,
        groups=config.market.groups,
        seats=config.environment.n,
        utility=not config.environment.risk_neutral,
    )


def _metrics(config: Config, market: Market) -> tuple[Benchmark | None, Metrics]:
    """The benchmark, where there is one, and the metrics that compare play with it."""
    from auctionlab.experiments.metrics import Metrics
    from auctionlab.experiments.parties import parties
    from auctionlab.theory.benchmarks import benchmark

    try:
        theory = benchmark(config.mechanism, config.environment)
    except NoEquilibrium:
        theory = None
    metrics = Metrics(
        config.environment,
        config.mechanism,
        parties(config.environment, config.mechanism, make_blocks(config), config.market.groups),
        rounds=config.rounds,
        replications=config.replications,
        groups=config.market.groups,
        matching=config.market.matching,
        disclose=config.market.disclose,
        window=config.analysis.window,
        bids=None if theory is None else theory.bids,
    )
    return theory, metrics


def _agents(market: Market) -> list[dict[str, Any]]:
    """The population as rows of the table `agent`."""
    return [
        {"role": team.role, "member": int(member), "strategy": team.name, "parameters": describe(team.strategy)}
        for team in market.teams
        for member in team.members
    ]


def _judge(store: Store, run_id: int, metrics: Metrics, stopped: Array) -> None:
    """Write metrics and verdicts of a run that was played to its end, and close it."""
    from auctionlab.experiments.analysis import analyse

    rows = metrics.rows(stopped)
    store.write_results(run_id, rows, analyse(store, run_id, rows).verdicts())
    store.set_status(run_id, "finished")


def _versions() -> dict[str, str]:
    packages = ("auctionlab", "numpy", "scipy", "mesa", "sqlalchemy")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
