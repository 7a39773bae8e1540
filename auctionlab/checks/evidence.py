"""What a check found: whether a property holds, how far it is violated at worst, and the auction where that happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auctionlab.arrays import Array

_SOUGHT = {  # what a search looks for; gains from leaving the truth or the equilibrium elsewhere
    "ex-post-ir": "shortfall from the outside option",
    "interim-ir": "shortfall from the outside option",
    "ex-ante-ir": "shortfall from the outside option",
    "efficient": "loss of welfare",
    "revenue-optimal": "distance from the bound",
    "no-deficit": "deficit",
    "balanced": "imbalance",
}


@dataclass(frozen=True)
class Case:
    """One auction, worked out: what a seat sends, what it ends with, and what it is compared with.

    types, reports, allocation, payments : one entry a seat, expected over ties. Where rivals are averaged over, their
    types and reports are NaN and the outcome is None.
    """

    seat: int
    types: Array  # (n, *S)
    reports: Array  # (n, *M)
    utility: float  # of `seat` here (for whole-auction properties: welfare or the sum of payments)
    instead: float  # what it is compared with: from telling the truth, from staying out, the best welfare, the cost
    truth: Array | None = None  # (*M,) what the seat would have sent otherwise
    allocation: Array | None = None  # (n, *A)
    payments: Array | None = None  # (n,)
    honest: tuple[Array, Array] | None = None  # allocation and payments from `truth`, where one report is in question


@dataclass(frozen=True)
class Finding:
    """The verdict of a search: `holds` is None where the property cannot be judged, and `note` says why.

    worst : the largest violation found, in money or utility; up to `tolerance` counts as none. standard_error is that
    of `worst` where rivals were sampled. profiles : auctions evaluated. solved : how good the equilibrium is that was
    played, where it was solved for numerically.
    """

    property: str
    holds: bool | None
    worst: float = 0.0
    where: Case | None = None
    profiles: int = 0
    note: str = ""
    tolerance: float = 0.0
    standard_error: float = 0.0
    solved: str = ""

    def line(self) -> str:
        """One line that a student can follow."""
        return f"{self._found()}; in a numerical equilibrium, where {self.solved}" if self.solved else self._found()

    def _found(self) -> str:
        if self.holds is None:
            return f"{self.property}: cannot be judged, {self.note}"
        if self.holds:
            found = _SOUGHT.get(self.property, "gain")
            return f"{self.property}: no {found} above {self.tolerance:.2g} found over {self.profiles:,} profiles"
        error = f" ± {self.standard_error:.2g}" if self.standard_error else ""
        example = "" if self.where is None else worked(self.property, self.where)
        such = "" if not example else "; " if example.startswith("on average") else "; for example "
        return f"{self.property}: violated by {self.worst:.6g}{error}{such}{example}"


def worst(findings: Iterable[Finding]) -> Finding:
    """The finding that violates most, with the profiles of all."""
    findings = list(findings)
    top = max(findings, key=lambda finding: (not finding.holds, finding.worst))
    return replace(top, profiles=sum(finding.profiles for finding in findings))


def worked(property: str, case: Case) -> str:
    """The auction in words: types, reports, outcome, utilities."""
    rivals = [j for j in range(len(case.types)) if j != case.seat]
    known = case.payments is not None
    outcome = f": allocation {show(case.allocation)}, payments {show(case.payments)}" if known else ""
    if property in ("efficient", "no-deficit", "balanced", "revenue-optimal"):
        what = {"efficient": "welfare", "revenue-optimal": "revenue"}.get(property, "payments of")
        against = {"efficient": "best", "revenue-optimal": "bound"}.get(property, "cost")
        types = "" if property in ("no-deficit", "balanced") else f"types {show(case.types)} send "
        play = f"{types or 'messages '}{show(case.reports)}" if known else "on average"
        return f"{play}{outcome}, {what} {case.utility:.6g} against {against} {case.instead:.6g}"
    if property == "ex-ante-ir":
        return f"seat {case.seat} expects {case.utility:.6g} before it knows its type, outside {case.instead:.6g}"
    own = f"seat {case.seat} of type {show(case.types[case.seat])} sends {show(case.reports[case.seat])}"
    truth = f" instead of {show(case.truth)}" if case.truth is not None else ""
    against = f" against {show(case.reports[rivals])}" if known and rivals else " against the others on average"
    against = against if rivals else ""
    compared = "outside" if property in ("ex-post-ir", "interim-ir") else "instead of"
    told = ""
    if case.honest is not None:
        told = " (the truth: allocation {}, payments {})".format(*(show(part) for part in case.honest))
    return f"{own}{truth}{against}{outcome}, utility {case.utility:.6g} {compared} {case.instead:.6g}{told}"


def show(numbers: Any) -> str:
    """Numbers to six digits; a message of -inf is "no part"."""
    array = np.asarray(numbers)
    if array.ndim == 0:
        return "no part" if array == -np.inf else f"{float(array) + 0.0:.6g}"
    return "(" + ", ".join(show(entry) for entry in array) + ")"
