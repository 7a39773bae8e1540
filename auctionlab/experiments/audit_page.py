"""An audit as a page to teach from: the verdicts, and figures of what types expect, of demand, and of who gets what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from auctionlab.checks.outcomes import one_item
from auctionlab.core import Environment, Mechanism
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.experiments.audit import Audit, money, verdict, written
from auctionlab.experiments.drawing import COLOURS, DASHES, INK, chart
from auctionlab.experiments.page import write_page
from auctionlab.experiments.pictures import Picture
from auctionlab.experiments.tables import toml_value
from auctionlab.registry import describe

_ROLES: Final = 3  # roles of which a figure is drawn
_GRID: Final = 121  # types of the first seat in the figure of outcomes, one more than of the second
_INKS: Final = ("#d5d9de", "#9ecae1", "#fdae6b", "#a1d99b", "#cab2d6", "#fb9a99")


def write_audit(path: str | Path, audit: Audit) -> Path:
    """Write the page of an audit; nothing is loaded from elsewhere."""
    return write_page(
        path,
        "audit.html",
        figures_of(audit.mechanism, audit.environment),
        audit=audit,
        mechanism=written(audit.mechanism),
        environment=written(audit.environment),
        verdict=verdict(audit),
        money=money(audit).splitlines(),
    )


def figures_of(mechanism: Mechanism, environment: Environment) -> list[Picture]:
    """The figures that there are numbers for: interim functions by role, demand by prior, outcomes of two seats."""
    return [*_interim(mechanism, environment), *_markets(environment), *_outcomes(mechanism, environment)]


def _interim(mechanism: Mechanism, environment: Environment) -> Iterator[Picture]:
    """q, m and U of one seat of each role in the mechanism's equilibrium.  Krishna (2010), section 5.1, figure 5.2"""
    from auctionlab.theory.implications import implications
    from auctionlab.theory.interim import interim

    roles = mechanism.roles(environment)
    for role in sorted(set(roles))[:_ROLES]:
        seat = roles.index(role)
        try:
            found, facts = interim(mechanism, environment, seat), ""
        except (ConfigError, NoEquilibrium):
            return
        try:
            implied = implications(mechanism, environment, seat)
        except (ConfigError, NoEquilibrium):
            pass  # the curves are drawn without what incentive compatibility says of them
        else:
            found = implied.interim
            facts = (
                f" Incentive compatibility makes U convex with slope q: here q falls by at most {implied.falls:.1g}, U "
                f"lies at most {implied.below_line:.1g} below a line that should support it and differs from U(lowest) "
                f"+ ∫ q by at most {implied.slope:.1g}, and m from q x − ∫ q − U(lowest) by at most "
                f"{implied.payment:.1g}; up to {implied.tolerance:.1g} is rounding."
            )
        numbers = {"q": found.allocation, "m": found.payment, "U": found.utility}
        with chart(2, 1, height=4.4, sharex=True) as (figure, (above, below)):
            above.plot(found.reports, found.allocation, color=COLOURS[0])
            above.set_ylabel("q, allocation")
            for k, (name, row) in enumerate((("m, payment", found.payment), ("U, utility", found.utility)), start=1):
                below.plot(found.reports, row, color=COLOURS[k], linestyle=DASHES[k], label=name)
            below.set(xlabel=f"type of seat {seat}", ylabel="money")
            below.legend(frameon=False)
        yield Picture(
            f"interim-{seat}",
            f"What seat {seat} expects from each type",
            f"Expected allocation, payment and utility of seat {seat}, from type {found.reports[0]:.4g} to "
            f"{found.reports[-1]:.4g}; utility goes from {found.utility[0]:.4g} to {found.utility[-1]:.4g}.",
            f"On average over the others, in equilibrium ({found.method}).{facts}",
            figure,
            pd.DataFrame({"type": found.reports, **numbers}),
        )


