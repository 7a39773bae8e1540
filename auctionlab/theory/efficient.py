"""What efficient mechanisms cost and leave: Groves payments in expectation, AGV, and when budgets can balance.

All of these mechanisms choose the efficient outcome, so type x_i of seat i gets w_i(x_i) − c_i, where w_i is expected
welfare (`theory.welfare`) and only the constant c_i differs (revenue equivalence, Krishna 2010, section 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from auctionlab.core import Environment
from auctionlab.errors import ConfigError
from auctionlab.theory.choice import least_types
from auctionlab.theory.welfare import Interim, Welfare, welfare_of

RULES: Final = ("none", "others", "lowest", "worst-off")


@dataclass(frozen=True)
class Accounts:
    """Expected money of an efficient mechanism under truth; tuples are by seat.

    utility : E[value − payment].  margin : the least by which a type expects more than its outside option, and the type
    for which that is so; negative where individual rationality fails.
    """

    payments: tuple[float, ...]
    utility: tuple[float, ...]
    margin: tuple[float, ...]
    critical: tuple[float, ...]
    welfare: float
    cost: float

    @property
    def surplus(self) -> float:
        """Expected payments less the designer's expected cost: negative is a deficit."""
        return sum(self.payments) - self.cost


def groves_accounts(environment: Environment, rule: str = "lowest", charge: float = 0.0) -> Accounts:
    """Expected accounts of the Groves mechanism with this rule for h_i (see `groves_constants`)."""
    return _accounts(welfare_of(environment), groves_constants(environment, rule, charge))


def groves_constants(environment: Environment, rule: str = "lowest", charge: float = 0.0) -> tuple[float, ...]:
    """c_i = E[h_i(X_-i)], by seat, of Groves payments h_i(x_-i) − (welfare of the others at the outcome).

    none       h_i = 0: everybody is paid what the others gain (Groves 1973)
    others     the most welfare that the others could have had (Clarke 1971, the pivot mechanism)
    lowest     welfare at i's lowest possible value, W(α_i, x_-i): Krishna (2010), (5.22)
    worst-off  W(s_i, x_-i) − outside option of s_i, where s_i gains least from taking part: Krishna and Perry (1998).
               Of all efficient, incentive compatible and individually rational mechanisms it collects most.
    charge is added to every h_i.
    """
    welfare = welfare_of(environment)
    if rule == "none":
        constants = [0.0] * welfare.n
    elif rule == "others":
        constants = [welfare.without_values(seat) for seat in range(welfare.n)]
    elif rule == "lowest":
        least = least_types(environment)
        constants = [float(seat.welfare(least[i])) for i, seat in enumerate(welfare.seats)]
    elif rule == "worst-off":
        constants = [worst_off(seat)[1] for seat in welfare.seats]
    else:
        raise ConfigError(f"rule: should be one of {', '.join(RULES)}, got {rule!r}")
    return tuple(constant + charge for constant in constants)


def worst_off(seat: Interim) -> tuple[float, float]:
    """The type that gains least from taking part at the efficient outcome, and that gain, w_i − outside option."""
    return seat.least(lambda types: seat.welfare(types) - seat.outside(types))


def expected_externality_accounts(environment: Environment) -> Accounts:
    """Expected accounts of the AGV mechanism: payments sum to the cost.  Krishna (2010), (5.23)

    `margin` says by how much it violates individual rationality, and for which type.
    """
    welfare = welfare_of(environment)
    return _accounts(welfare, externality_constants(welfare))


def externality_constants(welfare: Welfare) -> tuple[float, ...]:
    """c_i of the AGV mechanism: the mean over j ≠ i of E[δ_j], δ_j the externality that type x_j expects to have.

    With a cost, every seat bears an equal part of it, and externalities are net of it.
    """
    if welfare.n < 2:
        raise ConfigError("environment: an expected externality needs at least 2 seats, got 1")
    means = [welfare.expected - seat.mean(seat.own) + welfare.cost / welfare.n for seat in welfare.seats]
    return tuple((sum(means) - own) / (welfare.n - 1) for own in means)


@dataclass(frozen=True)
class Balance:
    """Whether an efficient, incentive compatible and individually rational mechanism can balance its budget.

    surplus : what VCG with worst-off pivots expects to collect beyond the cost; the answer is yes where it is ≥ 0.
    externality, pivot : c_i of AGV and of that VCG, by seat.
    """

    surplus: float
    externality: tuple[float, ...]
    pivot: tuple[float, ...]
    welfare: float

    @property
    def possible(self) -> bool:
        """Proposition 5.6: exactly where the VCG mechanism results in an expected surplus (up to rounding)."""
        return self.surplus >= -1e-9 * max(1e-300, abs(self.welfare))

    def transfers(self, split: str = "equal") -> tuple[float, ...]:
        """d_i with sum 0 such that AGV payments less d_i are individually rational.  Krishna (2010), prop. 5.6

        split : "first" leaves all slack to seat 0, as in Krishna's proof; "equal" shares it.
        """
        n = len(self.pivot)
        if split == "first":
            rest = [a - v for a, v in zip(self.externality[1:], self.pivot[1:], strict=True)]
            return (-sum(rest), *rest)
        return tuple(a - v + self.surplus / n for a, v in zip(self.externality, self.pivot, strict=True))


def budget_balance(environment: Environment) -> Balance:
    """The condition of Krishna and Perry (1998) and the constants of their construction.  Krishna (2010), prop. 5.6

    The VCG surplus is Σ c_i − (n − 1) E[W] with c_i = min over types of w_i − outside option. Krishna's text takes the
    lowest type for that minimum, which holds where values rise in types and outside options are 0.
    """
    welfare = welfare_of(environment)
    externality = externality_constants(welfare)
    pivot = tuple(worst_off(seat)[1] for seat in welfare.seats)
    surplus = sum(pivot) - (welfare.n - 1) * welfare.expected
    return Balance(surplus, externality, pivot, welfare.expected)


def _accounts(welfare: Welfare, constants: tuple[float, ...]) -> Accounts:
    utility, payments, margins, critical = [], [], [], []
    for seat, constant in zip(welfare.seats, constants, strict=True):
        at, gain = worst_off(seat)
        utility.append(welfare.expected - constant)
        payments.append(seat.mean(seat.own) - welfare.expected + constant)
        margins.append(gain - constant)
        critical.append(at)
    return Accounts(tuple(payments), tuple(utility), tuple(margins), tuple(critical), welfare.expected, welfare.cost)
