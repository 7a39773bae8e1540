"""Every registered mechanism keeps its contract and each of its claims on its examples."""

from __future__ import annotations

import pytest

from auctionlab.checks.audit import PROPERTIES
from auctionlab.checks.contracts import check_environment, check_mechanism
from auctionlab.core import CLAIMS
from auctionlab.registry import kinds

EXAMPLES = [
    pytest.param(mechanism, environment, id=f"{kind}-{number}")
    for kind, cls in kinds("mechanisms").items()
    for number, (mechanism, environment) in enumerate(cls.examples())
]


@pytest.mark.parametrize(("mechanism", "environment"), EXAMPLES)
def test_mechanism_keeps_its_contract_and_claims(mechanism, environment):
    findings = check_mechanism(mechanism, environment)
    assert {finding.property for finding in findings} == mechanism.claims(environment) | {"equilibrium"}


@pytest.mark.parametrize(("mechanism", "environment"), EXAMPLES)
def test_environment_keeps_its_contract(mechanism, environment):
    check_environment(environment)


@pytest.mark.parametrize("kind", kinds("mechanisms"))
def test_every_mechanism_shows_examples(kind):
    assert list(kinds("mechanisms")[kind].examples())


def test_every_claim_can_be_audited():
    assert set(PROPERTIES) == set(CLAIMS) | {"equilibrium"}
