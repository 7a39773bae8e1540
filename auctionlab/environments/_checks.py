"""What a parameter of a prior has to be, for callers from Python as for configs: one sentence where it is not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from auctionlab.core import Prior
from auctionlab.errors import ConfigError
from auctionlab.registry import kind_of

_CROWDED: Final = 1e-3  # share of values that may fall on one number: integrals are then off by less than its square


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


def require_resolved(priors: Iterable[Prior]) -> None:
    """Raise ConfigError where more than 0.1 % of the values of a smooth prior are rounded to an end of its support."""
    for prior in {id(prior): prior for prior in priors}.values():
        for end, chance, inward in ((prior.high, prior.sf, -math.inf), (prior.low, prior.cdf, math.inf)):
            if math.isfinite(end) and not prior.atoms:
                share = float(chance(np.nextafter(end, inward)))
                require(
                    share <= _CROWDED,
                    f"prior: {kind_of(prior)}: {share:.0%} of the values lie so close to {end:g} that numbers cannot "
                    f"tell them apart, at most {_CROWDED:.1%} may: spread them more, or give a discrete prior",
                )
