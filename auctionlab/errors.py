"""Every error that auctionlab raises on purpose.

AuctionlabError                 the user can act on it: one sentence, exit code 2
├── ConfigError                 a config, a parameter or a name is not what is allowed
│   └── UnknownName             a name that nothing is registered under
├── NoEquilibrium               no equilibrium is known here; a run goes on without a benchmark
│   ├── NoneExists              there is none to be found, in which bids rise with values
│   └── NoMethod                no method is known, and the numerical search has been seen to fail
├── ContractError               a mechanism, environment or strategy breaks its contract
├── StoreError                  the database cannot be used as asked
└── Stopped                     the user stopped it; everything so far is recorded and the same command goes on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuctionlabError(Exception):
    """Base of all errors that a user can cause and mend."""


class ConfigError(AuctionlabError):
    """A config, a parameter or a name is not what is allowed."""


class UnknownName(ConfigError):
    """A name that nothing is registered under; the message offers the nearest one."""

    def __init__(self, what: str, name: object, known: Iterable[str], hint: str = "") -> None:
        nearest = suggest(str(name), sorted(known))
        super().__init__(f"unknown {what} {name!r}. {nearest}{'' if nearest.endswith('?') else hint}")


class NoEquilibrium(AuctionlabError):
    """No equilibrium is known for this mechanism in this environment; the message says why."""


class NoneExists(NoEquilibrium):
    """It is proved that no equilibrium exists in which bids rise with values, so none is looked for."""


class NoMethod(NoEquilibrium):
    """No method is known here, and the numerical search has been seen to fail, so it is not tried."""


class ContractError(AuctionlabError):
    """A mechanism, environment or strategy returned something that its contract forbids."""


class StoreError(AuctionlabError):
    """The database is missing, foreign, newer than this version, locked, full or not writable."""


class Stopped(AuctionlabError):
    """The user stopped it: everything so far is recorded and the same command goes on."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest of `known` to `name` as a question, or else all of them as a list."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Allowed: {', '.join(names)}" if names else "None is known"
