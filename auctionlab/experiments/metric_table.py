"""The metric table of a run, read back: its names in parts, its values by replication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from auctionlab.arrays import Array
from auctionlab.experiments.config import Config
from auctionlab.experiments.names import STOPPED, MetricName
from auctionlab.experiments.parties import Party


class MetricTable:
    """DataFrames with the columns replication, round, value, name, role, strategy, cell.

    window : one value a replication; by_cell : the same by cell of signals; over_rounds : by bin of rounds; stages : by
    bin of rounds and cell of signals, or member. stopped : (strategy, replication, round), one a replication that does
    not count because a learner's numbers overflowed.
    """

    def __init__(self, rows: Any) -> None:
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
        if frame.empty:
            frame = pd.DataFrame({"replication": [], "round": [], "name": [], "value": []})
        codes, texts = pd.factorize(frame["name"])
        parts = [MetricName.parse(str(text)) for text in texts]
        table = frame[["replication", "round", "value"]].reset_index(drop=True).astype({"value": float})
        for key in ("name", "role", "strategy", "cell"):
            table[key] = _column([getattr(part, key) for part in parts])[codes]
        failed = (table["name"] == STOPPED).to_numpy(bool)
        gone = table[failed].sort_values("replication")
        self.stopped = list(
            zip(gone["strategy"], gone["replication"].astype(int), gone["value"].astype(int), strict=True)
        )
        table = table[~failed]
        of_window, whole = table["round"].isna().to_numpy(bool), table["cell"].isna().to_numpy(bool)
        self.window, self.by_cell = table[of_window & whole], table[of_window & ~whole]
        self.over_rounds, self.stages = table[~of_window & whole], table[~of_window & ~whole]
        self._values: dict[tuple[Any, ...], Array] = {}
        for group, part in self.window.groupby(["name", "role", "strategy"], dropna=False, sort=False):
            known = tuple(None if item != item else item for item in group)
            self._values[known] = part.sort_values("replication")["value"].to_numpy()

    def values(self, name: str, party: Party | None = None) -> Array | None:
        """One value a replication, of the whole market or of a party; None where it was not measured."""
        return self._values.get((name, None, None) if party is None else (name, party.role, party.label))


def stored_metrics(store: Any, run: Any, config: Config) -> Any:
    """The metric rows of a run; of one that was killed, from what its last checkpoint had accumulated."""
    table = store.metrics(run.id)
    if len(table):
        return table
    from auctionlab.experiments.metrics import Metrics

    checkpoint = store.load_checkpoint(run.id)
    if checkpoint is None or "metrics/round" not in checkpoint[1]:
        return table
    accumulated = Metrics.of(config)
    accumulated.restore(_below("metrics/", checkpoint[1]))
    return accumulated.rows(checkpoint[1].get("market/stopped"))


def stopped_rounds(store: Any, run_id: int) -> dict[int, int]:
    """The replications that a learner's overflowing numbers stopped, each with the round from which on.

    Of a run that is not finished, from its last checkpoint.
    """
    told = store.metrics(run_id, prefix=f"{STOPPED}[")
    if len(told):
        return {int(one): int(round) for one, round in zip(told["replication"], told["value"], strict=True)}
    checkpoint = store.load_checkpoint(run_id)
    rounds = () if checkpoint is None else checkpoint[1].get("market/stopped", ((),))[0]
    return {replication: int(round) for replication, round in enumerate(rounds) if round >= 0}


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _column(values: list[Any]) -> Array:
    """Objects with None where there is nothing."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
