"""What `auctionlab check` finds: every property of a mechanism in an environment, and the space of mechanisms."""

from __future__ import annotations

import os
import re
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from auctionlab.checks.audit import AUDITED
from auctionlab.checks.contracts import check_environment, check_form, check_strategy
from auctionlab.checks.evidence import Case, Finding
from auctionlab.checks.outcomes import one_item
from auctionlab.core import CLAIMS, Environment, Mechanism
from auctionlab.errors import AuctionlabError, ContractError, NoEquilibrium, UnknownName
from auctionlab.experiments.catalogue import entry
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sources import gallery, parse
from auctionlab.experiments.tables import plain_table, toml_value
from auctionlab.registry import build, describe, find, kind_of, kinds

MEANINGS = CLAIMS | {
    "equilibrium": "no type gains by leaving the mechanism's own equilibrium",
    "ex-ante-ir": "a bidder expects no less than the outside option before it knows its type",
}
SPACE = {  # the columns of the table, and the property behind each
    "DSIC": "dsic",
    "BIC": "bic",
    "equilibrium": "equilibrium",
    "efficient": "efficient",
    "balanced": "balanced",
    "IR": "interim-ir",
    "optimal": "revenue-optimal",
}


_REFUSED = "cannot be checked: "  # and why, where the environment would stand
_MANY = 50  # bidders beyond whom one more makes no difference worth its computation


@dataclass(frozen=True)
class Judged:
    """What was found of one property, whether it is claimed, and how long that took."""

    finding: Finding
    claimed: bool | None  # None for what is nobody's claim
    seconds: float


@dataclass(frozen=True)
class Audit:
    """A mechanism in an environment, every property judged; revenue is None where no equilibrium is known."""

    name: str
    mechanism: Mechanism
    environment: Environment
    judged: tuple[Judged, ...]
    revenue: float | None
    standard_error: float
    optimal_revenue: float | None  # the most that any mechanism can expect; None where no bound is known
    one_more: float | None  # what a second-price auction without reserve earns from one more bidder of the same prior
    seconds: float

    @property
    def broken(self) -> list[str]:
        """The claims that were found not to hold."""
        return [judged.finding.property for judged in self.judged if judged.claimed and not judged.finding.holds]

    @property
    def profiles(self) -> int:
        return sum(judged.finding.profiles for judged in self.judged)


def audit(name: str, overrides: Sequence[str] = (), tell: Callable[[str], None] = lambda message: None) -> Audit:
    """The audit of a registered mechanism, in the environment of its first example, or of a config.

    tell : is told what is being checked, before it is.
    Raises ContractError, naming the culprit, where outcomes have not the form that they must have.
    """
    return audit_of(name, *game(name, overrides), tell=tell)


def audit_of(
    name: str,
    mechanism: Mechanism,
    environment: Environment,
    properties: Sequence[str] = tuple(AUDITED),
    tell: Callable[[str], None] = lambda message: None,
) -> Audit:
    """The audit of a mechanism in an environment."""
    start = time.perf_counter()
    check_form(mechanism, environment)
    claims = mechanism.claims(environment)
    judged = []
    for number, property in enumerate(properties, 1):
        tell(f"{property}, {number} of {len(properties)} properties")
        judged.append(_judge(property, mechanism, environment, property in claims if property in CLAIMS else None))
    tell("expected revenue")
    revenue, error = _revenue(mechanism, environment)
    bound, more = _bounds(environment)
    return Audit(name, mechanism, environment, tuple(judged), revenue, error, bound, more, time.perf_counter() - start)


def _judge(property: str, mechanism: Mechanism, environment: Environment, claimed: bool | None) -> Judged:
    start = time.perf_counter()
    try:
        finding = AUDITED[property](mechanism, environment)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ContractError(f"{kind_of(mechanism)}: {property}: {type(error).__name__}: {error}") from error
    return Judged(finding, claimed, time.perf_counter() - start)


