"""An equilibrium as tables, JSON and a picture: what `auctionlab solve` prints."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Environment, Mechanism
from auctionlab.errors import ConfigError, NoEquilibrium

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from auctionlab.theory.benchmarks import Benchmark
    from auctionlab.theory.certificate import Certificate
    from auctionlab.theory.equilibria import Equilibrium

QUANTILES = 101
_TAIL = 0.001  # an unbounded support is shown between these quantiles
_ROUNDING = 1e-12
_SOARING = 3.0  # times what all but the highest values bid


def solution(
    mechanism: Mechanism, environment: Environment, benchmark: Benchmark, at: Sequence[float] | None = None
) -> dict[str, Any]:
    """The equilibrium as plain data with stable keys.

    at : signals at which to give bids; default 101 quantiles of each seat's prior.
    bids : one entry a seat: signals, and the bid at each, None where the seat takes no part; unbounded: whether bids
        grow beyond all bounds towards the highest signal. Empty where signals are not numbers.
    certificate : of a numerical solution, and of a formula where one can be computed; else None.
    """
    certificate = benchmark.certificate or _certificate(mechanism, environment, benchmark)
    return {
        "revenue": benchmark.revenue,
        "standard_error": benchmark.standard_error,
        "surplus": list(benchmark.surplus),
        "utility": list(benchmark.utility),
        "efficiency": benchmark.efficiency,
        "sale_probability": benchmark.sale_probability,
        "welfare": benchmark.welfare,
        "best_welfare": benchmark.best_welfare,
        "method": benchmark.method,
        "certificate": _plain(certificate),
        "bids": _bids(environment, benchmark, at),
    }


def others(
    mechanism: Mechanism, environment: Environment, starts: int, at: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """Further equilibria found from `starts` starts, each as its `certificate` and `bids`, as in `solution`."""
    from auctionlab.theory.several import several

    found = several(mechanism, environment, starts)[1:]
    return [{"certificate": _plain(one.certificate), "bids": _bids(environment, one, at)} for one in found]


def _plain(certificate: Certificate | None) -> dict[str, Any] | None:
    return None if certificate is None else certificate.to_json() | {"text": str(certificate)}


def _certificate(mechanism: Mechanism, environment: Environment, benchmark: Benchmark) -> Certificate | None:
    """The certificate of a formula, for sealed auctions with scalar bids and independent private values."""
    from auctionlab.theory.certificate import certify

    try:
        return certify(mechanism, environment, benchmark.bids)
    except NoEquilibrium:
        return None


def _bids(
    environment: Environment, benchmark: Benchmark | Equilibrium, at: Sequence[float] | None
) -> list[dict[str, Any]]:
    if environment.signal.shape != ():
        return []
    tables = []
    for seat, bid in enumerate(benchmark.bids):
        signals = quantiles(environment, seat) if at is None else _inside(environment, seat, at)
        messages = np.asarray(bid(signals), float) if signals.size else signals
        legal = [float(message) if np.isfinite(message) else None for message in messages]
        tables.append({"seat": seat, "signals": signals.tolist(), "bids": legal, "unbounded": _soars(bid)})
    if at is not None:
        shown = {signal for table in tables for signal in table["signals"]}
        outside = [signal for signal in at if float(signal) not in shown]
        if outside:
            raise ConfigError(f"--at: no bidder can have the signal {outside[0]:g}; {_supports(environment)}")
    return tables


def _soars(bid: BidFunction) -> bool:
    return bool(getattr(bid, "unbounded", False))


def _roles(environment: Environment, solved: dict[str, Any]) -> tuple[int, ...]:
    """The roles of seats, or each its own where seats of one role bid differently."""
    roles, tables = environment.roles(), solved["bids"]
    alike = all(table["bids"] == tables[roles.index(roles[table["seat"]])]["bids"] for table in tables)
    return roles if alike else tuple(range(environment.n))


def quantiles(environment: Environment, seat: int, count: int = QUANTILES) -> Array:
    """`count` quantiles of a seat's signal, both ends included; an unbounded end is cut at one in a thousand."""
    prior = environment.priors[seat]
    steps = np.linspace(0.0, 1.0, count)
    if prior is None:
        low, high = _support(environment, seat)
        return low + steps * (high - low)
    steps[0] = 0.0 if np.isfinite(prior.low) else _TAIL
    steps[-1] = 1.0 if np.isfinite(prior.high) else 1.0 - _TAIL
    return np.asarray(prior.quantile(steps), float)


def _support(environment: Environment, seat: int) -> tuple[float, float]:
    prior = environment.priors[seat]
    if prior is not None:
        return prior.low, prior.high
    box = environment.signal
    low, high = (np.broadcast_to(np.asarray(end, float), (environment.n,))[seat] for end in (box.low, box.high))
    return float(low), float(high)


def _inside(environment: Environment, seat: int, at: Sequence[float]) -> Array:
    low, high = _support(environment, seat)
    return np.array([signal for signal in at if low <= signal <= high], float)


def _supports(environment: Environment) -> str:
    spans = dict.fromkeys(_support(environment, seat) for seat in range(environment.n))
    return "signals lie in " + " or ".join(f"[{low:g}, {high:g}]" for low, high in spans)


