"""Ironing against hulls worked out by hand, and against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Beta, Discrete, Empirical, Exponential, Lognormal, Power, Scipy, Uniform
from auctionlab.errors import ConfigError
from auctionlab.theory.ironing import concave_hull, crossing, discrete_virtual_values, iron


def test_square_root_prior_is_ironed_up_to_a_quarter():
    # F = √v: R(q) = q (1 − q)², R(1) = 0. The tangent from (1, 0) touches where R′ = −R/(1 − q): 1 − 3q = −q, q = 1/2,
    # with slope −1/4; q in [1/2, 1] is v in [0, 1/4]
    ((low, high, virtual),) = iron(Power(exponent=0.5)).flats
    assert (low, high, virtual) == pytest.approx((0.0, 0.25, -0.25), abs=1e-14)


def test_two_uniform_pieces_are_ironed_around_the_jump():
    # density 1/2 on [1, 2], 1/6 on [2, 5]: ψ = 2v − 3, then 2v − 5. Both equal λ at v₁ = (λ + 3)/2 and at v₁ + 1, with
    # q₁ = (3 − v₁)/2, q₂ = (4 − v₁)/6, q₁ − q₂ = (5 − 2v₁)/6. The chord R₁ − R₂ = λ (q₁ − q₂), times 6:
    # 3 v₁ (3 − v₁) − (v₁ + 1)(4 − v₁) = (2v₁ − 3)(5 − 2v₁), so 2v₁² − 10v₁ + 11 = 0 and v₁ = (5 − √3)/2
    ((low, high, virtual),) = iron(Empirical(data=(1.0, 2.0, 5.0))).flats
    root = (5 - 3**0.5) / 2
    assert (low, high, virtual) == pytest.approx((root, root + 1, 2 * root - 3), rel=1e-13)


@pytest.mark.parametrize("prior", [Uniform(), Exponential(), Beta(a=2.0, b=3.0), Lognormal(mu=0.0, sigma=0.5)])
def test_regular_priors_have_no_flat_part(prior):
    assert iron(prior).flats == ()


@pytest.mark.parametrize(
    "prior",
    [
        Power(exponent=0.5),
        Beta(a=0.5, b=0.5),
        Lognormal(mu=0.0, sigma=2.0),
        Empirical(data=(0.0, 1.0, 1.1, 1.3, 4.0, 4.5, 9.0, 9.1)),
        Scipy(name="pareto", parameters={"b": 3.0}),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_ironed_values_rise_and_average_like_the_virtual_values(prior):
    ironed = iron(prior)
    values = np.unique(prior.quantile(np.linspace(0.0005, 0.9995, 4001)))
    assert np.all(np.diff(ironed(values)) >= -1e-9)
    for low, high, virtual in ironed.flats:  # λ (q₁ − q₂) = R₁ − R₂, and ψ meets λ at inner ends
        first, last = (float(prior.sf(np.asarray(end))) for end in (low, high))
        assert virtual * (first - last) == pytest.approx(low * first - high * last, abs=1e-12)
        assert ironed(np.array([low, (low + high) / 2])) == pytest.approx([virtual] * 2, rel=1e-12)


def test_empirical_prior_of_many_data_matches_the_hull_of_a_fine_grid():
    data = tuple(np.random.default_rng(3).lognormal(size=200))  # numpy: test data, not the product's draws
    prior = Empirical(data=data)
    ironed = iron(prior)
    values = np.unique(np.concatenate([np.linspace(prior.low, prior.high, 200_001), data]))
    sold = np.asarray(prior.sf(values))[::-1]
    earned = (values * prior.sf(values))[::-1]
    corners = concave_hull(sold, earned)
    hull = np.interp(sold, sold[corners], earned[corners])
    # ∫ ψ̄ over the highest q is the hull: between the inner quantiles, compared at nodes
    levels = np.linspace(0.01, 0.99, 99)
    fine = (np.arange(400_000) + 0.5) / 400_000
    slope = np.asarray(ironed(prior.quantile(1 - fine)))
    area = np.interp(levels, fine + 0.5 / 400_000, np.cumsum(slope) / 400_000)
    np.testing.assert_allclose(area, np.interp(levels, sold, hull), atol=2e-4)  # midpoint rule across jumps


def test_thresholds_of_flat_parts():
    ironed = iron(Empirical(data=(1.0, 2.0, 5.0)))
    ((low, high, virtual),) = ironed.flats
    z = np.array([-5.0, -1.0, 0.0, virtual, 1.0, 5.0, 6.0])
    np.testing.assert_allclose(ironed.lowest(z), [1.0, 1.0, 1.5, low, 3.0, 5.0, 6.0], rtol=1e-13)
    np.testing.assert_allclose(ironed.beyond(z), [1.0, 1.0, 1.5, high, 3.0, 5.0, 6.0], rtol=1e-13)


@pytest.mark.parametrize("prior", [Beta(a=0.5, b=0.5), Lognormal(mu=0.0, sigma=2.0), Beta(a=2.0, b=3.0)])
def test_lowest_undoes_ironed_values_off_the_flat_parts(prior):
    ironed = iron(prior)
    values = np.asarray(prior.quantile(np.linspace(0.01, 0.999, 500)))
    values = np.array([v for v in values if not any(low <= v <= high for low, high, _ in ironed.flats)])
    np.testing.assert_allclose(ironed.lowest(ironed(values)), values, rtol=1e-11)


def test_discrete_values_of_one_flat_share_the_slope_of_the_hull():
    prior = Discrete(values=(1.0, 2.0, 3.0), weights=(1.0, 0.1, 1.0))
    # unironed 1 − 1.1 = −0.1, 2 − 1/0.1 = −8, 3: the first two become (R₁ − R₃)/(q₁ − q₃) = (2.1 − 3)/1.1
    np.testing.assert_allclose(discrete_virtual_values(prior), [-0.1, -8.0, 3.0], rtol=1e-13)
    np.testing.assert_allclose(iron(prior)(np.array([1.0, 2.0, 3.0])), [-0.9 / 1.1, -0.9 / 1.1, 3.0], rtol=1e-13)
    assert iron(prior).flats[0][:2] == (1.0, 3.0)


def test_infinite_expectation_is_refused():
    with pytest.raises(ConfigError, match="expected value should be finite"):
        iron(Scipy(name="pareto", parameters={"b": 0.9}))


def test_crossings_are_found_at_jumps_and_roots():
    def function(x):
        return np.where(x < 0.3, x, x + 1)

    found = crossing(function, np.zeros(4), np.ones(4), np.array([0.1, 0.3, 0.7, 1.5]))
    np.testing.assert_allclose(found, [0.1, 0.3, 0.3, 0.5], rtol=1e-14)