def _revenue(mechanism: Mechanism, environment: Environment) -> tuple[float | None, float]:
    from auctionlab.theory.benchmarks import benchmark

    try:
        found = benchmark(mechanism, environment)
    except NoEquilibrium:
        return None, 0.0
    return found.revenue, found.standard_error


def _bounds(environment: Environment) -> tuple[float | None, float | None]:
    """The most that any mechanism earns, and what an auction earns with a bidder more.  Bulow and Klemperer (1996)"""
    from auctionlab.theory.comparisons import bulow_klemperer
    from auctionlab.theory.optimal import optimal_revenue

    if not environment.risk_neutral or not one_item(environment):
        return None, None
    priors = [prior for prior in environment.priors if prior is not None]
    if len(set(environment.roles())) > 1 or environment.n > _MANY:
        return optimal_revenue(priors), None
    found = bulow_klemperer(priors[0], environment.n)
    return found.negotiation, found.auction


def game(name: str, overrides: Sequence[str] = ()) -> tuple[Mechanism, Environment]:
    """The mechanism and environment that a name stands for: a registered mechanism first, then a config."""
    source: Any = name
    if name in kinds("mechanisms"):
        source = _table(name)
    elif name.endswith(".toml") and not os.path.exists(name) and name.removesuffix(".toml") in gallery():
        source = name.removesuffix(".toml")
    elif re.fullmatch(r"[\w-]+", name) and name not in gallery() and not os.path.exists(name):
        raise UnknownName("mechanism or config", name, {*kinds("mechanisms"), *gallery()})
    config = load_config(source, overrides, game_only=True)
    return config.mechanism, config.environment


