"""Priors made of values and weights, of measured data, and of a CSV file."""

import numpy as np
import pytest
from scipy import integrate

from auctionlab import registry
from auctionlab.environments.priors import Discrete, Empirical
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.rng import stream

DICE = Discrete((3.0, 1.0, 2.0), (2.0, 1.0, 1.0))
DATA = Empirical((4.0, 1.0, 2.0, 10.0))


def test_discrete_puts_weight_over_total_on_each_value():
    assert DICE.support.tolist() == [1, 2, 3]
    assert DICE.masses.tolist() == [0.25, 0.25, 0.5]
    assert DICE.cdf(np.array([0.9, 1.0, 1.5, 2.0, 3.0, 9.0])).tolist() == [0, 0.25, 0.25, 0.5, 1, 1]
    assert DICE.sf(np.array([0.9, 1.0, 1.5, 2.0, 3.0, 9.0])).tolist() == [1, 0.75, 0.75, 0.5, 0, 0]
    assert DICE.expectation == 2.25  # (1 + 2 + 2 · 3) / 4
    assert (DICE.low, DICE.high, DICE.atoms) == (1, 3, True)


def test_discrete_quantile_is_the_least_value_that_reaches_p():
    assert DICE.quantile(np.array([0, 0.25, 0.2501, 0.5, 0.51, 1])).tolist() == [1, 1, 2, 2, 3, 3]
    many = Discrete(tuple(float(k) for k in range(10)))  # cumulated tenths do not sum to 1 exactly
    assert many.quantile(np.array([1.0, 1 - 2**-53])).tolist() == [9, 9]
    assert many.cdf(np.array([9.0]))[0] == 1


def test_discrete_samples_fall_as_their_masses():
    size = 40_000
    draws = DICE.quantile(stream(3).random((size,)))
    shares = [(draws == value).mean() for value in DICE.support]
    # sampling: standard error √(p (1−p) / N) ≤ 0.0025
    assert shares == pytest.approx(DICE.masses.tolist(), abs=4 * 0.0025)


def test_discrete_drops_weightless_values_and_merges_repeated_ones():
    prior = Discrete((5.0, 1.0, 1.0, 9.0), (1.0, 1.0, 2.0, 0.0))
    assert prior.support.tolist() == [1, 5]
    assert prior.masses.tolist() == [0.75, 0.25]
    assert prior.high == 5


def test_discrete_has_no_density():
    for function in (DICE.pdf, DICE.hazard):
        with pytest.raises(NoEquilibrium, match="no density"):
            function(np.array([1.0]))


def test_empirical_is_linear_between_order_statistics():
    # Hyndman and Fan (1996), definition 7: the k-th of m values has F = (k − 1)/(m − 1)
    assert DATA.cdf(np.array([1, 2, 4, 10])) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert DATA.cdf(np.array([-1, 3, 7, 99])) == pytest.approx([0, 0.5, 5 / 6, 1])
    assert DATA.sf(np.array([-1, 3, 7, 99])) == pytest.approx([1, 0.5, 1 / 6, 0])
    assert DATA.pdf(np.array([0.9, 1, 1.5, 2, 5, 10, 11])) == pytest.approx([0, 1 / 3, 1 / 3, 1 / 6, 1 / 18, 1 / 18, 0])
    assert DATA.quantile(np.array([0, 0.5, 1])).tolist() == [1, 3, 10]
    assert (DATA.low, DATA.high, DATA.atoms) == (1, 10, False)
    assert DATA.breaks.tolist() == [2, 4]


def test_empirical_quantiles_are_those_of_numpy():
    data = stream(2).random(200) ** 3
    p = stream(4).random(500)
    np.testing.assert_allclose(Empirical(tuple(data)).quantile(p), np.quantile(data, p), rtol=1e-12)


def test_empirical_expectation_and_density_agree_with_quadrature():
    prior = Empirical(tuple(stream(6).random(9)))
    inner = prior.breaks.tolist()
    area = integrate.quad(prior.sf, prior.low, prior.high, points=inner, limit=200)[0]
    assert prior.expectation == pytest.approx(prior.low + area, rel=1e-10)
    assert integrate.quad(prior.pdf, prior.low, prior.high, points=inner, limit=200)[0] == pytest.approx(1, rel=1e-10)


def test_tied_data_still_have_a_density():
    prior = Empirical((1.0, 2.0, 2.0, 2.0, 3.0))
    # mean ranks 1, 3 and 5, from 0 to 1
    assert prior.cdf(np.array([1, 2, 3])).tolist() == [0, 0.5, 1]
    assert np.isfinite(prior.pdf(np.array([1, 2, 2.5, 3]))).all()


