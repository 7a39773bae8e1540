"""Accuracy and speed of equilibrium bids: `python -m benchmarks solve_accuracy [--json]`.

Worst relative error over 60 types of each mechanism, prior and number of bidders, against the closed form where there
is one (marked *: power and uniform priors; exponential with two bidders), else against a second method: integrals over
quantiles of the prior on fixed panels, which use neither the distribution function nor the panels of the theory. Time:
processor time of the 1,001-point bid table, from an environment that was never solved before; the least of three.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable

import numpy as np

from auctionlab.core import Prior
from auctionlab.environments.data_priors import Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.special_priors import Beta, Lognormal, TruncatedNormal
from auctionlab.errors import NoEquilibrium
from auctionlab.theory import bidding, means, order_price, risk_averse

PRIORS: dict[str, Callable[[], Prior]] = {  # made anew for every timing: some build tables when first used
    "uniform": Uniform,
    "uniform [1, 3]": lambda: Uniform(1.0, 3.0),
    "power 0.2": lambda: Power(0.2),
    "power 5": lambda: Power(5.0),
    "exponential": Exponential,
    "beta 2, 5": lambda: Beta(2.0, 5.0),
    "beta 0.5, 0.5": lambda: Beta(0.5, 0.5),
    "lognormal": Lognormal,
    "truncated-normal": lambda: TruncatedNormal(0.5, 0.2),
    "empirical, 200": lambda: Empirical(tuple(np.sqrt(np.arange(200.0)))),
    "scipy gamma 2.5": lambda: Scipy("gamma", {"a": 2.5}),
    "scipy weibull 0.7": lambda: Scipy("weibull_min", {"c": 0.7}),
}
COUNTS = (2, 5, 50)
ALPHA, RHO = 2.0, 0.5
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_EDGES = np.unique(np.concatenate([0.5 ** np.arange(80.0), 1 - 0.5 ** np.arange(50.0), np.linspace(0, 1, 65)]))

Array = np.ndarray
Integrand = Callable[[Array, Array], Array]  # of quantile p (V, P) and value there


def integrate(prior: Prior, power: float, low: float, top: Array, integrand: Integrand) -> Array:
    """∫ integrand(p, Q(p)) dp^power / top^power over p in [low, top], for each top (V,): (V,)."""
    result = np.empty(len(top))
    kinks = np.asarray(prior.cdf(prior.breaks)) if len(prior.breaks) else np.empty(0)
    for i, end in enumerate(top.tolist()):
        edges = low + (end - low) * _EDGES
        if power > 8:  # the weight is near the top
            edges = np.append(edges, end * np.exp(-np.arange(0, 60, 0.5) / power))
        edges = np.unique(np.concatenate([edges, kinks]))
        edges = edges[(edges >= low) & (edges <= end)]
        half = np.diff(edges)[:, None] / 2
        p = edges[:-1, None] + half * (1 + _NODES)
        weight = power * (p / end) ** (power - 1) / end
        result[i] = np.sum(half * _WEIGHTS * weight * integrand(p, prior.quantile(p)))
    return result


def mean(prior: Prior, power: float, values: Array, start: float) -> Array:
    """E[max(start, Y) | Y < v], Y with distribution F^power."""
    top, low = prior.cdf(values), float(prior.cdf(np.array(start)))
    return integrate(prior, power, low, top, lambda p, x: x) + start * (low / top) ** power


def first_price(prior: Prior, n: int, values: Array, start: float) -> Array:
    return mean(prior, n - 1, values, start)


def first_price_crra(prior: Prior, n: int, values: Array, start: float) -> Array:
    return mean(prior, (n - 1) / (1 - RHO), values, start)


def first_price_cara(prior: Prior, n: int, values: Array, start: float) -> Array:
    top, low = prior.cdf(values), float(prior.cdf(np.array(start)))
    excess = integrate(prior, n - 1, low, top, lambda p, x: np.expm1(ALPHA * x))
    return np.log1p(excess + np.expm1(ALPHA * start) * (low / top) ** (n - 1)) / ALPHA


def all_pay(prior: Prior, n: int, values: Array, start: float) -> Array:
    return prior.cdf(values) ** (n - 1) * mean(prior, n - 1, values, start)


def all_pay_cara(prior: Prior, n: int, values: Array, start: float) -> Array:
    top = prior.cdf(values)

    def slope(p: Array, x: Array) -> Array:
        gain = -np.expm1(-ALPHA * x)
        return gain / (ALPHA * (1 - p ** (n - 1) * gain))

    return top ** (n - 1) * integrate(prior, n - 1, 0.0, top, slope)


def war(prior: Prior, n: int, values: Array, start: float) -> Array:
    top = prior.cdf(values)
    return top ** (n - 1) * integrate(prior, n - 1, 0.0, top, lambda p, x: x / -np.expm1((n - 1) * np.log(p)))


def kth_payment(k: int) -> Callable[[Prior, int, bidding.Bidding, Array], tuple[Array, Array]]:
    """What winners pay by the bids of the (k−1)-th highest rival, and by the envelope: a check without the formula."""

    def compare(prior: Prior, n: int, seat: bidding.Bidding, values: Array) -> tuple[Array, Array]:
        top, rest = prior.cdf(values), n - k
        share = math.factorial(n - 1) / (math.factorial(k - 2) * math.factorial(rest)) / (rest + 1)
        paid = [
            float(integrate(prior, rest + 1, 0.0, np.array([t]), lambda p, x, t=t: seat(x) * (1 - p / t) ** (k - 2))[0])
            for t in top.tolist()
        ]
        return share * np.array(paid), mean(prior, n - 1, values, prior.low)

    return compare


Row = tuple[str, Callable[..., tuple[bidding.Bidding, ...]], object, Callable[..., Array] | None]
ROWS: list[Row] = [
    ("first-price", bidding.first_price, None, first_price),
    ("first-price, reserve", bidding.first_price, None, first_price),
    ("first-price, crra 0.5", bidding.first_price, Crra(RHO), first_price_crra),
    ("first-price, cara 2", bidding.first_price, Cara(ALPHA), first_price_cara),
    ("all-pay", bidding.all_pay, None, all_pay),
    ("all-pay, cara 2", bidding.all_pay, Cara(ALPHA), all_pay_cara),
    ("war of attrition", bidding.war_of_attrition, None, war),
    ("third-price", lambda e: bidding.kth_price(e, 3), None, None),
    ("fourth-price", lambda e: bidding.kth_price(e, 4), None, None),
]


def closed_form(rule: str, prior: Prior, n: int, v: Array) -> Array | None:
    """The bids where they are known in closed form; derivations in tests/reference/test_bidding.py."""
    exponent = 1.0 if prior == Uniform() else prior.exponent if isinstance(prior, Power) else None
    if exponent is not None:
        power, q = exponent * (n - 1), 1 / exponent
        forms = {
            "first-price": lambda: v * power / (power + 1),
            "first-price, crra 0.5": lambda: v * power / (power + 1 - RHO),
            "all-pay": lambda: v ** (power + 1) * power / (power + 1),
            "third-price": lambda: v * (1 + q / (n - 2)),
            "fourth-price": lambda: v * (1 + 2 * q / (n - 3) + q * (q - 1) / ((n - 3) * (n - 2))),
        }
        return forms[rule]() if rule in forms else None
    if isinstance(prior, Exponential) and n == 2:
        forms = {
            "first-price": lambda: 1 - v / np.expm1(v),
            "first-price, cara 2": lambda: v / 2,  # exp(2b)(1 − e^−v) = e^v − 1
            "war of attrition": lambda: v**2 / 2,
        }
        return forms[rule]() if rule in forms else None
    return None


def measure(row: Row, name: str, n: int) -> tuple[float, bool, float] | None:
    """Worst relative error, whether against a closed form, and milliseconds; None where there is no equilibrium."""
    rule, find, risk, second = row
    prior = PRIORS[name]()
    arguments = (float(prior.quantile(np.array(0.3))),) if rule.endswith("reserve") else ()
    try:
        seat = find(PrivateValues(bidders=n, prior=prior, risk=risk), *arguments)[0]
    except NoEquilibrium:
        return None
    levels = np.concatenate([np.geomspace(1e-4, 0.1, 20, endpoint=False), np.linspace(0.1, 0.999, 40)])
    values = np.asarray(prior.quantile(levels))
    values = values[values >= seat.threshold]
    expected = closed_form(rule, prior, n, values)
    closed, found = expected is not None, seat(values)
    if expected is None and second is None:
        found, expected = kth_payment(3 if rule == "third-price" else 4)(prior, n, seat, values)
    elif expected is None and second is not None:
        expected = second(prior, n, values, seat.threshold)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = float(np.nanmax(np.where(np.abs(expected) > 1e-290, np.abs(found / expected - 1), 0.0)))
    return error, closed, min(table_time(row, name, n, arguments) for _ in range(3))


def table_time(row: Row, name: str, n: int, arguments: tuple[float, ...]) -> float:
    """Milliseconds for bids at 1,001 quantiles, with nothing remembered."""
    for module in (means, order_price, risk_averse):
        for function in vars(module).values():
            getattr(function, "cache_clear", lambda: None)()
    prior, levels = PRIORS[name](), np.linspace(0, 1, 1003)[1:-1]
    values = np.asarray(PRIORS[name]().quantile(levels))
    start = time.process_time()
    row[1](PrivateValues(bidders=n, prior=prior, risk=row[2]), *arguments)[0](values)
    return 1e3 * (time.process_time() - start)


def main() -> int:
    """Print the table, or with --json a list of its rows."""
    rows = []
    bare = "--json" in sys.argv
    if not bare:
        heads = "".join(f"{f'n = {n}':>22}" for n in COUNTS)
        print(f"{'worst relative error (* closed form), ms':48}{heads}")
    for row in ROWS:
        for name in PRIORS:
            cells = []
            for n in COUNTS:
                result = measure(row, name, n)
                cells.append(
                    "none" if result is None else f"{result[0]:.1e}{'*' if result[1] else ' '} {result[2]:6.1f}"
                )
                if result is not None:
                    keys = ("error", "closed_form", "milliseconds")
                    rows.append({"mechanism": row[0], "prior": name, "n": n, **dict(zip(keys, result, strict=True))})
            if not bare:
                print(f"{row[0]:26}{name:22}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    if bare:
        print(json.dumps(rows))
        return 0
    for closed in (True, False):
        worst = max((row for row in rows if row["closed_form"] == closed), key=lambda row: row["error"])
        print(f"worst {'closed form' if closed else 'second method'}: {worst}")
    slowest = max(rows, key=lambda row: row["milliseconds"])
    print(f"slowest table: {slowest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