def _table(kind: str) -> dict[str, Any]:
    """The first example of a registered mechanism as a config, or its defaults between two uniform bidders."""
    for mechanism, environment in find("mechanisms", kind).examples():
        place, rule = describe(environment), describe(mechanism)
        if rule.get("environment") == place:
            del rule["environment"]  # so that a change of the environment changes it too
        return {"name": kind, "environment": place, "mechanism": rule}
    place = {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform", "low": 0.0, "high": 1.0}}
    return {"name": kind, "environment": place, "mechanism": {"kind": kind}}


def contract(name: str) -> str | None:
    """One sentence about a strategy or environment, as `show` has it, that keeps its contract; None for others.

    Raises ContractError where it does not.
    """
    if name in kinds("agents"):
        table = parse(entry("agents", name)["snippet"], name)["agents"][0]["strategy"]
        check_strategy(build("agents", table))
        return f"{name}: keeps the contract of a strategy"
    if name in kinds("environments"):
        check_environment(build("environments", parse(entry("environments", name)["snippet"], name)["environment"]))
        return f"{name}: keeps the contract of an environment"
    return None


def space() -> list[dict[str, Any]]:
    """Where every registered mechanism stands, in the environment of its first example: a row each, by `SPACE`.

    Entries are True, False, or None where the question does not arise (messages that are not types) or cannot be
    judged.  Source: Nath (2024), "Space of mechanisms", filled in by search.
    """
    rows = []
    for kind in sorted(kinds("mechanisms")):
        start = time.perf_counter()
        row: dict[str, Any] = {"mechanism": kind}
        try:
            mechanism, environment = game(kind)
            check_form(mechanism, environment)
            found = {name: _judge(property, mechanism, environment, None) for name, property in SPACE.items()}
        except AuctionlabError as error:
            row |= dict.fromkeys([*SPACE, "profiles"]) | {"environment": f"{_REFUSED}{error}"}
        else:
            row |= {name: judged.finding.holds for name, judged in found.items()}
            row["profiles"] = sum(judged.finding.profiles for judged in found.values())
            row["environment"] = written(environment)
        rows.append(row | {"seconds": time.perf_counter() - start})
    return rows


def space_text(rows: list[dict[str, Any]]) -> str:
    """The space of mechanisms as a table."""
    columns = ["mechanism", *SPACE, "profiles", "seconds", "environment"]
    shown = [row | {"environment": _short(row["environment"]), "seconds": round(row["seconds"], 2)} for row in rows]
    return plain_table(columns, [[row[column] for column in columns] for row in shown])


def as_text(audit: Audit) -> str:
    """The audit for reading: a table, then each property in a line that can be followed."""
    columns = ["property", "claimed", "found", "worst", "allowed", "profiles", "seconds"]
    rows = [_row(judged) for judged in audit.judged]
    lines = "\n".join(
        textwrap.fill(judged.finding.line(), 110, subsequent_indent="    ", break_long_words=False)
        for judged in audit.judged
    )
    return "\n\n".join(
        [
            f"mechanism    {written(audit.mechanism)}\nenvironment  {written(audit.environment)}",
            plain_table(columns, rows),
            lines,
            money(audit),
            f"{len(rows)} properties, {audit.profiles:,} profiles, {audit.seconds:.1f} s. {verdict(audit)}",
        ]
    )


def _row(judged: Judged) -> list[Any]:
    finding, seconds = judged.finding, round(judged.seconds, 3)
    if finding.holds is None:
        return [finding.property, judged.claimed, None, None, None, finding.profiles, seconds]
    found = "holds" if finding.holds else "violated"
    return [
        finding.property,
        judged.claimed,
        found,
        max(finding.worst, 0.0),
        finding.tolerance,
        finding.profiles,
        seconds,
    ]


def verdict(audit: Audit) -> str:
    """Whether every claim holds, and which do not."""
    return f"Claimed, but not so: {', '.join(audit.broken)}." if audit.broken else "Every claim holds."


def money(audit: Audit) -> str:
    """Expected revenue, the most that it could be, and what one more bidder would bring."""
    if audit.revenue is None:
        return "expected revenue: unknown, as no equilibrium is"
    error = f" ± {audit.standard_error:.2g}" if audit.standard_error else ""
    best = f", of at most {audit.optimal_revenue:.6g} (Myerson)" if audit.optimal_revenue is not None else ""
    text = f"expected revenue {audit.revenue:.6g}{error}{best}"
    if audit.one_more is None:
        return text
    return f"{text}\none bidder more, second-price without reserve: {audit.one_more:.6g} (Bulow and Klemperer)"


def written(component: Any) -> str:
    """A component on one line, as a config would have it."""
    table = describe(component)
    return ", ".join(str(value) if key == "kind" else f"{key} = {toml_value(value)}" for key, value in table.items())


def _short(text: str) -> str:
    return text if len(text) <= 60 or text.startswith(_REFUSED) else f"{text[:57]}..."


def as_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain data with stable keys."""
    return {
        "name": audit.name,
        "mechanism": describe(audit.mechanism),
        "environment": describe(audit.environment),
        "claims": sorted(audit.mechanism.claims(audit.environment)),
        "broken": audit.broken,
        "revenue": audit.revenue,
        "standard_error": audit.standard_error,
        "optimal_revenue": audit.optimal_revenue,
        "one_more_bidder": audit.one_more,
        "profiles": audit.profiles,
        "seconds": audit.seconds,
        "properties": [_property(judged) for judged in audit.judged],
    }


def _property(judged: Judged) -> dict[str, Any]:
    finding = judged.finding
    return {
        "property": finding.property,
        "meaning": MEANINGS[finding.property],
        "claimed": judged.claimed,
        "holds": finding.holds,
        "worst": None if finding.holds is None else finding.worst,
        "standard_error": finding.standard_error,
        "tolerance": finding.tolerance,
        "profiles": finding.profiles,
        "seconds": judged.seconds,
        "note": finding.note,
        "solved": finding.solved,
        "line": finding.line(),
        "case": None if finding.where is None else _case(finding.where),
    }


def _case(case: Case) -> dict[str, Any]:
    names = ("seat", "types", "reports", "truth", "allocation", "payments", "utility", "instead")
    told = case.honest or (None, None)
    return {name: getattr(case, name) for name in names} | {"truth_allocation": told[0], "truth_payments": told[1]}
