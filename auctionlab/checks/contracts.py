"""Contracts for authors: each check raises ContractError naming the culprit, and is silent where all is well.

>>> from auctionlab.checks.contracts import check_mechanism, check_strategy
>>> check_mechanism(MyAuction(), PrivateValues(2, Uniform()))     # doctest: +SKIP
>>> check_strategy(MyLearner())                                    # doctest: +SKIP
"""

from __future__ import annotations

from auctionlab.checks.environment_contract import check_environment
from auctionlab.checks.mechanism_contract import check_claims, check_form, check_mechanism
from auctionlab.checks.strategy_contract import check_strategy

__all__ = ["check_claims", "check_environment", "check_form", "check_mechanism", "check_strategy"]
