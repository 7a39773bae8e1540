"""Risk attitudes: the utility of a money payoff.  Source: Krishna (2010), section 4.1; Pratt (1964)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.errors import ConfigError
from auctionlab.registry import Component


@dataclass(frozen=True)
class Risk(Component, ABC):
    """How a bidder values money payoffs: an increasing function u with u(0) = 0."""

    group: ClassVar[str] = "risks"

    @abstractmethod
    def u(self, payoffs: Array) -> Array:
        """Utility of payoffs in money, any shape; array-API functions only."""

    @abstractmethod
    def inverse(self, utilities: Array) -> Array:
        """The certain payoff in money that is worth this utility."""

    def slope(self, payoffs: Array) -> Array:
        """u′, by central differences unless a subclass knows better; NumPy only."""
        step = 1e-5 * np.maximum(np.abs(payoffs), 1e-12)
        return np.asarray((self.u(payoffs + step) - self.u(payoffs - step)) / (2 * step))

    @property
    def neutral(self) -> bool:
        """True where u is linear."""
        return False


@dataclass(frozen=True)
class Crra(Risk):
    """Constant relative risk aversion: u(x) = x^(1−rho) / (1−rho) for x ≥ 0 and u(−x) = −u(x).

    Source: Pratt (1964); in auctions Cox, Smith and Walker (1988).
    """

    rho: Annotated[float, Field(ge=0, lt=1, description="relative risk aversion; 0 is risk-neutral")]

    def __post_init__(self) -> None:
        if not 0 <= self.rho < 1:
            raise ConfigError(f"rho: should be at least 0 and below 1, got {self.rho!r}")

    @property
    def neutral(self) -> bool:
        return self.rho == 0

    def u(self, payoffs: Array) -> Array:
        xp = namespace(payoffs)
        power = 1 - self.rho
        return xp.sign(payoffs) * xp.abs(payoffs) ** power / power

    def slope(self, payoffs: Array) -> Array:
        return np.asarray(np.maximum(np.abs(payoffs), 1e-300) ** -self.rho)

    def inverse(self, utilities: Array) -> Array:
        xp = namespace(utilities)
        power = 1 - self.rho
        return xp.sign(utilities) * (power * xp.abs(utilities)) ** (1 / power)


@dataclass(frozen=True)
class Cara(Risk):
    """Constant absolute risk aversion: u(x) = (1 − exp(−alpha x)) / alpha.

    Source: Pratt (1964); in auctions Matthews (1987).
    """

    alpha: Annotated[float, Field(gt=0, description="absolute risk aversion, per unit of money")]

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise ConfigError(f"alpha: should be greater than 0, got {self.alpha!r}")

    def u(self, payoffs: Array) -> Array:
        with np.errstate(over="ignore"):  # a loss beyond numbers has the utility -inf
            return -namespace(payoffs).expm1(-self.alpha * payoffs) / self.alpha

    def slope(self, payoffs: Array) -> Array:
        return np.exp(-self.alpha * payoffs)

    def inverse(self, utilities: Array) -> Array:
        return -namespace(utilities).log1p(-self.alpha * utilities) / self.alpha
