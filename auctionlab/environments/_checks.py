"""What a parameter of a prior has to be, for callers from Python as for configs: one sentence where it is not."""

from __future__ import annotations

import math

from auctionlab.core import Prior
from auctionlab.errors import ConfigError


def require(holds: bool, complaint: str) -> None:
    """Raise ConfigError with `complaint` unless `holds`."""
    if not holds:
        raise ConfigError(complaint)


def require_positive(prior: Prior, *names: str) -> None:
    """Raise ConfigError unless each named field of `prior` is a finite number above 0."""
    for name in names:
        value = getattr(prior, name)
        require(0 < value < math.inf, f"{name}: should be greater than 0, got {value!r}")


def require_range(low: float, high: float) -> None:
    """Raise ConfigError unless [low, high] is a range of finite numbers with something in it."""
    require(math.isfinite(low), f"low: should be a finite number, got {low!r}")
    require(low < high < math.inf, f"high: should be greater than low = {low!r}, got {high!r}")
