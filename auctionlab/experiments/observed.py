"""Bids that somebody observed, with the values they were made at, and the auction they were made in.

They come from a CSV file (one row a bid: value, bid and, optionally, who), from the data that auctionlab comes with, or
from a recorded run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._csv import read_rows, to_number
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError, UnknownName, suggest
from auctionlab.experiments.config import load_config
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.registry import kind_of

SYNTHETIC: Final = "-synthetic"  # ends the name of every data set that people did not make
_LEAST: Final = 10  # bids that are worth fitting
_NAMES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {  # columns looked for where none is named
    "bid": (("bid",), ("message",)),
    "subject": (("subject",), ("replication", "agent_id")),
}


@dataclass(frozen=True)
class Observed:
    """N bids: values (N,) and bids (N,) in money, subjects (N,) as numbers of `names`, in the order of the source.

    lines : of the file, one a bid; empty where there is none.   left_out : rows without a bid.
    alone : True where nobody said who bid, so that every bid is a subject of its own.
    """

    values: Array
    bids: Array
    subjects: Array
    names: tuple[str, ...]
    source: str
    lines: tuple[int, ...] = ()
    left_out: int = 0
    alone: bool = False

    @classmethod
    def of(
        cls, values: Sequence[float], bids: Sequence[float], who: Sequence[str] | None, source: str, **more: Any
    ) -> Observed:
        """who : of each bid, in any words; None where nobody knows.   more : lines, left_out."""
        if len(bids) < _LEAST:
            raise ConfigError(f"{source}: at least {_LEAST} bids are needed for a fit, got {len(bids)}")
        labels = [str(k + 1) for k in range(len(bids))] if who is None else who
        numbers = {name: k for k, name in enumerate(dict.fromkeys(labels))}
        subjects = np.array([numbers[name] for name in labels])
        money = np.asarray(values, float), np.asarray(bids, float)
        return cls(*money, subjects, tuple(numbers), source, alone=who is None, **more)


@dataclass(frozen=True)
class Auction:
    """A first-price auction of n bidders with one prior, without fee or a reserve that bites.

    Raises ConfigError for any other: the models of `auctionlab fit` are of this auction.
    """

    environment: PrivateValues
    mechanism: FirstPrice

    def __post_init__(self) -> None:
        rule, where = self.mechanism, self.environment
        if type(rule) is not FirstPrice:
            raise ConfigError(f"fit: the models are of first-price auctions, got {kind_of(rule)!r}")
        if rule.ties != "drawn":
            raise ConfigError(f"fit: the models let chance decide between equal bids, got ties = {rule.ties!r}")
        if not isinstance(where, PrivateValues) or where.prior is None or where.n < 2 or where.prior.atoms:
            raise ConfigError(
                "fit: needs private values of at least two bidders with one prior for all, without single values that "
                "have weight"
            )
        if rule.entry_fee > 0 or not 0 <= rule.reserve <= max(where.prior.low, 0.0):
            raise ConfigError(
                "fit: needs an auction in which everybody bids: no entry fee, and a reserve from 0 to the lowest value "
                f"{where.prior.low:g}, got entry_fee = {rule.entry_fee:g} and reserve = {rule.reserve:g}"
            )

    @classmethod
    def of(cls, source: str | Path | Mapping[str, Any], sets: Sequence[str] = ()) -> Auction:
        """That of an experiment: a path, a gallery name or a table. Its own attitude to risk plays no role."""
        config = load_config(source, sets, game_only=True)
        environment: Any = config.environment
        mechanism: Any = config.mechanism
        return cls(environment, mechanism)

    @property
    def prior(self) -> Prior:
        """The distribution of everybody's value."""
        prior: Any = self.environment.prior
        return prior

    def check(self, observed: Observed) -> None:
        """ConfigError where a value or a bid cannot be: outside the prior, below the reserve, above every value."""
        low, high = self.prior.low, self.prior.high
        for what, numbers, least in (("value", observed.values, low), ("bid", observed.bids, self.mechanism.reserve)):
            wrong = np.flatnonzero((numbers < least) | (numbers > high))
            if len(wrong):
                first = int(wrong[0])
                place = f"line {observed.lines[first]}" if observed.lines else f"bid {first + 1}"
                raise ConfigError(
                    f"{observed.source}, {place}: the {what} should lie in [{least:g}, {high:g}], where this "
                    f"auction's {what}s do, got {numbers[first]:g}"
                )


