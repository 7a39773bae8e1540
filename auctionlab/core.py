"""The nouns: Environment (who knows and wants what), Mechanism (messages to outcome), Strategy (signal to message).

Shapes: B auctions in a batch, n seats, L lanes of one strategy object, *S signal, *V value, *M message, *A allocation.
Mechanisms and environments see (B, n, ...), strategies (L, ...). See Krishna (2010), section 5.1, for (B, π, μ).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from auctionlab.arrays import NO_BID, Array, namespace
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.registry import Component, kind_of
from auctionlab.rng import Stream

CLAIMS: dict[str, str] = {
    "dsic": "truth is a dominant strategy",
    "ex-post-ic": "truth is a best reply to truth, whatever the others' signals",
    "bic": "truth is a best reply to truth, on average over the others' signals",
    "ex-post-ir": "a truthful bidder never ends below the outside option",
    "interim-ir": "a bidder who plays the equilibrium expects no less than the outside option",
    "efficient": "in equilibrium the allocation maximises welfare",
    "revenue-optimal": "no incentive compatible, individually rational mechanism expects more revenue",
    "no-deficit": "payments never sum to less than the designer's cost",
    "balanced": "payments sum to the designer's cost, always",
}


class Draw(NamedTuple):
    """What nature deals: signals (B, n, *S) and the values (B, n, *V) that payoffs depend on."""

    signals: Array
    values: Array


@dataclass(frozen=True)
class Outcome:
    """What a mechanism decides: allocation (B, n, *A), payments (B, n) in money from seat to mechanism."""

    allocation: Array
    payments: Array


@dataclass(frozen=True)
class Box:
    """A space of messages or signals: the product of intervals [low, high]; both broadcast to (n, *shape)."""

    low: Any
    high: Any
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prior(Component, ABC):
    """The distribution of one seat's scalar value. Subclasses define `frozen` or the functions themselves.

    All functions are vectorised over arrays of any shape and are exact to rounding, also far in the tails.
    """

    group: ClassVar[str] = "priors"

    @property
    @abstractmethod
    def low(self) -> float:
        """Lower end of the support (may be -inf)."""

    @property
    @abstractmethod
    def high(self) -> float:
        """Upper end of the support (may be inf)."""

    @property
    @abstractmethod
    def expectation(self) -> float:
        """Expected value, in money; inf (or nan) where it does not exist."""

    @property
    def atoms(self) -> bool:
        """True where single values have positive probability (no density)."""
        return False

    @abstractmethod
    def cdf(self, values: Array) -> Array:
        """P(X ≤ v)."""

    @abstractmethod
    def sf(self, values: Array) -> Array:
        """P(X > v), accurate where it is tiny."""

    @abstractmethod
    def pdf(self, values: Array) -> Array:
        """Density at v; raises NoEquilibrium for priors with atoms."""

    @abstractmethod
    def quantile(self, probabilities: Array) -> Array:
        """The smallest v with F(v) ≥ p."""

    def hazard(self, values: Array) -> Array:
        """Hazard rate f(v) / (1 − F(v)); inf from the upper end of the support on."""
        survival = np.asarray(self.sf(values))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(survival > 0, self.pdf(values) / survival, np.inf)

    def logcdf(self, values: Array) -> Array:
        """log F(v); -inf below the support."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.cdf(values)))

    def logsf(self, values: Array) -> Array:
        """log(1 − F(v)); -inf above the support."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.sf(values)))

    @property
    def breaks(self) -> Array:
        """Points inside the support where the density jumps or bends (for quadrature); none by default."""
        return np.empty(0)


BidFunction: TypeAlias = Callable[[Array], Array]  # signals (..., *S) -> messages (..., *M); -inf takes no part


@dataclass(frozen=True)
class Environment(Component, ABC):
    """Who knows and wants what. A frozen dataclass: fields are parameters."""

    group: ClassVar[str] = "environments"

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of seats."""

    @property
    @abstractmethod
    def signal(self) -> Box:
        """The space of signals."""

    @property
    def priors(self) -> tuple[Prior | None, ...]:
        """One a seat; None where signals are dependent or not scalar."""
        return (None,) * self.n

    @property
    def independent(self) -> bool:
        """True where seats' signals are independent of each other, as they are where every seat has a prior."""
        return all(prior is not None for prior in self.priors)

    @abstractmethod
    def sample(self, rng: Stream, batch: int) -> Draw:
        """`batch` independent draws of all seats' signals and values."""

    def values(self, signals: Array) -> Array:
        """Values (B, n, *V) at chosen signals (B, n, *S); private values are the signals."""
        return signals

    def value(self, allocation: Array, values: Array) -> Array:
        """What each seat gets out of the allocation, in money: (B, n)."""
        xp = namespace(allocation, values)
        product = allocation * values
        return product if product.ndim == 2 else xp.sum(product, axis=tuple(range(2, product.ndim)))

    def utility(self, outcome: Outcome, values: Array) -> Array:
        """Utility of a realised outcome, (B, n): value − payments, through the risk attitude if there is one."""
        return self.value(outcome.allocation, values) - outcome.payments

    @property
    def risk_neutral(self) -> bool:
        """True where the utility of an expected outcome is the expected utility."""
        return True

    @property
    def linear(self) -> bool:
        """True where utility is the inner product of allocation and values less the payment."""
        return self.risk_neutral and type(self).value is Environment.value

    def outside(self, values: Array) -> Array:
        """Utility of not taking part, (B, n)."""
        xp = namespace(values)
        return xp.zeros(values.shape[:2], dtype=values.dtype)

    def cost(self, allocation: Array) -> Array:
        """The designer's own cost of the allocation, (B,)."""
        xp = namespace(allocation)
        return xp.zeros(allocation.shape[:1], dtype=allocation.dtype)

    def best_welfare(self, values: Array) -> Array:
        """Highest welfare over all feasible allocations, (B,). Default: one item, which may stay unsold."""
        xp = namespace(values)
        top = xp.max(values, axis=1)
        return xp.where(top > 0, top, xp.zeros_like(top))

    def roles(self) -> tuple[int, ...]:
        """The role of each seat; seats of one role are exchangeable. Default: equal priors share a role."""
        seen: list[Prior | None] = []
        for prior in self.priors:
            if prior not in seen:
                seen.append(prior)
        return tuple(seen.index(prior) for prior in self.priors)

    def outcomes(self) -> Array:
        """All feasible allocations (K, n, *A) where they are finitely many; default: one item or nobody."""
        return np.concatenate([np.zeros((1, self.n)), np.eye(self.n)])

    def without(self) -> Array:
        """Which outcomes remain possible when a seat takes no part, (K, n); default: those giving it nothing."""
        outcomes = self.outcomes()
        return np.all(outcomes == 0, axis=tuple(range(2, outcomes.ndim)))


