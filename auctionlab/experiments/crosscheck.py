"""What must hold between the parts of a config before the first round; each failure is one sentence."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from auctionlab.agents._table import utility_range
from auctionlab.core import Environment, Mechanism, Seat, Strategy
from auctionlab.errors import AuctionlabError, ConfigError
from auctionlab.registry import kind_of
from auctionlab.rng import stream
from auctionlab.theory.equilibria import bid_functions

LARGEST_POPULATION = 1_000_000
LARGEST_UTILITY = 1e150  # its square is a number too
LARGEST_ROUND = 100_000_000  # bids, over all replications: an array of them takes 0.8 GB


def check_mechanism(environment: Environment, mechanism: Mechanism) -> None:
    """ConfigError where no value could ever earn its bid, the rule asks for more bids than there are seats, it decides
    on what the environment does not allow, or, where it is somebody's own, its outcomes have not the form of outcomes.
    """
    if not type(mechanism).__module__.startswith("auctionlab."):
        from auctionlab.checks.mechanism_contract import check_outcomes

        check_outcomes(mechanism, environment)
    top = highest_value(environment)
    for where, rule in _nested(mechanism, "mechanism"):
        reserve, fee = float(getattr(rule, "reserve", -np.inf)), float(getattr(rule, "entry_fee", 0.0))
        if reserve >= top:
            raise ConfigError(
                f"{where}: reserve: should be below the highest value {top:g}, got {reserve:g}: nobody would ever bid"
            )
        if reserve + fee >= top:
            raise ConfigError(
                f"{where}: entry_fee: reserve + entry_fee should be below the highest value {top:g}, got "
                f"{reserve:g} + {fee:g}: nobody would ever bid"
            )
        k = getattr(rule, "k", None)
        if kind_of(rule) == "kth-price" and isinstance(k, int) and k > environment.n:
            raise ConfigError(f"{where}: k: should be at most {environment.n}, the number of bidders, got {k}")
    _check_outcomes(environment, mechanism)


def _check_outcomes(environment: Environment, mechanism: Mechanism) -> None:
    """ConfigError where the rule is not made for the environment's outcomes, as an auction in bilateral trade.

    Somebody's own rule may share one item in other ways than those listed.
    """
    outcomes, shape = environment.outcomes(), environment.signal.shape
    own = not type(mechanism).__module__.startswith("auctionlab.")
    if not len(outcomes) or (own and type(environment).outcomes is Environment.outcomes):
        return
    try:
        if mechanism.messages(environment).shape != shape:
            return
        decided = mechanism.run(environment.sample(stream(0), 16).signals, stream(1)).allocation
    except ConfigError as error:
        raise ConfigError(f"mechanism: {error}") from None
    except (ValueError, IndexError, TypeError):
        decided = np.full((1, 1), np.nan)
    known = decided.shape[1:] == outcomes.shape[1:]
    if known:
        apart = np.abs(decided[:, None] - outcomes[None]).reshape(len(decided), len(outcomes), -1).max(axis=2)
        known = bool((apart.min(axis=1) < 1e-9).all())
    if not known:
        raise ConfigError(
            f"mechanism: {kind_of(mechanism)} does not decide on the outcomes of {kind_of(environment)}; one that does "
            f"in any environment is 'vickrey-clarke-groves'"
        )


def highest_value(environment: Environment) -> float:
    """The highest value that any seat can have; inf where unbounded or not scalar."""
    highs = [prior.high for prior in environment.priors if prior is not None]
    if len(highs) == environment.n:
        return float(max(highs))
    return float(np.max(environment.signal.high)) if environment.signal.shape == () else np.inf


def _nested(mechanism: Mechanism, where: str) -> Iterator[tuple[str, Mechanism]]:
    """Every mechanism among the parameters, then the mechanism itself, with where each stands in the config."""
    for field in dataclasses.fields(mechanism):
        inner = getattr(mechanism, field.name)
        if isinstance(inner, Mechanism):
            yield from _nested(inner, f"{where}.{field.name}")
    yield where, mechanism


def check_agents(config: Any) -> None:
    """ConfigError where seats are filled twice or left empty, or a strategy cannot play or learn in this experiment."""
    from auctionlab.platform.market import disclosed
    from auctionlab.platform.matching import Block, line_up
    from auctionlab.platform.memory import physical_memory

    environment, mechanism, market = config.environment, config.mechanism, config.market
    if not config.agents:
        raise ConfigError('missing [[agents]]: say who bids, for example strategy = "truthful"')
    population = market.groups * environment.n
    if population > LARGEST_POPULATION:
        raise ConfigError(f"market: groups: at most {LARGEST_POPULATION:,} bidders fit, got {population:,}")
    if config.replications * population > LARGEST_ROUND:
        raise ConfigError(
            f"replications: at most {LARGEST_ROUND // population:,} fit with {population:,} bidders, "
            f"got {config.replications:,}"
        )
    blocks = [
        Block(block.build(), block.seats, block.count, block.role, f"agents.{i}")
        for i, block in enumerate(config.agents)
    ]
    roles = mechanism.roles(environment)
    for i, block in enumerate(config.agents):
        if block.role is not None and block.role not in roles:
            raise ConfigError(f"agents.{i}: role: no role {block.role}, allowed: {_listed(sorted(set(roles)))}")
    teams = line_up(blocks, roles, market.groups)
    _check_counts(config.agents, [number for _, number, _, _ in teams], population)
    needed = 0.0
    for block, number, role, members in teams:
        _check_feedback(block.strategy, number, market.disclose, mechanism, disclosed)
        bids = partial(bid_functions, mechanism, environment)
        seat = Seat(roles.index(role), 1, config.rounds, environment, mechanism, role, market.disclose, bids)
        _check_losses(seat)
        _try_to_sit_down(block.strategy, number, seat)
        each = sum(array.nbytes for array in block.strategy.state().values())  # of the one lane that it has here
        needed += each * len(members) * config.replications
        if needed > physical_memory():
            raise ConfigError(
                f"agents.{number}: {kind_of(block.strategy)}: what {config.replications * population:,} learners "
                f"({config.replications:,} replications × {population:,} bidders) know takes {needed / 1e9:,.1f} GB, "
                f"this computer has {physical_memory() / 1e9:,.1f} GB: choose fewer bids, cells, replications or groups"
            )


def _check_losses(seat: Seat) -> None:
    """ConfigError where the risk-averse could lose more than numbers can say."""
    if seat.environment.risk_neutral or seat.environment.signal.shape:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        worst, _ = utility_range(seat)
    if not abs(worst) <= LARGEST_UTILITY:
        raise ConfigError(
            f"environment: risk: to lose the highest bid {seat.top:g} has the utility {worst:g}, not above "
            f"-{LARGEST_UTILITY:g}, and utilities could not be averaged: choose less risk aversion, or see `solve`"
        )


def _check_counts(blocks: Sequence[Any], seated: Sequence[int], population: int) -> None:
    idle = [number for number in range(len(blocks)) if number not in seated]
    if idle:
        raise ConfigError(f"agents.{idle[0]}: no place is left for this block: all {population} are taken by others")


def _check_feedback(strategy: Strategy, number: int, disclose: str, mechanism: Mechanism, disclosed: Any) -> None:
    missing = sorted(strategy.needs - disclosed(disclose, mechanism))
    if missing:
        enough = [setting for setting in ("own", "price", "all") if strategy.needs <= disclosed(setting, mechanism)]
        raise ConfigError(
            f"agents.{number}: {kind_of(strategy)} learns from {_listed(missing)}, which market.disclose = "
            f"{disclose!r} hides in {kind_of(mechanism)}; allowed: {_listed(enough)}"
        )


def _try_to_sit_down(strategy: Strategy, number: int, seat: Seat) -> None:
    """Let the strategy start with a single lane, so that whatever it refuses is said before anything is recorded."""
    try:
        if inspect.getattr_static(type(strategy), "start") is not inspect.getattr_static(Strategy, "start"):
            strategy.start(seat)
    except AuctionlabError as error:
        told = str(error).removeprefix(f"{kind_of(strategy)}: ")
        raise ConfigError(f"agents.{number}: {kind_of(strategy)}: {told}") from None
    except MemoryError:
        raise ConfigError(f"agents.{number}: {kind_of(strategy)}: its tables do not fit in memory") from None


def _listed(items: Sequence[Any]) -> str:
    return ", ".join(repr(item) for item in items)
