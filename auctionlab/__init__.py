"""auctionlab: experimental auctions among learning agents and people, with statistics that say whether theory holds.

    >>> import auctionlab
    >>> result = auctionlab.run("first-price")      # doctest: +SKIP
    >>> result.convergence()                         # doctest: +SKIP

Names are imported when they are first used, so `import auctionlab` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "run": "auctionlab.experiments.api",
    "load": "auctionlab.experiments.api",
    "solve": "auctionlab.experiments.api",
    "Result": "auctionlab.experiments.api",
    "run_sweep": "auctionlab.experiments.sweeping",
    "SweepResult": "auctionlab.experiments.sweep_result",
    "Config": "auctionlab.experiments.config",
    "Market": "auctionlab.platform.market",
    "Bidder": "auctionlab.agents.bidder",
    "Environment": "auctionlab.core",
    "Mechanism": "auctionlab.core",
    "Outcome": "auctionlab.core",
    "Strategy": "auctionlab.core",
    "Prior": "auctionlab.core",
    "register": "auctionlab.registry",
}
__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'auctionlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_WHERE]
