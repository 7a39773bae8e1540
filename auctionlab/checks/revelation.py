"""The revelation principle, verified: truth is an equilibrium of the direct mechanism, with the same outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks import profiles
from auctionlab.checks.evidence import Finding
from auctionlab.checks.interim import interim_gain
from auctionlab.core import Environment, Mechanism
from auctionlab.mechanisms.direct import Direct

_PROFILES = 20_000


@dataclass(frozen=True)
class Revelation:
    """A mechanism's direct form and what was found of the two conclusions of Krishna (2010), prop. 5.1.

    truth : the most that a type gains by a false report.   difference : the largest between the two mechanisms'
    allocations and payments, over `profiles` profiles of types.
    """

    direct: Direct
    truth: Finding
    difference: float
    profiles: int

    @property
    def holds(self) -> bool:
        """True where no false report gains and no outcome differs by more than rounding."""
        return bool(self.truth.holds) and self.difference <= 1e-12 * max(1.0, profiles.scale(self.direct.believed))


def revelation(mechanism: Mechanism, environment: Environment) -> Revelation:
    """Both conclusions of the revelation principle for a mechanism and its equilibrium.  Krishna (2010), prop. 5.1

    Raises ConfigError where no equilibrium is known.
    """
    direct = Direct(of=mechanism, environment=environment)
    signals = _signals(environment)
    bids = mechanism.equilibrium(environment)
    messages = np.stack([np.asarray(bid(signals[:, i])) for i, bid in enumerate(bids)], axis=1)
    played, told = mechanism.run(messages), direct.run(signals)
    difference = max(
        float(np.abs(played.allocation - told.allocation).max()), float(np.abs(played.payments - told.payments).max())
    )
    return Revelation(direct, interim_gain(direct, environment), difference, len(signals))


def _signals(environment: Environment) -> Array:
    """Profiles of types with corners, ties and random draws, (Q, n, *S)."""
    random = rng.stream(16)
    grid = [profiles.types(environment, seat, 41, random) for seat in range(environment.n)]
    drawn = environment.sample(random, _PROFILES // 2).signals
    return np.concatenate([profiles.profiles(grid, _PROFILES // 2, random), drawn])
