"""Files that a config names, and where their paths start."""

from __future__ import annotations

from pathlib import Path

import pytest

from auctionlab.errors import ConfigError
from auctionlab.experiments.config import load_config

TEXT = """
[environment]
kind = "private-values"
bidders = 2
prior = { kind = "empirical", file = "data/values.csv" }

[mechanism]
kind = "first-price"
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "values.csv").write_text("value\n0.1\n0.4\n0.9\n")
    (tmp_path / "mine.toml").write_text(TEXT)
    return tmp_path / "mine.toml"


def test_data_files_are_found_from_the_configs_own_folder(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    prior = load_config(experiment, game_only=True).environment.priors[0]
    assert prior is not None
    assert (prior.low, prior.high) == (0.1, 0.9)


def test_a_data_file_given_on_the_command_line_is_found_from_here(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("value\n2\n3\n")
    config = load_config(experiment, ["environment.prior.file=other.csv"], game_only=True)
    assert config.environment.priors[0].high == 3  # type: ignore[union-attr]


def test_the_fingerprint_follows_the_data_and_not_the_path(experiment: Path, tmp_path: Path) -> None:
    before = load_config(experiment, game_only=True)
    (tmp_path / "same.csv").write_bytes((tmp_path / "data" / "values.csv").read_bytes())
    moved = load_config(experiment, [f"environment.prior.file={tmp_path / 'same.csv'}"], game_only=True)
    assert moved.fingerprint == before.fingerprint
    (tmp_path / "data" / "values.csv").write_text("value\n0.1\n0.5\n0.9\n")
    assert load_config(experiment, game_only=True).fingerprint != before.fingerprint


@pytest.mark.parametrize("content", ["value\n0.1\nabc\n", "value\n0.1\nnan\n", "", "value\n"])
def test_data_that_are_no_numbers_are_refused(experiment: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "data" / "values.csv").write_text(content)
    with pytest.raises(ConfigError, match=r"^mine\.toml: environment: prior: empirical: .*values\.csv"):
        load_config(experiment, game_only=True)


def test_a_missing_data_file_is_named(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "values.csv").unlink()
    with pytest.raises(ConfigError, match=r"values\.csv"):
        load_config(experiment, game_only=True)
