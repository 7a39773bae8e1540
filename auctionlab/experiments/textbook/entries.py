"""What an entry of the textbook is, and how its verdict follows from its numbers.

An entry is a function without arguments that computes the thing that a statement is about:

    @entry("krishna-prop-5.2", seed="001", section="5.1.2", statement="Two mechanisms with one allocation rule ...")
    def revenue_equivalence() -> Reproduction:
        return Reproduction(theory=1 / 3, formula="(n − 1) / (n + 1) at n = 2", computed=..., simulated=...)

The module's docstring is the topic's title. Entries are found by importing every module of this folder.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from auctionlab.errors import ContractError, UnknownName

SEEDS: Final = {
    "000": "Makarin, From Auctions to Mechanism Design (slides, 2020)",
    "001": "Krishna, Auction Theory, chapter 5",
    "002": "Okumura, Notes on Mechanism Design (2018)",
    "003": "Nath, CS 6001 week 12 (slides)",
}


@dataclass(frozen=True)
class Reproduction:
    """The numbers of one statement.

    theory : what the statement says, from `formula`; computed : the same by another route (within `tolerance`, which
    states the error of that route); simulated : by play, with its standard error, or None where nothing can be played.
    correction : what is right where the seed has a slip. figure : draws it on a matplotlib Axes, or None.
    """

    theory: float
    formula: str
    computed: float
    tolerance: float = 1e-6
    simulated: float | None = None
    standard_error: float | None = None
    note: str = ""
    correction: str = ""
    figure: Callable[[Any], None] | None = None

    @property
    def verdict(self) -> str:
        """agrees, differs, or undecided (simulation between 2.6 and 4.5 standard errors off)."""
        if not math.isfinite(self.computed) or abs(self.computed - self.theory) > self.tolerance:
            return "differs"
        if self.simulated is None or self.standard_error is None:
            return "agrees"
        off = abs(self.simulated - self.theory)
        if off <= 2.6 * self.standard_error + 1e-12:
            return "agrees"
        return "undecided" if off <= 4.5 * self.standard_error else "differs"


@dataclass(frozen=True)
class Entry:
    """A statement of the seeds: id, where it stands, one sentence, and the function that reproduces it."""

    id: str
    seed: str
    section: str
    statement: str
    topic: str
    compute: Callable[[], Reproduction]


_entries: dict[str, Entry] = {}


def entry(
    id: str, *, seed: str, section: str, statement: str
) -> Callable[[Callable[[], Reproduction]], Callable[[], Reproduction]]:
    """Register a function as the entry `id`."""

    def register(function: Callable[[], Reproduction]) -> Callable[[], Reproduction]:
        module = importlib.import_module(function.__module__)
        topic = (module.__doc__ or "").strip().split("\n")[0].rstrip(".")
        if id in _entries and _entries[id].compute.__module__ != function.__module__:
            raise ContractError(f"two entries of the textbook are called {id!r}")
        _entries[id] = Entry(id, seed, section, statement, topic, function)
        return function

    return register


def entries() -> dict[str, Entry]:
    """Every entry by id, in the order of the modules and of the entries in them."""
    package = importlib.import_module("auctionlab.experiments.textbook")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(_entries)


def find_entry(id: str) -> Entry:
    """The entry with this id; raises UnknownName with the nearest."""
    known = entries()
    if id not in known:
        raise UnknownName("statement", id, known)
    return known[id]
