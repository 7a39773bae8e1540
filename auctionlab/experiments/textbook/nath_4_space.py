"""The space of mechanisms (Nath, endnotes)."""

from __future__ import annotations

from typing import Any

from auctionlab.checks.audit import audit
from auctionlab.core import Environment, Mechanism
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.public_project import PublicProject
from auctionlab.environments.trade import BilateralTrade
from auctionlab.experiments.textbook.entries import Reproduction, entry
from auctionlab.mechanisms.bilateral import PostedTrade
from auctionlab.mechanisms.expected_externality import ExpectedExternality
from auctionlab.mechanisms.groves import Groves, Pivot
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice

_SEED = "003"
_PROJECT = PublicProject(2, Uniform(low=-1.0, high=1.0))
_TRADE = BilateralTrade(Uniform(), Uniform())
_PROPERTIES = ("dsic", "bic", "efficient", "balanced", "no-deficit", "interim-ir")


@entry(
    "nath-space",
    seed=_SEED,
    section="Space of mechanisms",
    statement="The space of mechanisms: which of DSIC, BIC, efficient, budget balanced and IIR go together.",
)
def space_of_mechanisms() -> Reproduction:
    """Eight mechanisms, one in each region, and what the theorems say of them; the audit finds every cell by search.

    Green–Laffont leaves no row with dsic, efficient and balanced, Myerson–Satterthwaite none in trade with bic,
    efficient, balanced and interim-ir.
    """
    rows = _space()
    cells = [(name, one, two) for name, expected, found in rows for one, two in zip(expected, found, strict=True)]

    def draw(axes: Any) -> None:
        axes.imshow([[1.0 if holds else 0.0 for holds in found] for _, _, found in rows], cmap="Blues", vmax=2, vmin=0)
        axes.set_xticks(range(len(_PROPERTIES)), _PROPERTIES, rotation=45)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        for y, (_, _, found) in enumerate(rows):
            for x, holds in enumerate(found):
                axes.text(x, y, "yes" if holds else "no", ha="center", va="center")

    table = "; ".join(
        f"{name}: {', '.join(p for p, holds in zip(_PROPERTIES, found, strict=True) if holds)}"
        for name, _, found in rows
    )
    return Reproduction(
        theory=float(len(cells)),
        formula="cells of the table, 8 mechanisms by 6 properties, as the theorems have them",
        computed=float(sum(one == two for _, one, two in cells)),
        tolerance=0.0,
        note=f"Found: {table}.",
        figure=draw,
    )


def _space() -> list[tuple[str, tuple[bool, ...], tuple[bool | None, ...]]]:
    """Name, what theorems say, what the audit finds, in the order of _PROPERTIES."""
    uneven = PrivateValues(priors=(Uniform(high=10.0), Uniform(high=6.0)))
    equal = PrivateValues(2, Uniform())
    regions: list[tuple[str, Mechanism, Environment, str]] = [
        ("second-price", SecondPrice(), equal, "111011"),
        ("first-price, as bids", FirstPrice(), equal, "001011"),
        ("optimal, unequal buyers", OptimalAuction(environment=uneven), uneven, "110011"),
        ("pivot, public project", Pivot(environment=_PROJECT), _PROJECT, "111010"),
        ("Groves with h = 0, trade", Groves(environment=_TRADE), _TRADE, "111001"),
        ("dAGVA, trade", ExpectedExternality(environment=_TRADE), _TRADE, "011110"),
        ("dAGVA, public project", ExpectedExternality(environment=_PROJECT), _PROJECT, "011110"),
        ("posted price, trade", PostedTrade(trade_price=0.5), _TRADE, "110111"),
    ]
    return [
        (
            name,
            tuple(mark == "1" for mark in marks),
            tuple(finding.holds for finding in audit(mechanism, environment, _PROPERTIES)),
        )
        for name, mechanism, environment, marks in regions
    ]