@dataclass(frozen=True)
class Mechanism(Component, ABC):
    """Messages to outcome. A frozen dataclass: fields are parameters."""

    group: ClassVar[str] = "mechanisms"
    clock: ClassVar[str] = ""  # "up" or "down" where messages are exit prices of a clock

    def claims(self, environment: Environment) -> frozenset[str]:
        """The names in CLAIMS that it promises in this environment, for these parameters."""
        return frozenset()

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        """Where the contract tests hold it to its claims."""
        return ()

    def roles(self, environment: Environment) -> tuple[int, ...]:
        """One a seat; seats that share one have the same prior and are treated alike.

        Default: the environment's. A rule that favours a seat gives it a role of its own.
        """
        return environment.roles()

    def messages(self, environment: Environment) -> Box:
        """Legal messages; below `low` takes no part. Default: the signals' box (a direct mechanism)."""
        return environment.signal

    @abstractmethod
    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """The outcome of messages (B, n, *M): expected over ties and lotteries, or one realised when `rng` is given."""

    def deviations(self, messages: Array, seats: Array, trials: Array) -> Outcome:
        """What seat seats[b] of auction b would get, in expectation over ties, had it sent each of the trials.

        messages (B, n, *M), seats (B,), trials (K, *M) or (B, K, *M) -> own allocation (B, K, *A), payments (B, K).
        The others send what they sent. Default: every such auction is run; a rule may know a shorter way.
        """
        outcome = self.run(unilateral(messages, seats, trials))
        batch, count = len(messages), len(outcome.payments) // max(1, len(messages))
        own = np.arange(batch * count), np.repeat(seats, count)
        allocation = outcome.allocation[own]
        return Outcome(
            allocation.reshape(batch, count, *allocation.shape[1:]), outcome.payments[own].reshape(batch, -1)
        )

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """Realised outcomes with their probabilities: weights (K, B), Outcome arrays (K, B, n, ...).

        For averaging the utility of the risk-averse. Default: the outcome is certain.
        """
        outcome = self.run(messages)
        weights = np.ones((1, messages.shape[0]))
        return weights, Outcome(outcome.allocation[None], outcome.payments[None])

    @property
    def sufficient_price(self) -> bool:
        """True where a seat's payoff from any message follows from its price to win alone."""
        return False

    def price(self, messages: Array) -> Array | None:
        """The lowest message with which each seat would have won, (B, n); None where there is no such thing."""
        return None

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """One bid function a seat; raises NoEquilibrium, saying why, where none is known."""
        if "dsic" in self.claims(environment):
            return (truth,) * environment.n
        raise NoEquilibrium(f"no equilibrium of {kind_of(self)} is known in this environment")


