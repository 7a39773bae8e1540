"""Numerical equilibria: `python -m benchmarks equilibria`.

Figure 1: symmetric first-price, second-price and all-pay auctions, solved by the general method from bids of half the
square of the value, far from any equilibrium and not uniform: iterations and processor seconds until the L2 distance of
bids to the formula is below 0.01 and until the mean utility loss is below 0.01 and 0.001 of equilibrium utility; then
the end: L2 distance plain and weighted by the probability of winning, loss, largest gain of any type, revenue error.
Beside it plain dual averaging as a baseline (entropic, 64 values × 64 bids, losing ties, 1,000 iterations).
Figure 2: different bidders: seconds, certificate, and the distance to closed forms or to the collocation method.
Figure 3: auctions in which lower bids matter, and double auctions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auctionlab.arrays import Array, share_highest
from auctionlab.core import Environment, Mechanism, Outcome, Prior
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Beta
from auctionlab.environments.trade import BilateralTrade
from auctionlab.mechanisms.bilateral import DoubleAuction
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, SingleItem, WarOfAttrition
from auctionlab.rng import Stream
from auctionlab.theory import equilibria
from auctionlab.theory.benchmarks import _benchmark
from auctionlab.theory.certificate import certify
from auctionlab.theory.sealed import Roles
from auctionlab.theory.solve import Quantiles
from tests.reference.losers import MeanOfAll

U, B = Uniform(), Beta(2.0, 5.0)
_LEVELS = (np.arange(400) + 0.5) / 400


def square(values: Array) -> Array:
    return 0.5 * np.asarray(values) ** 2


def symmetric(rule: Mechanism, prior: Prior, n: int) -> None:
    """One line of figure 1."""
    environment = PrivateValues(n, prior)
    formula = rule.equilibrium(environment)
    values = np.asarray(prior.quantile(_LEVELS))
    known, win = formula[0](values), formula[0].win(values)  # type: ignore[attr-defined]
    steps: list[tuple[float, Any]] = []
    problem = Quantiles(rule, environment, (0,) * n)
    began = time.process_time()
    with np.errstate(all="ignore"):
        problem.solve([square], lambda step: steps.append((time.process_time() - began, step)))
    sides = Roles(rule, environment, (0,) * n)
    reached: dict[str, str] = {}
    for k, (seconds, step) in enumerate(steps, start=1):
        bids = equilibria._bids(sides, list(step.plays))
        l2 = float(np.sqrt(np.mean((bids[0](values) - known) ** 2)))
        loss = certify(rule, environment, bids).loss
        for name, hit in (("L2<.01", l2 < 0.01), ("loss<.01", loss < 0.01), ("loss<.001", loss < 0.001)):
            if hit:
                reached.setdefault(name, f"{k} ({seconds:.3f} s)")
    weighted = float(np.sqrt(np.average((bids[0](values) - known) ** 2, weights=win)))
    certificate = certify(rule, environment, bids)
    exact = _benchmark(rule, environment, formula).revenue
    error = abs(_benchmark(rule, environment, bids).revenue / exact - 1)
    base = dual_averaging(rule, prior, n, known)
    print(
        f"{type(rule).__name__:12} {type(prior).__name__:8} n = {n:<3}"
        + "".join(f"{reached.get(name, 'never'):>12}" for name in ("L2<.01", "loss<.01", "loss<.001"))
        + f"{steps[-1][0]:8.3f} {l2:9.1e} {weighted:9.1e} {certificate.loss:9.1e} {certificate.bound:9.1e}"
        + f" {error:9.1e}   {base[0]:9.1e} {base[1]:7.3f} {base[1] / steps[-1][0]:6.1f}",
        flush=True,
    )


def dual_averaging(rule: Mechanism, prior: Prior, n: int, known: Array, size: int = 64) -> tuple[float, float]:
    """L2 distance after 1,000 iterations of the baseline, and processor seconds."""
    began = time.process_time()
    values = np.asarray(prior.quantile((np.arange(size) + 0.5) / size))
    bids = np.linspace(0, 1, size)
    scores = np.zeros((size, size))
    scores -= 5 * np.abs(bids - square(values)[:, None])  # the same start
    for k in range(1, 1001):
        play = np.exp(scores - scores.max(axis=1, keepdims=True))
        play /= play.sum(axis=1, keepdims=True)
        below = np.concatenate([[0.0], np.cumsum(play.mean(axis=0))[:-1]])
        chance = below ** (n - 1)
        if isinstance(rule, FirstPrice):
            gain = chance * (values[:, None] - bids)
        elif isinstance(rule, AllPay):
            gain = chance * values[:, None] - bids
        else:
            paid = np.concatenate([[0.0], np.cumsum(np.diff(chance) * bids[:-1])])
            gain = chance * values[:, None] - paid
        scores += 20 / np.sqrt(k) * gain
    seconds = time.process_time() - began
    mean = np.interp(_LEVELS, (np.arange(size) + 0.5) / size, play @ bids)
    return float(np.sqrt(np.mean((mean - known) ** 2))), seconds


def uneven(
    name: str, rule: Mechanism, environment: Environment, known: Sequence[Callable[..., Any] | None] = ()
) -> None:
    """One line of figure 2: the general method, against closed forms or the collocation method."""
    began = time.process_time()
    found = equilibria.solve(rule, environment)
    seconds = time.process_time() - began
    worst = 0.0
    for prior, bid, other in zip(environment.priors, found.bids, known, strict=False):
        if prior is not None and other is not None:
            values = np.asarray(prior.quantile(_LEVELS))
            a, b = bid(values), other(values)
            taking = np.isfinite(a) & np.isfinite(b)
            worst = max(worst, float(np.abs(a[taking] - b[taking]).max()))
    distance = f"{worst:9.1e}" if known else "        –"
    assert found.certificate is not None
    print(
        f"{name:58}{seconds:8.2f} {found.certificate.bound:9.1e} {found.certificate.loss:9.1e} {distance}", flush=True
    )


def whole(name: str, rule: Mechanism, environment: Environment) -> None:
    """One line of figures 2 and 3: what everything that asks for an equilibrium gets."""
    began = time.process_time()
    found = equilibria.equilibrium(rule, environment)
    assert found.certificate is not None
    seconds = time.process_time() - began
    print(f"{name:58}{seconds:8.2f} {found.certificate.bound:9.1e} {found.certificate.loss:9.1e}         –", flush=True)


def collocation(name: str, environment: Environment, closed: Sequence[Callable[..., Any]] = ()) -> None:
    """One line of figure 2: first-price bids by collocation, against closed forms."""
    began = time.process_time()
    bids = FirstPrice().equilibrium(environment)
    for prior, bid in zip(environment.priors, bids, strict=True):
        bid(prior.quantile(_LEVELS))  # type: ignore[union-attr]
    seconds = time.process_time() - began
    found = certify(FirstPrice(), environment, bids)
    worst = 0.0
    for prior, bid, formula in zip(environment.priors, bids, closed, strict=False):
        values = np.asarray(prior.quantile(_LEVELS))  # type: ignore[union-attr]
        worst = max(worst, float(np.abs(bid(values) / formula(values) - 1).max()))
    distance = f"{worst:9.1e} relative" if closed else "        –"
    print(f"{name:58}{seconds:8.2f} {found.bound:9.1e} {found.loss:9.1e} {distance}", flush=True)


def plum(sign: int) -> Callable[[Array], Array]:
    """First-price bids for U[0, 1] (sign 1) and U[0, 2] (sign −1): v / (1 + √(1 − sign c v²)), c = 1 − 1/4."""
    return lambda v: v / (1 + np.sqrt(1 - sign * 0.75 * v**2))


def kaplan_zamir(weak: Uniform, strong: Uniform) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """First-price bids of two uniforms with different lowest values, the weaker first.  Kaplan and Zamir (2012)

    With m the mean of the lowest values and s = b − m, (φ₁ − b)(φ₂ − b) = s²; for the stronger, whose lowest value is
    a = m + δ, 1/(φ − a) = K s exp(δ/s) − 1/δ − s/δ², where the common top bid fixes K. Types below m bid their values.
    """
    middle, delta = (strong.low + weak.low) / 2, (strong.low - weak.low) / 2
    top = (strong.high * weak.high - middle**2) / (strong.high + weak.high - 2 * middle)
    span = top - middle
    constant = (1 / (strong.high - strong.low) + 1 / delta + span / delta**2) / span
    rise = span * (1 - np.geomspace(1, 1e-4, 200_001))[1:]  # nearer together where types hardly differ
    with np.errstate(over="ignore"):
        upper = strong.low + 1 / (constant * rise * np.exp(delta / rise - delta / span) - 1 / delta - rise / delta**2)
    bids = middle + rise
    lower = bids + rise**2 / (upper - bids)

    def strongly(values: Array) -> Array:
        return np.interp(values, upper, bids)

    def weakly(values: Array) -> Array:
        return np.where(values < middle, values, np.interp(values, np.append(middle, lower), np.append(middle, bids)))

    return weakly, strongly


@dataclass(frozen=True)
class Preference(SingleItem):
    """The winner pays its own bid, but the first seat's bids count twice."""

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        weights = np.where(np.arange(messages.shape[1]) == 0, 2.0, 1.0)
        won = share_highest(self._bids(messages * weights).T, None, rng, axis=1)
        return Outcome(won, won * np.maximum(messages, 0.0))

    def charge(self, bids: Array, allocation: Array) -> Array:
        raise NotImplementedError


