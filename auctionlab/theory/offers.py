"""Take-it-or-leave-it prices: one for all comers, or one offer after another.  Krishna (2010), problem 5.5

The last buyer is asked the monopoly price. Before, what is expected from those still to come is what keeping the item
is worth, so the offer to buyer i is ψ̄ᵢ⁻¹(V_{i+1}) and V_i = V_{i+1} + max_p (p − V_{i+1}) P(X_i ≥ p). For two uniform
buyers p₂ = 1/2, V₂ = 1/4, p₁ = (1 + V₂)/2 = 5/8 and V₁ = 25/64: more than the 1/3 of a second-price auction, less than
the 5/12 with the best reserve. Revenue equivalence does not apply, as the item may go to the lower value.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.adaptive import LEVELS
from auctionlab.theory.ironing import iron
from auctionlab.theory.marginal_revenue import demand
from auctionlab.theory.optimal import Sale, shared
from auctionlab.theory.rivals import cached, distinct


def sequential_prices(priors: Sequence[Prior], seller_value: float = 0.0) -> tuple[tuple[float, ...], float]:
    """The best offers to buyers with these priors, in this order, and the expected revenue (the kept item included)."""
    prices, worth = [], seller_value
    for prior in reversed(priors):
        price = float(iron(prior).lowest(np.asarray(worth)))
        sold = float(demand(prior, np.asarray(price)))
        worth += (price - worth) * sold if sold > 0 else 0.0
        prices.append(price)
    return tuple(reversed(prices)), worth


def posted_price(priors: Sequence[Prior], seller_value: float = 0.0) -> tuple[float, float]:
    """The price that earns most when the item goes to any buyer who takes it, and that revenue.

    It maximises (p − s) (1 − Π Fᵢ(p)) + s. With one prior, 1 − F^n is again a demand, that of the highest value.
    """
    marks = [np.asarray(prior.support) for prior in priors if prior.atoms]  # type: ignore[attr-defined]
    levels = np.unique(np.concatenate([LEVELS, np.linspace(0, 1, 2050)[1:-1]]))
    for prior in distinct(tuple(priors)):
        if not prior.atoms:
            marks += [np.asarray(prior.quantile(levels)), prior.breaks]
    grid = np.unique(np.concatenate(marks))

    def earned(price: Array) -> Array:
        unsold = np.prod([1 - demand(prior, price) for prior in priors], axis=0)
        return np.asarray(price * (1 - unsold) + seller_value * unsold)

    best = int(np.argmax(earned(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    price = float(grid[best])
    for _ in range(8):  # each round looks 128 times closer
        near = np.unique(np.append(np.linspace(low, high, 257), price))
        place = int(np.argmax(earned(near)))
        low, high, price = near[max(place - 1, 0)], near[min(place + 1, len(near) - 1)], float(near[place])
    return price, float(earned(np.asarray(price)))


@cached
def interim_posted(price: float, priors: tuple[Prior, ...], in_order: bool) -> tuple[Sale, ...]:
    """What truthful types expect of a posted price: who would take it gets the item if nobody else came first."""
    takes = [float(demand(prior, np.asarray(price))) for prior in priors]
    sales = []
    for i in range(len(priors)):
        others = [(np.asarray(1 - take), np.asarray(1.0)) for take in takes[:i] + takes[i + 1 :]]
        chance = (
            float(np.prod([1 - take for take in takes[:i]])) if in_order else float(shared(others) if others else 1)
        )
        sales.append(_constant("a posted price: truth is dominant", price, chance))
    return tuple(sales)


@cached
def interim_offers(prices: tuple[float, ...], priors: tuple[Prior, ...], in_order: bool) -> tuple[Sale, ...]:
    """What truthful types expect of offers made one after another, to the seats in order or in random order.

    In random order the buyers before position k are a random (k − 1)-subset in random order; none of them buys with a
    probability that averages over those, here in closed form over how many buyers of each prior are among them.
    """
    chances = _reached_in_order(prices, priors) if in_order else _reached_at_random(prices, priors)
    return tuple(_stepped(prices, reached, only=i if in_order else None) for i, reached in enumerate(chances))


def _reached_in_order(prices: tuple[float, ...], priors: tuple[Prior, ...]) -> Array:
    """The probability that seat i is made offer k, (n, n)."""
    unsold = np.array(
        [1 - float(demand(prior, np.asarray(price))) for price, prior in zip(prices, priors, strict=True)]
    )
    return np.diag(np.append(1.0, np.cumprod(unsold)[:-1]))


def _reached_at_random(prices: tuple[float, ...], priors: tuple[Prior, ...]) -> Array:
    """The probability that seat i is made offer k, (n, n): 1/n that it comes k-th, times that nobody bought before.

    Dynamic programming over the set of seats that came before; equal seats are counted, not told apart.
    """
    n, kinds = len(priors), distinct(priors)
    member = [kinds.index(prior) for prior in priors]
    refuse = np.array([[1 - float(demand(prior, np.asarray(price))) for prior in kinds] for price in prices])
    reached = np.zeros((n, n))
    for i in range(n):
        left = tuple(member.count(kind) - (member[i] == kind) for kind in range(len(kinds)))
        states = {left: 1.0 / n}  # who is still to come -> probability that i comes k-th and nobody bought before
        for k in range(n):
            reached[i, k] = sum(states.values())
            following: dict[tuple[int, ...], float] = {}
            for waiting, chance in states.items():
                for kind, count in enumerate(waiting):
                    if count:
                        rest = (*waiting[:kind], count - 1, *waiting[kind + 1 :])
                        now = chance * count / sum(waiting) * refuse[k, kind]
                        following[rest] = following.get(rest, 0.0) + now
            states = following
    return reached


def _stepped(prices: tuple[float, ...], reached: Array, only: int | None) -> Sale:
    """A seat that meets offer k with probability `reached` and takes it if its value is at least that."""
    offered = range(len(prices)) if only is None else [only]
    steps = [(prices[k], float(reached[k])) for k in offered]

    def chances(v: Array) -> Array:
        return np.asarray(sum(chance * (np.asarray(v) >= price) for price, chance in steps))

    def paid(v: Array) -> Array:
        return np.asarray(sum(chance * price * (np.asarray(v) >= price) for price, chance in steps))

    return Sale(
        method="take-it-or-leave-it offers: truth is dominant",
        threshold=min(price for price, _ in steps),
        bids=lambda v: v,
        chances=chances,
        paid=paid,
        gains=lambda v: v * chances(v) - paid(v),
        bends=tuple(sorted({price for price, _ in steps if np.isfinite(price)})),
    )


def _constant(method: str, price: float, chance: float) -> Sale:
    def chances(v: Array) -> Array:
        return np.full(np.shape(v), chance)

    return Sale(method, price, lambda v: v, chances, lambda v: price * chances(v), lambda v: (v - price) * chances(v))


def best_order(priors: Sequence[Prior]) -> tuple[tuple[int, ...], float]:
    """The order of offers that earns most, and what it earns: dynamic programming over the buyers still to come."""
    n = len(priors)
    best: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {frozenset(): (0.0, ())}
    for size in range(1, n + 1):
        for group in combinations(range(n), size):
            options = []
            for first in group:
                rest = best[frozenset(group) - {first}]
                options.append((sequential_prices([priors[first]], rest[0])[1], (first, *rest[1])))
            best[frozenset(group)] = max(options)
    worth, order = best[frozenset(range(n))]
    return order, worth