def truth(signals: Array) -> Array:
    """The truthful bid function: the signal itself."""
    return signals


def unilateral(messages: Array, seats: Array, trials: Array) -> Array:
    """Every profile in which seat seats[b] of auction b sends a trial instead: (B·K, n, *M), trials fastest.

    messages (B, n, *M), seats (B,), trials (K, *M) or (B, K, *M). In memory seats come first, for speed.
    """
    batch, n, *shape = messages.shape
    count = trials.shape[-1 - len(shape)]
    tried = np.empty((n, batch, count, *shape))
    tried[:] = np.moveaxis(messages, 1, 0)[:, :, None]
    tried[seats, np.arange(batch)] = trials
    return np.moveaxis(tried.reshape(n, batch * count, *shape), 0, 1)


def expected_utility(mechanism: Mechanism, environment: Environment, messages: Array, values: Array) -> Array:
    """Utility (B, n) expected over ties and lotteries; the risk-averse average utilities."""
    if environment.risk_neutral:
        return environment.utility(mechanism.run(messages), values)
    weights, outcomes = mechanism.lottery(messages)
    total = np.zeros(messages.shape[:2])
    for k in range(weights.shape[0]):
        outcome = Outcome(outcomes.allocation[k], outcomes.payments[k])
        total = total + weights[k][:, None] * environment.utility(outcome, values)
    return total


def counterfactual(
    mechanism: Mechanism, environment: Environment, messages: Array, values: Array, seats: Array, trials: Array
) -> Array:
    """Expected utility (B, K) of seat seats[b] in auction b had it sent each of the trials, the others as they were.

    messages (B, n, *M), values (B, n, *V), seats (B,), trials (K, *M) or (B, K, *M). Expected over ties and lotteries.
    """
    index = np.arange(len(messages))
    if environment.linear:
        own = mechanism.deviations(messages, seats, trials)
        product = own.allocation * values[index, seats][:, None]
        return product.sum(axis=tuple(range(2, product.ndim))) - own.payments
    tried = unilateral(messages, seats, trials)
    count = len(tried) // max(1, len(messages))
    utility = expected_utility(mechanism, environment, tried, np.repeat(values, count, axis=0))
    return utility[np.arange(len(tried)), np.repeat(seats, count)].reshape(len(messages), -1)