def test_survival_near_the_top_of_much_data_is_not_lost_to_rounding():
    prior = Empirical(tuple(np.arange(100_001.0)))
    assert prior.sf(np.array([100_000 - 1e-9]))[0] == pytest.approx(1e-14, rel=1e-2)  # the value's own rounding


def test_a_column_of_a_file_becomes_the_data(tmp_path):
    file = tmp_path / "bids.csv"
    file.write_text("\ufeffwho,bid\nann,1.5\n\nbob, 2\ncat,10\n", encoding="utf-8")
    prior = Empirical(file=str(file), column="bid")
    assert prior == Empirical((1.5, 2.0, 10.0))
    assert hash(prior) == hash(Empirical((1.5, 2.0, 10.0)))
    assert registry.describe(prior) == {"kind": "empirical", "data": [1.5, 2.0, 10.0]}
    file.unlink()
    assert registry.build("priors", registry.describe(prior)) == prior


@pytest.mark.parametrize("text", ["3\n1\n2\n", "bid\n3\n1\n2\n"])
def test_an_only_column_needs_no_name_nor_heading(tmp_path, text):
    file = tmp_path / "bids.csv"
    file.write_text(text)
    assert Empirical(file=str(file)).data == (3.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "column", "complaint"),
    [
        ("who,bid\na,1\nb,oops\n", "bid", "file 'F', column 'bid', line 3: should be a finite number, got 'oops'"),
        ("bid\n1\nNaN\n", "", "file 'F', column 'bid', line 3: should be a finite number, got 'NaN'"),
        ("1\n2\ninf\n", "", "file 'F', line 3: should be a finite number, got 'inf'"),
        ("who,bid\na,1\nb\n", "bid", "file 'F', column 'bid', line 3: should be a finite number, got ''"),
        ("who,bid\na,1\n", "bdi", "file 'F': unknown column 'bdi'. Did you mean 'bid'?"),
        ("who,bid\na,1\n", "", "column: should name one of the columns of 'F': who, bid"),
        ("", "", "file 'F': is empty; a CSV file with a column of numbers is needed"),
        ("bid\n", "", "file 'F', column 'bid': holds no numbers"),
        ("bid\n7\n7\n", "", "file 'F': should hold at least two different values, got 1"),
        (b"\xff\xfe\x00\x01", "", "file: 'F' is not a CSV text file in UTF-8"),
        (b"1\n2\x00\n3\n", "", "file 'F', line 2: should be a finite number, got '2\\x00'"),
    ],
)
def test_a_bad_file_is_answered_in_one_sentence(tmp_path, text, column, complaint):
    file = tmp_path / "bids.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        registry.build("priors", {"kind": "empirical", "file": str(file), "column": column})
    assert str(caught.value).replace(str(file), "F") == f"empirical: {complaint}"


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        Empirical(file=str(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match="cannot read"):
        Empirical(file=str(tmp_path))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"kind": "empirical"}, "empirical: missing key 'data' (numbers) or 'file' (a CSV file)"),
        ({"kind": "empirical", "data": [1, 2], "file": "x"}, "empirical: data, file: give one of the two"),
        ({"kind": "empirical", "data": [1, "x"]}, "empirical: data.1: should be a valid number, got 'x'"),
        ({"kind": "empirical", "data": [3, 3]}, "empirical: data: should hold at least two different values, got 1"),
        ({"kind": "discrete", "values": [1, 2], "weights": [1]}, "discrete: weights: should be 2, one a value, got 1"),
        (
            {"kind": "discrete", "values": [1, 2], "weights": [2, -1]},
            "discrete: weights: should be 0 or more, got -1.0",
        ),
        (
            {"kind": "discrete", "values": [1], "weights": [0]},
            "discrete: weights: should sum to more than 0, got only zeros",
        ),
        ({"kind": "discrete", "values": []}, "discrete: values: should be at least one number, got none"),
    ],
)
def test_bad_numbers_are_answered_in_one_sentence(table, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.build("priors", table)
    assert str(caught.value) == complaint


@pytest.mark.parametrize("data", [(1.0, np.nan), (1.0, np.inf), (1.0, "x"), "text", None])
def test_python_callers_are_checked_too(data):
    with pytest.raises(ConfigError, match="data"):
        Empirical(data)


def test_arrays_are_welcome():
    assert Empirical(np.array([1.0, 2.0, 4.0])) == Empirical((1.0, 2.0, 4.0)) == Empirical([1, 2, 4])
