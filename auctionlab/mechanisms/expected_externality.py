"""Efficient mechanisms that balance the budget, for a designer who knows the priors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import BidFunction, Environment, Mechanism, truth
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._efficient import Efficient, environments, same_game
from auctionlab.mechanisms._promises import participation
from auctionlab.theory.choice import Reports


class _Balanced(Efficient):
    """Everybody is paid the externality that its report is expected to have, and these payments are shared.

    δ_i(x_i) = E[welfare of the others at the efficient outcome | x_i]. Seat i pays the mean of the others' δ_j less its
    own δ_i, so payments sum to 0; a cost is borne in equal parts, and externalities are net of those. Taking part is
    compulsory: reports beyond the types of the prior count as the nearest type, no report as the lowest value.
    """

    def __post_init__(self) -> None:
        if self.environment is not None:
            _ = self._externalities, self.gifts

    @property
    @abstractmethod
    def gifts(self) -> tuple[float, ...]:
        """What is taken off each seat's payment, by seat, with sum 0."""

    @cached_property
    def _welfare(self) -> Any:
        from auctionlab.theory.efficient import externality_constants
        from auctionlab.theory.welfare import welfare_of

        welfare = welfare_of(self.choice.environment)
        externality_constants(welfare)  # ConfigError with a single seat
        return welfare

    @cached_property
    def _externalities(self) -> tuple[Callable[[Array], Array], ...]:
        """δ_i by seat, net of equal parts of the cost."""
        n = self._welfare.n
        found = {id(seat): seat for seat in self._welfare.seats}  # seats of one role share
        tables = {
            key: seat.tabulated(lambda x, seat=seat: seat.others(x) + seat.cost(x) / n) for key, seat in found.items()
        }
        return tuple(tables[id(seat)] for seat in self._welfare.seats)

    def _types(self, messages: Array) -> tuple[Array, Array]:
        xp = namespace(messages)
        n = messages.shape[1]
        box = self.choice.environment.signal
        low, high, least = (
            xp.asarray(np.broadcast_to(np.asarray(end, float), (n,)).copy(), dtype=messages.dtype)
            for end in (box.low, box.high, self.least)
        )
        types = xp.where(xp.isfinite(messages), xp.minimum(xp.maximum(messages, low), high), least)
        for seat, prior in enumerate(self.choice.environment.priors):
            support = getattr(prior, "support", None)
            if support is not None:
                types = xp.where(xp.arange(n) == seat, _nearest(xp.asarray(support, dtype=types.dtype), types), types)
        return types, xp.ones(messages.shape, dtype=xp.bool)

    def transfers(self, signals: Array, present: Array, reports: Reports, shares: Array) -> Array:
        xp = namespace(signals)
        n = signals.shape[1]
        types = np.asarray(signals, float)
        expected = np.stack([delta(types[:, i]) for i, delta in enumerate(self._externalities)])  # (n, B)
        others = np.stack([np.delete(expected, i, axis=0).sum(axis=0) for i in range(n)])
        due = others / (n - 1) - expected - np.array(self.gifts)[:, None]
        due = xp.asarray(due, dtype=signals.dtype)
        if not self.choice.costs.any():
            return due
        costs = xp.asarray(self.choice.costs[:, None] / n, dtype=signals.dtype)
        return due + reports.mean(shares, costs)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The truth, a best reply to truth on average over the designer's priors."""
        if environment != self.environment:
            raise NoEquilibrium("truth is an equilibrium where the designer's priors are right, here they are not")
        return (truth,) * environment.n

    def claims(self, environment: Environment) -> frozenset[str]:
        """Balanced always; the truth, and so efficiency, is an equilibrium where the designer knows the priors."""
        if not same_game(self.environment, environment):
            return frozenset()
        claims = {"balanced", "no-deficit"}
        if environment == self.environment:
            claims |= {"bic", "efficient"}
            if participation(self._margins, environment):
                claims.add("interim-ir")
        return frozenset(claims)

    def _margins(self) -> tuple[float, ...]:
        """The least that any type of each seat expects to gain from taking part."""
        from auctionlab.theory.efficient import expected_externality_accounts

        accounts = expected_externality_accounts(self.choice.environment)
        return tuple(margin + gift for margin, gift in zip(accounts.margin, self.gifts, strict=True))