@dataclass(frozen=True)
class Seat:
    """What a strategy is told when it sits down: its role, how many lanes it drives, and the game."""

    index: int  # a seat of this role, 0..n-1
    lanes: int
    rounds: int
    environment: Environment
    mechanism: Mechanism
    role: int = 0
    disclose: str = "own"
    bids: Callable[[], tuple[BidFunction, ...] | None] | None = field(default=None, repr=False, compare=False)
    # what gives the equilibrium's bid functions where the mechanism itself knows none

    @property
    def low(self) -> float:
        """The lowest legal message of this seat (scalar messages)."""
        box = self.mechanism.messages(self.environment)
        return float(np.broadcast_to(np.asarray(box.low), (self.environment.n, *box.shape))[self.index])

    @property
    def top(self) -> float:
        """The highest value (99.9 % quantile where unbounded), or the highest equilibrium bid where that is higher."""
        prior = self.environment.priors[self.index]
        box = self.environment.signal
        high = float(np.broadcast_to(np.asarray(box.high), (self.environment.n, *box.shape))[self.index])
        ends = np.array([high])
        if prior is not None:
            ends = np.array([prior.high if np.isfinite(prior.high) else float(prior.quantile(np.array(0.999)))])
        try:
            known = self.mechanism.equilibrium(self.environment) if self.bids is None else self.bids()
        except NoEquilibrium:
            known = None
        bid = NO_BID if known is None else float(known[self.index](ends)[0])
        return max(float(ends[0]), bid) if np.isfinite(bid) else float(ends[0])

    @property
    def bottom(self) -> float:
        """Where bid grids begin: 0, or below it the lowest legal message, or the lowest type where all are legal."""
        low = self.low
        if not np.isfinite(low):
            prior = self.environment.priors[self.index]
            low = 0.0 if prior is None else prior.low
            if prior is not None and not np.isfinite(low):
                low = float(prior.quantile(np.array(0.001)))
        return min(0.0, low)

    def grid(self, k: int, lowest: float | None = None, highest: float | None = None) -> Array:
        """The bids that a learner chooses among: k in equal steps, and no bid where entry costs.

        lowest, highest : the first and the last of them; default `bottom` and `top`. ConfigError where they are not in
        that order.
        """
        first, last = self.bottom if lowest is None else lowest, self.top if highest is None else highest
        if (lowest is not None or highest is not None) and first >= last:
            raise ConfigError(f"highest: should be above the lowest bid {first:g}, got {last:g}")
        bids = np.linspace(first, last, k)
        return np.append(bids, NO_BID) if getattr(self.mechanism, "entry_fee", 0.0) > 0 else bids

    def edges(self, k: int) -> Array:
        """The k − 1 inner edges of k cells of equal probability of this seat's signal."""
        prior = self.environment.priors[self.index]
        inner = np.arange(1, k) / k
        if prior is not None:
            return np.asarray(prior.quantile(inner))
        box = self.environment.signal
        return np.asarray(box.low) + inner * (np.asarray(box.high) - np.asarray(box.low))

    def cell(self, signals: Array, k: int) -> Array:
        """The cell of each signal, (L,) ints 0..k-1, among k cells of equal probability."""
        return np.searchsorted(self.edges(k), signals, side="right")


@dataclass(frozen=True)
class Feedback:
    """What the experiment's `disclose` setting reveals to a strategy after a round, and no more. Shapes (L, ...)."""

    signals: Array
    messages: Array
    utility: Array
    allocation: Array
    payments: Array
    price: Array | None = None  # (L,) lowest message that would have won                     price, all
    others: Array | None = None  # (L, n-1, *M) this round's group, by seat                    all
    payoff: Callable[..., Array] | None = None  # (L, K, *M) or (K, *M) -> (L, K) expected utility had I sent that;
    #                                             a second argument (L, *V): and had my value been that


@dataclass
class Strategy(Component, ABC):
    """Signal to message, and learning, for all lanes of one [[agents]] block and role at once.

    Fields are parameters; `start` allocates. What is learned is kept in array attributes whose names end in "_".
    """

    group: ClassVar[str] = "agents"
    needs: ClassVar[frozenset[str]] = (
        frozenset()
    )  # Feedback fields it cannot learn without: "price", "others", "payoff"

    seat: Seat = field(init=False, repr=False, compare=False)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Strategies are equal by their parameters, which do not change, so all of a class may share a hash."""
        super().__init_subclass__(**keywords)
        if "__eq__" not in vars(cls) and "__hash__" not in vars(cls):
            cls.__hash__ = Strategy.__hash__  # type: ignore[method-assign]

    def __hash__(self) -> int:
        return hash(type(self))

    def start(self, seat: Seat) -> None:
        """Sit down: allocate state for `seat.lanes` lanes."""
        self.seat = seat

    @abstractmethod
    def act(self, signals: Array, rng: Stream) -> Array:
        """Messages (L, *M) for signals (L, *S)."""

    def leave(self, history: Array, signals: Array, rng: Stream) -> Array:
        """Clocks only: exit price (L,) given the exits seen so far, history (L, n-1) padded with NaN."""
        return self.act(signals, rng)

    def learn(self, feedback: Feedback) -> None:
        """Learn from one round. Default: nothing."""

    def state(self) -> dict[str, Array]:
        """Everything learned: every attribute whose name ends in "_"."""
        return {name: np.asarray(value) for name, value in vars(self).items() if name.endswith("_")}

    def restore(self, state: dict[str, Array]) -> None:
        """Put back what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value.copy())