def gather(
    bids: str | None,
    recorded: str | None = None,
    database: str | None = None,
    *,
    config: str | None = None,
    sets: Sequence[str] = (),
    bidders: int | None = None,
    low: float | None = None,
    high: float | None = None,
    value: str = "value",
    bid: str = "",
    subject: str = "",
) -> tuple[Observed, Auction]:
    """The bids of a file, a data set or a recorded run, and the auction that they were made in.

    config : an experiment; else `bidders` with values uniform on [low, high]; else that of the data set or of the run.
    """
    own: Any = None
    if bids is None:
        observed, own = of_run(str(recorded), database)
    else:
        observed, own = read(bids, value, bid, subject)
    asked = {"--bidders": bidders, "--low": low, "--high": high}
    given = [name for name, number in asked.items() if number is not None]
    if given and config is not None:
        raise ConfigError(f"{given[0]}: not together with --config, which says it")
    if given or (config is None and own is None):
        if bidders is None or high is None:
            raise ConfigError(
                "say in which auction the bids were made: --bidders 4 --high 10, for values uniform from 0, or --config"
            )
        prior = {"kind": "uniform", "low": 0.0 if low is None else low, "high": high}
        own = {
            "environment": {"kind": "private-values", "bidders": bidders, "prior": prior},
            "mechanism": {"kind": "first-price"},
        }
    return observed, Auction.of(own if config is None else config, sets)


def data_sets() -> dict[str, str]:
    """What auctionlab comes with: the name of each data set, and of its file and gallery experiment without ending."""
    folder = files("auctionlab.experiments") / "data"
    stems = sorted(file.name.removesuffix(".csv") for file in folder.iterdir() if file.name.endswith(".csv"))
    return {stem.removesuffix(SYNTHETIC): stem for stem in stems}


def read(source: str, value: str = "value", bid: str = "", subject: str = "") -> tuple[Observed, str | None]:
    """The bids of a CSV file or a data set, and for a data set the gallery experiment that it comes from.

    value, bid, subject : columns; subject may be several with commas between them. Default for the bid `bid`, else
    `message`; for the subject `subject`, else `replication` with `agent_id` (the columns of `auctionlab export`), else
    nobody. Raises ConfigError, with file, column and line, for whatever is not a number.
    """
    known = data_sets()
    stem = known.get(source.removesuffix(SYNTHETIC))
    if stem is not None and not Path(source).exists():
        with as_file(files("auctionlab.experiments") / "data" / f"{stem}.csv") as path:
            return _read(str(path), path.name, value, bid, subject), stem
    if re.fullmatch(r"[\w-]+", source) and not Path(source).exists():
        raise UnknownName("data set", source, known)
    return _read(source, source, value, bid, subject), None


def _read(file: str, shown: str, value: str, bid: str, subject: str) -> Observed:
    (_, names), *rows = read_rows(file)

    def places(what: str, asked: str) -> list[int]:
        wanted = tuple(part.strip() for part in asked.split(",")) if asked else ()
        for group in [wanted] if wanted else _NAMES[what]:
            if all(name in names for name in group):
                return [names.index(name) for name in group]
        if not wanted and what == "subject":
            return []
        missing = next((name for name in wanted if name not in names), what)
        raise ConfigError(f"file {shown!r}: no column {missing!r} (--{what}). {suggest(missing, names)}")

    (at_value,), (at_bid,), who = places("value", value), places("bid", bid), places("subject", subject)
    values: list[float] = []
    bids: list[float] = []
    labels, lines, left_out = [], [], 0
    for line, row in rows:
        cells = [*row, *[""] * (len(names) - len(row))]
        if not cells[at_bid]:
            left_out += 1
            continue
        for place, numbers in ((at_value, values), (at_bid, bids)):
            numbers.append(to_number(cells[place], f"file {shown!r}, column {names[place]!r}, line {line}"))
        labels.append("/".join(cells[place] for place in who))
        lines.append(line)
    return Observed.of(values, bids, labels if who else None, shown, lines=tuple(lines), left_out=left_out)


def of_run(reference: str, database: str | None = None) -> tuple[Observed, dict[str, Any]]:
    """The recorded bids of a run, a subject for each agent of each replication, and the run's config."""
    from auctionlab.experiments import api

    result = api.load(reference, database)
    run, table = result.run, result.bids(columns=["replication", "agent_id", "value", "message"])
    played = table[table["message"].notna()]
    who = [f"{one}/{other}" for one, other in zip(played["replication"], played["agent_id"], strict=True)]
    shown = f"run {run.id}, {run.name!r}"
    left_out = len(table) - len(played)
    return Observed.of(played["value"].tolist(), played["message"].tolist(), who, shown, left_out=left_out), dict(
        run.config
    )
