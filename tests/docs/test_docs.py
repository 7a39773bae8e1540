"""What the README and the manual show works."""

import re
from pathlib import Path

import pytest

import auctionlab
from auctionlab import registry
from auctionlab.experiments.config import load_config
from auctionlab.experiments.sources import parse
from auctionlab.experiments.sweep import load_sweep

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language):
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M))
    ]


@pytest.mark.parametrize("text", blocks("toml"))
def test_configs_in_the_manual_load(text):
    table = parse(text, "manual")
    configs = [point.config for point in load_sweep(table).points] if "sweep" in table else [load_config(table)]
    assert all(config.rounds > 0 for config in configs)


@pytest.mark.parametrize("text", blocks("python"))
def test_python_in_the_manual_runs(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUCTIONLAB_DATABASE", raising=False)
    monkeypatch.setattr(registry, "_plugins", {group: {} for group in registry.FOLDERS})
    text = text.replace("rounds=2_000", "rounds=50, replications=2")
    exec(compile(text, "manual", "exec"), {"auctionlab": auctionlab})


@pytest.mark.parametrize("name", ["half-price", "discount"])
def test_mechanisms_of_the_manual_run_as_plugins(name, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_plugins", {group: {} for group in registry.FOLDERS})
    word = "class HalfPrice" if name == "half-price" else "class Discount"
    text = next(block.values[0] for block in blocks("python") if word in block.values[0])
    (tmp_path / "mine.py").write_text(text)
    registry.load_plugin(tmp_path / "mine.py")
    config = {
        "rounds": 50,
        "replications": 2,
        "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
        "mechanism": {"kind": name},
        "agents": [{"strategy": "truthful"}],
    }
    result = auctionlab.run(config, database=f"sqlite:///{tmp_path / 'lab.db'}")
    bids = result.bids()
    won = bids[bids["allocation"] == 1]
    assert won["payment"].to_numpy() == pytest.approx(won["message"].to_numpy() / 2)


def test_links_of_the_manual_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