def _nearest(support: Array, types: Array) -> Array:
    """Types (B, n) replaced by the nearest of the support (S,)."""
    xp = namespace(support)
    return support[xp.argmin(xp.abs(types[..., None] - support), axis=2)]


@dataclass(frozen=True)
class ExpectedExternality(_Balanced):
    """The efficient outcome is chosen; each seat is paid its expected externality and pays the mean of the others'.

    Also called AGV or dAGVA: balanced in every outcome, and truth is a Bayes-Nash equilibrium where types are
    independent and the designer knows the priors. It may violate individual rationality; see
    `theory.efficient.expected_externality_accounts` for by how much. With correlated types a report says something
    about the others, and truth fails: Okumura's remark 2.7 that independence is not needed is right only if each report
    is evaluated with the beliefs of the true type, which the designer does not know.
    Source: Arrow (1979); d'Aspremont and Gérard-Varet (1979); Krishna (2010), equation (5.23); Okumura, definition 2.7.
    """

    @property
    def gifts(self) -> tuple[float, ...]:
        return (0.0,) * self._welfare.n

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        for where in (
            e.PrivateValues(3, e.Uniform()),
            e.PrivateValues(2, e.Discrete(values=(0.0, 1.0, 3.0))),
            e.PublicProject(2, e.Uniform(), project_cost=1.0),
            e.PublicProject(3, e.Uniform(low=-1.0, high=1.0)),
            e.BilateralTrade(e.Uniform(), e.Uniform()),
            e.Partnership(2, e.Uniform()),
            e.Licensing(0.5, 2, e.Uniform()),
            e.Alternatives(((1.0, -0.5), (0.0, 1.0), (0.5, 0.5)), prior=e.Uniform(), costs=(0.0, 0.25, 0.0)),
        ):
            yield cls(environment=where), where
        believed, actual = (
            e.BilateralTrade(e.Uniform(), e.Uniform()),
            e.BilateralTrade(e.Beta(a=2.0, b=1.0), e.Uniform()),
        )
        yield cls(environment=believed), actual


@dataclass(frozen=True)
class KrishnaPerry(_Balanced):
    """The expected-externality mechanism with fixed gifts between seats that make it individually rational.

    Possible exactly where the VCG mechanism, with each seat's worst-off type as pivot, expects to collect at least the
    cost; refused with the expected deficit where it does not. The surplus goes to all in equal parts, or to the first
    seat as in Krishna's proof.
    Source: Krishna and Perry (1998); Krishna (2010), prop. 5.6.
    """

    split: Annotated[
        Literal["equal", "first"], Field(description="who gets the VCG surplus: all, or the first seat")
    ] = "equal"

    @cached_property
    def gifts(self) -> tuple[float, ...]:
        from auctionlab.theory.efficient import budget_balance

        _ = self._welfare
        balance = budget_balance(self.choice.environment)
        if not balance.possible:
            raise ConfigError(
                "environment: no efficient, incentive compatible and individually rational mechanism balances its "
                f"budget here: the VCG mechanism expects a deficit of {-balance.surplus:.6g}"
            )
        return balance.transfers(self.split)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        for where in (
            e.Partnership(2, e.Uniform()),
            e.Partnership(2, e.Uniform(), shares=(0.7, 0.3)),
            e.Licensing(0.5, 2, e.Uniform(), stay_out="nobody"),
            e.BilateralTrade(e.Uniform(low=1.0, high=2.0), e.Uniform()),
            e.PrivateValues(2, e.Uniform()),
        ):
            yield cls(environment=where), where
        yield cls(environment=where, split="first"), where
