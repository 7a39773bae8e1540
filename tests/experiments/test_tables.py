"""Numbers and tables as text."""

from __future__ import annotations

import json
import math
import tomllib

import numpy as np
import pytest

from auctionlab.experiments.tables import cell, json_text, plain_table, toml_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.3333"),
        (12345.678, "12,346"),
        (20_000, "20,000"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (True, "yes"),
        ("word", "word"),
    ],
)
def test_cells_are_short(value: object, text: str) -> None:
    assert cell(value) == text


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert plain_table(["name", "n"], [["a", 1], ["bcdef", 1000]]).splitlines() == [
        "name       n",
        "-----  -----",
        "a          1",
        "bcdef  1,000",
    ]


def test_json_keeps_full_precision_and_has_null_for_nothing() -> None:
    value = {"x": 0.1 + 0.2, "y": np.array([1.0, np.nan, -np.inf]), "z": np.float64(1 / 3)}
    assert json.loads(json_text(value)) == {"x": 0.1 + 0.2, "y": [1.0, None, None], "z": 1 / 3}


@pytest.mark.parametrize(
    "value", [1, 0.5, 1e-9, True, 'two\nlines "quoted"', [1, 2], {"kind": "uniform", "data": [0.5]}]
)
def test_toml_values_read_back(value: object) -> None:
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value
