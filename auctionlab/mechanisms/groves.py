"""Groves mechanisms: the efficient outcome, and payments that make everybody want it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import BidFunction, Environment, Mechanism, truth
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._efficient import Efficient, environments, same_game
from auctionlab.mechanisms._promises import groves_promises
from auctionlab.theory.choice import Reports


class _Groves(Efficient):
    """Seat i pays h_i less the welfare of the others at the chosen outcome; h_i does not depend on its report.

    So its utility is welfare less h_i, and only the truth makes the mechanism maximise that. The designer's cost counts
    as a negative value of the others. Who takes no part is not counted, pays nothing, and cannot be given what needs
    its consent.
    """

    pivot_rule: ClassVar[str]
    charge_each: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.environment is not None and self._rule in ("lowest", "worst-off"):
            _ = self._pivots

    @property
    def _rule(self) -> str:
        return self.pivot_rule

    @property
    def _charge(self) -> float:
        return self.charge_each

    @cached_property
    def _pivots(self) -> tuple[Array, Array]:
        """The type (n, *S) whose welfare h_i is, and what is taken off it, (n,)."""
        if self._rule == "lowest":
            return self.least, np.zeros(len(self.least))
        from auctionlab.theory.efficient import worst_off
        from auctionlab.theory.welfare import welfare_of

        seats = welfare_of(self.choice.environment).seats
        types = np.array([worst_off(seat)[0] for seat in seats])
        return types, np.array([float(seat.outside(types[i])) for i, seat in enumerate(seats)])

    @cached_property
    def _at_pivots(self) -> Array:
        """What each outcome is worth to each seat at its pivot type, less what is taken off, (K, n)."""
        types, off = self._pivots
        return np.asarray(self.choice.worth(types[None])[:, :, 0] - off)

    def transfers(self, signals: Array, present: Array, reports: Reports, shares: Array) -> Array:
        xp = namespace(signals)
        payments = []
        for seat in range(signals.shape[1]):
            others = reports.others(seat)
            due = self._pivot(seat, others) - reports.mean(shares, others)
            due = due + self._charge if self._charge else due
            payments.append(due if reports.complete else xp.where(present[:, seat], due, xp.zeros_like(due)))
        return xp.stack(payments)

    def _pivot(self, seat: int, others: Array) -> Array:
        """h_i without the charge, (B,), given the welfare of the others in each outcome, (K, B)."""
        xp = namespace(others)
        if self._rule == "none":
            return xp.zeros(others.shape[1], dtype=others.dtype)
        if self._rule == "others":
            return xp.max(others, axis=0)
        return xp.max(others + xp.asarray(self._at_pivots[:, seat, None], dtype=others.dtype), axis=0)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The truth, dominant among reports; whether types would rather stay out is judged by their outside options."""
        if not same_game(self.environment, environment):
            raise NoEquilibrium("the mechanism was designed for other outcomes, values or costs")
        return (truth,) * environment.n

    def claims(self, environment: Environment) -> frozenset[str]:
        """Found by `groves_promises`: participation and budgets depend on h_i and on the types."""
        if not same_game(self.environment, environment):
            return frozenset()
        return groves_promises(self, environment, self._rule, self._charge)


@dataclass(frozen=True)
class VickreyClarkeGroves(_Groves):
    """The efficient outcome is chosen; a seat pays welfare at its lowest value less what the others get at its report.

    M_i(x) = W(α_i, x_-i) − W_-i(x), so type α_i gains nothing and truth is dominant. Where values do not rise with
    types or staying out is worth something, `pivot = "worst-off"` puts the type that gains least from taking part in
    the place of α_i and takes off its outside option: of all efficient, incentive compatible and individually rational
    mechanisms it then collects most.
    Source: Krishna (2010), equation (5.22) and prop. 5.5; Krishna and Perry (1998).
    """

    pivot: Annotated[
        Literal["lowest", "worst-off"], Field(description="the type that gains nothing: lowest value, or worst off")
    ] = "lowest"

    @property
    def _rule(self) -> str:
        return self.pivot

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        for where in example_environments():
            yield cls(environment=where), where
        e = environments()
        for where in (
            e.Partnership(2, e.Uniform()),
            e.Partnership(2, e.Uniform(), shares=(0.6, 0.4)),
            e.Licensing(0.5, 2, e.Uniform(), stay_out="nobody"),
            e.BilateralTrade(e.Uniform(low=1.0, high=2.0), e.Uniform()),
        ):
            yield cls(environment=where, pivot="worst-off"), where


@dataclass(frozen=True)
class Pivot(_Groves):
    """The efficient outcome is chosen; a seat pays what its report costs the others: their best less what they get.

    τ_i = max over outcomes of Σ_{j≠i} v_j, whatever i's own consent, so payments are never negative.
    Source: Clarke (1971); Okumura (2018), definition 2.5, where τ_i should be a function of m_-i and maximise over x.
    """

    pivot_rule: ClassVar[str] = "others"

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        for where in example_environments():
            yield cls(environment=where), where
        e = environments()
        where = e.PublicProject(2, e.Uniform(low=1.0, high=2.0), project_cost=1.5)
        yield cls(environment=where), where


@dataclass(frozen=True)
class Groves(_Groves):
    """The efficient outcome is chosen; a seat pays h_i less what the others get, where h_i is any of a named family.

    none: h_i = 0, so everybody is paid what the others get. others: Clarke's pivot. lowest: welfare at the lowest
    value. worst-off: see vickrey-clarke-groves. `charge` is added to every h_i.
    Source: Groves (1973); Okumura (2018), definition 2.4; Green and Laffont (1979): there are no others.
    """

    rule: Annotated[
        Literal["none", "others", "lowest", "worst-off"], Field(description="the part of h_i that depends on others")
    ] = "none"
    charge: Annotated[float, Field(description="the constant part of every h_i, in money")] = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.charge):
            raise ConfigError(f"charge: should be a finite number, got {self.charge!r}")
        super().__post_init__()

    @property
    def _rule(self) -> str:
        return self.rule

    @property
    def _charge(self) -> float:
        return self.charge

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        trade = e.BilateralTrade(e.Uniform(), e.Uniform())
        yield cls(environment=trade), trade
        project = e.PublicProject(3, e.Uniform(), project_cost=1.5)
        yield cls(environment=project), project
        yield cls(environment=project, charge=-0.25), project
        auction = e.PrivateValues(3, e.Uniform())
        yield cls(environment=auction, rule="others", charge=0.1), auction
        yield cls(environment=auction, rule="lowest"), auction


def example_environments() -> Iterable[Environment]:
    """One of each kind, small."""
    e = environments()
    yield e.PrivateValues(3, e.Uniform())
    yield e.PrivateValues(2, e.Discrete(values=(0.0, 1.0, 3.0)))
    yield e.PublicProject(3, e.Uniform(), project_cost=1.5)
    yield e.PublicProject(priors=(e.Uniform(low=-1.0, high=1.0), e.Uniform(low=-2.0, high=1.0)))
    yield e.BilateralTrade(e.Uniform(), e.Uniform())
    yield e.BilateralTrade(e.Uniform(low=0.5, high=2.0), e.Beta(a=2.0, b=2.0))
    yield e.Partnership(2, e.Uniform())
    yield e.Licensing(0.5, 2, e.Uniform())
    yield e.Alternatives(((1.0, -0.5), (0.0, 1.0), (0.5, 0.5)), prior=e.Uniform(), costs=(0.0, 0.25, 0.0))
    yield e.RichAlternatives(3, 2, e.Uniform())
