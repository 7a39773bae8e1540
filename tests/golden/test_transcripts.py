"""Golden transcripts: a few played auctions of every mechanism as text, compared word for word.

After a change that is meant to change outcomes: `pytest tests/golden --regenerate-golden`, and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auctionlab.checks.evidence import show
from auctionlab.registry import describe, kinds
from auctionlab.rng import Source

FOLDER = Path(__file__).parent
AUCTIONS = 3


@pytest.mark.parametrize("kind", sorted(kinds("mechanisms")))
def test_transcript(kind, request):
    file = FOLDER / f"{kind}.txt"
    text = transcript(kind)
    if request.config.getoption("--regenerate-golden"):
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{kind} has no transcript yet; see the docstring of this file"
    assert file.read_text(encoding="utf-8") == text, f"{file.name} differs; see the docstring of this file"


def transcript(kind: str) -> str:
    """Every example of a mechanism, played with bids on a coarse grid so that ties and staying out occur."""
    parts = [f"{kind}: {AUCTIONS} auctions of each example; bids are values rounded to a tenth of the largest\n"]
    for number, (mechanism, environment) in enumerate(kinds("mechanisms")[kind].examples()):
        source = Source(seed=number, replications=AUCTIONS)
        signals, values = environment.sample(source.stream(0, "deal"), AUCTIONS)
        messages = np.maximum(np.round(signals / signals.max(), 1) * signals.max(), 0)
        outcome = mechanism.run(messages, source.stream(0, "settle"))
        utility = environment.utility(outcome, values)
        price = mechanism.price(messages)
        parts.append(f"\n{_config(describe(mechanism))}\n{_config(describe(environment))}\n")
        parts.append(f"claims {', '.join(sorted(mechanism.claims(environment)))}\n")
        for row in range(AUCTIONS):
            parts.append(f"  auction {row + 1}\n")
            entries = {"value": values, "bid": messages, "gets": outcome.allocation, "pays": outcome.payments}
            entries |= {"utility": utility} | ({} if price is None else {"price to win": price})
            for name, array in entries.items():
                parts.append(f"    {name:<12}  {show(np.round(array[row], 6))}\n")
    return "".join(parts)


def _config(table: dict) -> str:
    return ", ".join(f"{key} = {_plain(value)}" for key, value in table.items())


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "{" + _config(value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_plain(entry) for entry in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