def main() -> int:
    print("symmetric: iterations (seconds) to               L2<.01    loss<.01   loss<.001 seconds"
          "        L2  weighted      loss  any type   revenue   dual avg: L2, seconds, ratio")  # fmt: skip
    for rule in (FirstPrice(), SecondPrice(), AllPay()):
        for prior in (U, B):
            for n in (2, 5, 10):
                symmetric(rule, prior, n)
    print(f"\n{'different bidders':58} seconds any type      loss  distance")
    wide = PrivateValues(priors=(U, Uniform(0.0, 2.0)))
    collocation("first-price U[0,1], U[0,2]: collocation, closed form", wide, (plum(1), plum(-1)))
    shifted = Uniform(0.5, 1.5)
    collocation(
        "first-price U[0,1], U[.5,1.5]: Kaplan and Zamir (2012)",
        PrivateValues(priors=(U, shifted)),
        kaplan_zamir(U, shifted),
    )
    collocation("first-price U[0,1], Beta(2,5): collocation", PrivateValues(priors=(U, B)))
    three = PrivateValues(priors=(U, B, Uniform(0.0, 2.0)))
    collocation("first-price U[0,1], Beta(2,5), U[0,2]: collocation", three)
    hill = Beta(2.0, 2.0)
    kinds, averse = (PrivateValues(priors=(U, B, hill), risk=risk) for risk in (None, Crra(rho=0.5)))
    for name, environment in (
        ("U[0,1], U[0,2]", wide),
        ("U[0,1], Beta(2,5)", PrivateValues(priors=(U, B))),
        ("U[0,1], Beta(2,5), U[0,2]", three),
    ):
        uneven(f"first-price {name}: general", FirstPrice(), environment, FirstPrice().equilibrium(environment))
    whole("first-price U[0,1], Beta(2,5), Beta(2,2), fee 0.1", FirstPrice(entry_fee=0.1), kinds)
    whole("second-price U[0,1], Beta(2,5), Beta(2,2), fee 0.1", SecondPrice(entry_fee=0.1), kinds)
    whole("all-pay U[0,1], Beta(2,5), Beta(2,2), CRRA 0.5", AllPay(), averse)
    whole("war of attrition U[0,1], U[0,2]", WarOfAttrition(), wide)
    whole("war of attrition U[0,1], U[0,2], CRRA 0.5", WarOfAttrition(), replace(wide, risk=Crra(rho=0.5)))
    whole("war of attrition U[0,1], Beta(2,5), Beta(2,2), fee 0.05", WarOfAttrition(entry_fee=0.05), kinds)
    favoured = (lambda v: plum(-1)(2 * v) / 2, plum(1))  # values 2 v, who pays half of what the bid counts
    uneven("first-price, one U[0,1] of two favoured: closed form", Preference(), PrivateValues(2, U), favoured)
    third = (lambda w: 2 * w**3 / 3, lambda x: 2 * (x / 2) ** 1.5 / 3)
    uneven("all-pay U[0,1], U[0,2]: Amann and Leininger (1996)", AllPay(), wide, third)
    uneven("all-pay U[0,1], Beta(2,5), reserve 0.1", AllPay(reserve=0.1), PrivateValues(priors=(U, B)))
    tops = PrivateValues(priors=(U, Uniform(0.0, 2.0), Uniform(0.0, 3.0)))
    last = (lambda w: 0 * w, lambda x: 0.3 * x**2.5 / 2**0.5, lambda y: 1.2 * (y / 3) ** (5 / 3))
    uneven("all-pay U[0,1], U[0,2], U[0,3]: closed form", AllPay(), tops, last)
    uneven("all-pay U, U, Beta(2,5)", AllPay(), PrivateValues(priors=(U, U, B)))
    uneven("all-pay, three U[0,1], CRRA 0.5", AllPay(), PrivateValues(3, U, risk=Crra(rho=0.5)))
    uneven("first-price U[0,1], Beta(2,5), fee 0.1", FirstPrice(entry_fee=0.1), PrivateValues(priors=(U, B)))
    uneven("second-price U[0,1], Beta(2,5), fee 0.1", SecondPrice(entry_fee=0.1), PrivateValues(priors=(U, B)))
    print(f"\n{'lower bids matter; double auctions':58} seconds any type      loss  distance")
    for n, k in ((5, 3), (5, 4)):
        rule, environment = KthPrice(k=k), PrivateValues(n, U)
        uneven(f"{k}-th price, {n} U[0,1]: general", rule, environment, rule.equilibrium(environment)[:1])
    known = (lambda v: v + np.log(1 + v) / 2,)  # α = 2, n = 4: v + log(1 + α v / (n − 2)) / α
    uneven("third price, four U[0,1], CARA 2", KthPrice(k=3), PrivateValues(4, U, risk=Cara(alpha=2.0)), known)
    whole("third price, three Beta(2,5), CRRA 0.5", KthPrice(k=3), PrivateValues(3, B, risk=Crra(rho=0.5)))
    double = Uniform(0.0, 2.0)
    whole("mean of all bids, U[0,1], U[0,2], U[0,2]", MeanOfAll(), PrivateValues(priors=(U, double, double)))
    one, half = Exponential(1.0), Uniform(0.5, 1.5)
    for name, buyer, seller in (
        ("Beta(2,2), Beta(2,2)", hill, hill),
        ("Beta(2,5), Beta(2,2)", B, hill),
        ("exponential, exponential", one, one),
        ("U[.5,1.5], Beta(2,2)", half, hill),
    ):
        whole("double auction " + name, DoubleAuction(), BilateralTrade(buyer, seller))
    return 0