def bid_rows(
    environment: Environment, solved: dict[str, Any], count: int = 11, by_seat: bool = False
) -> tuple[list[str], list[list[Any]]]:
    """A short bid table for reading: columns and about `count` rows; seats of one role share a column, or none do.

    What is below rounding beside the highest bid is shown as 0, a bid without bound as ∞.
    """
    roles = tuple(range(environment.n)) if by_seat else _roles(environment, solved)
    tables = {roles[table["seat"]]: table for table in reversed(solved["bids"])}
    least = _ROUNDING * max(
        (abs(bid) for table in solved["bids"] for bid in table["bids"] if bid is not None), default=0
    )
    columns, rows = [], []
    for role, table in sorted(tables.items()):
        seats = [str(seat) for seat, own in enumerate(roles) if own == role]
        name = "bid" if len(tables) == 1 else f"bid of seat {', '.join(seats)}"
        columns += ["value", name] if len(tables) == 1 else [f"value of {', '.join(seats)}", name]
        step = max(1, (len(table["signals"]) - 1) // (count - 1)) if len(table["signals"]) > 2 * count else 1
        bids = [0.0 if bid is not None and abs(bid) < least else bid for bid in table["bids"][::step]]
        if table["unbounded"]:
            top = _support(environment, table["seat"])[1]
            bids = ["∞" if signal == top else bid for signal, bid in zip(table["signals"][::step], bids, strict=True)]
        rows.append(list(zip(table["signals"][::step], bids, strict=True)))
    height = max((len(column) for column in rows), default=0)
    padded = [column + [("", "")] * (height - len(column)) for column in rows]
    return columns, [[value for pair in line for value in pair] for line in zip(*padded, strict=True)]


def summary_rows(solved: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """The equilibrium's numbers for reading: columns and rows."""
    surplus = list(dict.fromkeys(solved["surplus"]))
    bidders = "surplus of each bidder" if len(surplus) == 1 else "surplus of seat {}"
    rows = [
        ["revenue", solved["revenue"]],
        *(
            [bidders.format(seat), money]
            for seat, money in enumerate(surplus if len(surplus) == 1 else solved["surplus"])
        ),
        ["efficiency", solved["efficiency"]],
        ["probability of sale", solved["sale_probability"]],
    ]
    if solved["standard_error"]:
        rows.append(["standard error of revenue", solved["standard_error"]])
    return ["in equilibrium", "expected"], rows


def write_csv(path: Path, solved: dict[str, Any]) -> None:
    """The bid tables of all seats: seat, signal, bid (empty where it takes no part)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seat", "signal", "bid"])
        for table in solved["bids"]:
            for signal, bid in zip(table["signals"], table["bids"], strict=True):
                writer.writerow([table["seat"], repr(signal), "" if bid is None else repr(bid)])


def draw(environment: Environment, solved: dict[str, Any]) -> Figure:
    """Equilibrium bids against values, one line a role, with bidding one's value as a dotted line.

    Where several equilibria were found, one panel each; in the further ones every seat has a line.
    """
    from auctionlab.experiments.drawing import HEIGHT, chart

    more = solved.get("others", ())
    columns = min(2, 1 + len(more))
    rows = -(-(1 + len(more)) // columns)
    height = HEIGHT * (1 if columns == 1 else 0.75 * rows)
    with chart(rows, columns, height, squeeze=False, sharex=True, sharey=True) as (figure, grid):
        _draw_bids(grid.flat[0], solved["bids"], _roles(environment, solved))
        for axes, other in zip(grid.flat[1:], more, strict=False):
            _draw_bids(axes, other["bids"], tuple(range(environment.n)))
        for number, axes in enumerate(grid.flat, start=1):
            axes.set_visible(number <= 1 + len(more))
            if more:
                axes.set_title(f"equilibrium {number}")
        ceiling = _ceiling([table for found in (solved, *more) for table in found["bids"]])
        if ceiling is not None:
            grid.flat[0].set_ylim(-0.05 * ceiling, ceiling)
        for axes in grid[-1]:
            axes.set_xlabel("value")
        for axes in grid[:, 0]:
            axes.set_ylabel("equilibrium bid")
    return figure


def _ceiling(tables: list[dict[str, Any]]) -> float | None:
    """Where to cut off bids from 0 that soar next to the highest values, as in wars of attrition; None elsewhere."""
    bids = [np.array([bid for bid in table["bids"] if bid is not None]) for table in tables]
    most = max((own.max() for own in bids if len(own)), default=0.0)
    usual = max((own[: -max(1, len(own) // 20)].max(initial=0.0) for own in bids), default=0.0)
    least = min((own.min() for own in bids if len(own)), default=0.0)
    return 1.1 * usual if most > _SOARING * usual > 0 <= least else None


def _draw_bids(axes: Any, tables: list[dict[str, Any]], roles: Sequence[int]) -> None:
    from auctionlab.experiments.drawing import DASHES, INK, colour

    signals: list[float] = []
    for index, role in enumerate(sorted(set(roles))):
        table = tables[roles.index(role)]
        bids = [np.nan if bid is None else bid for bid in table["bids"]]
        seats = ", ".join(str(seat) for seat, own in enumerate(roles) if own == role)
        line = DASHES[index % len(DASHES)]
        axes.plot(table["signals"], bids, color=colour(index), linestyle=line, label=f"seat {seats}")
        signals += table["signals"]
    ends = [min(signals), max(signals)]
    axes.plot(ends, ends, color=INK, linestyle=":", linewidth=1, label="bid = value")
    axes.legend(frameon=False)
