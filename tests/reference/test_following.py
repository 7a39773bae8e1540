"""Different bidders where lower bids matter: derivatives, a closed form, an equation of upper bids, a best reply."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from auctionlab.arrays import Array
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.special_priors import Beta
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import KthPrice
from auctionlab.theory.common_bids import Inverse, Part
from auctionlab.theory.equilibria import solve
from auctionlab.theory.following import Following
from auctionlab.theory.sealed import Roles
from tests.reference.losers import MeanOfAll, MeanOfLosers

U, WIDE, B = Uniform(), Uniform(0.0, 2.0), Beta(2.0, 5.0)


@pytest.mark.parametrize(
    ("rule", "priors"),
    [(MeanOfAll(), (U, B, WIDE)), (MeanOfLosers(), (U, B, B, WIDE)), (KthPrice(k=3), (U, B, B, WIDE, WIDE))],
)
def test_derivatives_of_expected_gains_are_their_differences(rule, priors) -> None:
    environment = PrivateValues(priors=priors)
    game = Following(Roles(rule, environment, tuple(environment.roles())))
    steps = np.linspace(0.0, 1.0, 7)
    kinds = list(dict.fromkeys(priors))
    at = Inverse(
        steps, np.stack([kind.quantile(steps**power) for kind, power in zip(kinds, (1, 2, 0.5), strict=True)]), 0.0, 1.0
    )

    def chances(part: Part, moved: Array) -> Array:
        part.chances = moved
        part.rivals()
        return part.gain @ part.masses

    for part in game._parts(at):
        slopes, middle = part.slopes(part.gain), part.chances
        for role in range(len(kinds)):
            for bid in range(1, len(steps) - 1):
                move = np.zeros_like(middle)
                move[role, bid] = 1e-6
                change = (chances(part, middle + move) - chances(part, middle - move)) / 2e-6
                assert slopes[:, role, bid] == pytest.approx(change, abs=1e-8)


def test_third_price_bids_of_powers_are_the_same_multiple_of_values() -> None:
    """Uniform on [0, 1] twice and on [0, 2]: F is proportional to v, so b = 2 v as for equal bidders, Kagel and Levin
    (1993); above 2 the third bidder has no rival."""
    found = solve(KthPrice(k=3), PrivateValues(priors=(U, U, WIDE)))
    v = np.linspace(0.02, 0.98, 49)
    assert all(np.abs(bid(v) - 2 * v).max() < 0.02 for bid in found.bids)
    assert found.certificate is not None
    assert found.certificate.bound < 1e-3


def test_who_values_less_stops_bidding_below_the_others() -> None:
    """The mean of all bids as price, uniform on [0, 1], [0, 2], [0, 2].

    With h the rate of log φ(b), of the strong bidders, and m the mean bid of the weak one, types φ(b) above all his
    bids are content where h (φ − (2 b + m) / 3) = 1/3. His highest type gets G(b)² (1 − (b + 2 m(b)) / 3) with G the
    chance that a strong one bids less, and m(b) the mean of such bids. Near 0 all bid their values.
    """
    found = solve(MeanOfAll(), PrivateValues(priors=(U, WIDE, WIDE)))
    weak, strong = found.bids[:2]
    levels = (np.arange(20_000) + 0.5) / 20_000
    mean, exit_bid, top = float(weak(levels).mean()), float(weak(np.array(1.0))), float(strong(np.array(2.0)))
    first = float(np.interp(exit_bid, strong(2 * levels), 2 * levels))

    def rise(b: float, phi: Array) -> Array:
        return phi / (3 * phi - 2 * b - mean)

    above = solve_ivp(rise, (exit_bid, top), [first], rtol=1e-10, dense_output=True)
    assert above.y[0, -1] == pytest.approx(2.0, abs=5e-3)
    types = np.linspace(first, 1.99, 50)
    assert np.abs(above.sol(strong(types))[0] - types).max() < 5e-3
    sent = np.sort(strong(2 * levels))  # of equally likely types
    below, lower = levels, np.cumsum(sent) / np.arange(1, len(sent) + 1)
    gets = below**2 * (1 - (sent + 2 * lower) / 3)
    assert np.interp(exit_bid, sent, gets) == pytest.approx(gets.max(), abs=1e-4)
    low = np.linspace(0.05, 0.3, 6)
    assert np.abs(weak(low) - low).max() < 2e-3
    assert found.certificate is not None
    assert found.certificate.bound < 5e-3


def test_lowest_values_that_differ_are_a_refusal() -> None:
    environment = PrivateValues(priors=(U, Uniform(0.5, 1.5), U))
    game = Following(Roles(MeanOfAll(), environment, tuple(environment.roles())))
    with pytest.raises(NoEquilibrium, match="lowest values may not differ"):
        game.follow()
