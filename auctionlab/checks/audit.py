"""The audit: every property of a mechanism in an environment, judged by search.

>>> from auctionlab.checks.audit import audit
>>> for finding in audit(SecondPrice(), PrivateValues(2, Uniform())): print(finding.line())     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from auctionlab.checks.evidence import Finding
from auctionlab.checks.incentives import dominant_gain, ex_post_gain, ex_post_participation
from auctionlab.checks.interim import (
    equilibrium_gain,
    ex_ante_participation,
    interim_gain,
    interim_participation,
)
from auctionlab.checks.outcomes import balance, deficit, efficiency, optimality
from auctionlab.core import Environment, Mechanism

PROPERTIES: dict[str, Callable[[Mechanism, Environment], Finding]] = {
    "dsic": dominant_gain,
    "ex-post-ic": ex_post_gain,
    "bic": interim_gain,
    "equilibrium": equilibrium_gain,
    "ex-post-ir": ex_post_participation,
    "interim-ir": interim_participation,
    "efficient": efficiency,
    "revenue-optimal": optimality,
    "no-deficit": deficit,
    "balanced": balance,
}


AUDITED: dict[str, Callable[[Mechanism, Environment], Finding]] = PROPERTIES | {"ex-ante-ir": ex_ante_participation}


def audit(
    mechanism: Mechanism, environment: Environment, properties: Iterable[str] = tuple(AUDITED)
) -> tuple[Finding, ...]:
    """What is found about each of `properties`: the claims of core.CLAIMS, `equilibrium` and `ex-ante-ir`."""
    return tuple(AUDITED[name](mechanism, environment) for name in properties)