def _markets(environment: Environment) -> Iterator[Picture]:
    """Demand, revenue and marginal revenue of each prior with a density.  Krishna (2010), figure 5.5"""
    from auctionlab.theory.marginal_revenue import market
    from auctionlab.theory.virtual import is_mhr, is_regular

    if not one_item(environment):
        return
    roles = environment.roles()
    priors: dict[Any, int] = {}
    for role in sorted(set(roles))[:_ROLES]:
        priors.setdefault(environment.priors[roles.index(role)], roles.index(role))
    for prior, seat in priors.items():
        if prior is None or prior.atoms:
            continue
        found, name = market(prior), toml_value(describe(prior))
        regular = is_regular(prior)
        with chart() as (figure, axes):
            lines = [("demand p(q)", found.prices), ("revenue q p(q)", found.revenue), ("ψ(p(q))", found.marginal)]
            lines += [] if regular else [("ironed ψ", found.ironed), ("concave hull", found.hull)]
            for k, (label, row) in enumerate(lines):
                axes.plot(found.quantities, row, color=COLOURS[k], linestyle=DASHES[k], label=label)
            at, price = found.monopoly_quantity, found.monopoly_price
            axes.plot([0, at, at], [price, price, 0], color=INK, linestyle=":", linewidth=1)
            axes.axhline(0, color=INK, linewidth=0.7)
            top, least = float(np.quantile(np.abs(found.prices), 0.98)), float(found.prices.min())
            axes.set(xlabel="quantity: probability of sale", ylabel="money", ylim=(min(-top / 2, least), 1.1 * top))
            axes.legend(frameon=False)
        shape = "is irregular: ψ falls somewhere and is ironed"
        if regular:
            shape = f"is regular, {'as its hazard rate never' if is_mhr(prior) else 'though its hazard rate'} falls"
        yield Picture(
            f"market-{seat}",
            f"A buyer as a market: {name}",
            f"Demand, revenue and marginal revenue of one buyer; the monopoly price is {price:.4g}, which sells with "
            f"probability {at:.4g}.",
            f"The virtual value ψ is marginal revenue, the slope of revenue. This prior {shape}. Dotted: the monopoly "
            f"price {price:.6g}, where marginal revenue passes 0, which is the optimal reserve.",
            figure,
            pd.DataFrame({"quantity": found.quantities, "price": found.prices, "revenue": found.revenue,
                          "marginal": found.marginal, "ironed": found.ironed}),
        )  # fmt: skip


def _outcomes(mechanism: Mechanism, environment: Environment) -> Iterator[Picture]:
    """Which outcome two seats' types lead to, and where another would have been better.  Nath (2024), example 3"""
    known = environment.outcomes()
    if environment.n != 2 or environment.signal.shape != () or not 1 < len(known) <= len(_INKS):
        return
    try:
        bids = mechanism.equilibrium(environment)
    except NoEquilibrium:
        return
    axis = [np.asarray(prior.quantile(np.array([0.0, 0.999]))) for prior in environment.priors if prior is not None]
    if len(axis) < 2:
        return
    steps = [(np.arange(size) + 0.5) / size for size in (_GRID, _GRID - 1)]  # an odd and an even number: no ties
    first, second = (low + step * (high - low) for step, (low, high) in zip(steps, axis, strict=True))
    types = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    allocation = mechanism.run(
        np.stack([np.asarray(bid(types[:, j])) for j, bid in enumerate(bids)], axis=1)
    ).allocation
    gap = np.abs(allocation[:, None] - known[None]).reshape(len(types), len(known), -1).max(axis=2)
    chosen = gap.argmin(axis=1)
    values = environment.values(types)
    lost = (
        environment.best_welfare(values)
        - environment.value(allocation, values).sum(axis=1)
        + environment.cost(allocation)
    )
    wrong = lost > 1e-6 * max(1e-300, float(np.abs(values).max()))
    shape = (_GRID - 1, _GRID)
    with chart() as (figure, axes):
        levels = np.arange(len(known) + 1) - 0.5
        axes.contourf(first, second, chosen.reshape(shape), levels=levels, colors=_INKS[: len(known)])
        if wrong.any():
            axes.contourf(first, second, wrong.reshape(shape) * 1.0, levels=[0.5, 1.5], colors="none", hatches=["///"])
        for k in np.unique(chosen):
            middle = np.median(types[chosen == k], axis=0)
            axes.text(*middle, toml_value(known[k].tolist()), ha="center", va="center", fontsize=9)
        axes.set(xlabel="type of seat 0", ylabel="type of seat 1")
    shares = ", ".join(
        f"{toml_value(known[k].tolist())} in {float((chosen == k).mean()):.1%}" for k in np.unique(chosen)
    )
    yield Picture(
        "outcomes",
        "Which outcome, at which types",
        f"Outcomes over a grid of both types: {shares} of it; {float(wrong.mean()):.1%} of it is inefficient.",
        "The allocation in equilibrium at each pair of types. Hatched: another outcome would have been worth more.",
        figure,
        pd.DataFrame({"first": types[:, 0], "second": types[:, 1], "outcome": chosen, "lost": lost}),
    )
