"""Every registered strategy with default parameters keeps its contract, also with another rule and more rivals."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

import pytest

from auctionlab.checks.contracts import check_strategy
from auctionlab.environments.priors import Exponential
from auctionlab.environments.private import PrivateValues
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.registry import kinds


def _has_defaults(cls: type) -> bool:
    missing = dataclasses.MISSING
    fields = [field for field in dataclasses.fields(cls) if field.init]
    return all(field.default is not missing or field.default_factory is not missing for field in fields)


def _marks(cls: type) -> list[pytest.MarkDecorator]:
    lacking = cls.__module__.endswith(".neural") and find_spec("torch") is None
    return [pytest.mark.skip(reason="torch is not installed")] if lacking else []


STRATEGIES = [
    pytest.param(cls(), id=kind, marks=_marks(cls)) for kind, cls in kinds("agents").items() if _has_defaults(cls)
]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategy_keeps_its_contract(strategy):
    check_strategy(strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategy_keeps_its_contract_under_a_fee_among_three(strategy):
    environment = PrivateValues(bidders=3, prior=Exponential(mean=2.0))
    check_strategy(strategy, environment, SecondPrice(reserve=0.2, entry_fee=0.1))
