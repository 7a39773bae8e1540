"""Every bid of a run as one file, Parquet or CSV, with a codebook of its columns beside it.

Rows are read and written in portions, so memory does not grow with the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from auctionlab.errors import AuctionlabError, ConfigError
from auctionlab.experiments.metric_table import stopped_rounds
from auctionlab.experiments.tables import json_text
from auctionlab.experiments.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from auctionlab.platform.runs import RunInfo
    from auctionlab.platform.store import Store

FORMATS: Final = (".parquet", ".csv")

COLUMNS: Final[dict[str, tuple[str, str]]] = {  # column -> unit, meaning
    "run_id": ("", "number of the run in the database"),
    "round": ("", "round of the market, from 0"),
    "replication": ("", "independent copy of the market, from 0; the unit of statistics"),
    "group_index": ("", "which of the simultaneous auctions of the replication, from 0"),
    "seat": ("", "position in the auction, from 0"),
    "agent_id": ("", "the bidder: its number in the population, from 0"),
    "role": ("", "seats that are exchangeable share a role"),
    "strategy": ("", "kind of the bidder's strategy"),
    "signal": ("money", "what the seat knew; JSON where it is a vector"),
    "value": ("money", "what its payoff depends on; equals the signal where values are private"),
    "message": ("money", "what it sent, a bid where the message is a price; empty: took no part; JSON for a vector"),
    "allocation": ("share", "what it got in the realised outcome, ties and lotteries drawn; JSON for a vector"),
    "payment": ("money", "from the seat to the mechanism; negative: the seat receives"),
    "utility": ("money", "value minus payment, through the risk attitude where the environment has one"),
    "stopped": ("", "1 from the round on in which a learner's numbers overflowed; the whole replication is not judged"),
}


def export_bids(store: Store, run: RunInfo, path: str | Path) -> int:
    """Write every recorded bid of a run, and the codebook `<name>.codebook.md`; returns the number of rows.

    Where a learner's overflowing numbers stopped replications, a last column `stopped` marks their rows from then on.
    The format follows the ending of `path`: .parquet or .csv. The file appears when it is whole.
    Raises ConfigError for another ending or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise ConfigError(f"--to {str(target)!r}: the file should end in {' or '.join(FORMATS)}")
    write = _write_parquet if target.suffix.lower() == ".parquet" else _write_csv
    with _appears_whole(target) as part:
        rows, dtypes = write(_parts(store, run), part)
        if not rows:
            raise AuctionlabError(
                f"run {run.id} has no recorded bids (record.bids = {_policy(run)!r}); nothing was written"
            )
    target.with_suffix(".codebook.md").write_text(codebook(run, target.name, rows, dtypes), encoding="utf-8")
    return rows


@contextmanager
def _appears_whole(target: Path) -> Iterator[Path]:
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        os.replace(part, target)
    except OSError as error:
        raise ConfigError(f"cannot write {str(target)!r}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def _policy(run: RunInfo) -> str:
    return str(run.config.get("record", {}).get("bids", "all"))


def _parts(store: Store, run: RunInfo) -> Iterator[pd.DataFrame]:
    """The rows of the run in order of play, with each bidder's role and strategy; at least one frame, maybe empty."""
    import pandas as pd

    agents = store.agents(run.id)  # in order of agent_id, which counts from 0
    roles, strategies = agents["role"].to_numpy(), pd.Categorical(agents["strategy"])
    stops = stopped_rounds(store, run.id)
    for frame in store.bid_parts(run.id):
        for name in [name for name, dtype in frame.dtypes.items() if dtype.kind == "O"]:
            frame[name] = frame[name].map(_as_json).astype("str")
        who, after = frame["agent_id"].to_numpy(), list(frame.columns).index("agent_id") + 1
        frame.insert(after, "role", roles[who])
        frame.insert(after + 1, "strategy", pd.Series(strategies.take(who)))
        if stops:
            frame["stopped"] = (frame["round"] >= frame["replication"].map(stops).fillna(run.rounds)).astype(int)
        yield frame


def _as_json(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _write_csv(frames: Iterator[pd.DataFrame], path: Path) -> tuple[int, dict[str, str]]:
    rows = 0
    dtypes: dict[str, str] = {}
    with path.open("w", newline="", encoding="utf-8") as file:
        for frame in frames:
            dtypes = dtypes or _types(frame)
            frame.to_csv(file, index=False, header=rows == 0)
            rows += len(frame)
    return rows, dtypes


def _write_parquet(frames: Iterator[pd.DataFrame], path: Path) -> tuple[int, dict[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, dtypes, writer = 0, {}, None
    try:
        for frame in frames:
            if writer is None:
                dtypes = _types(frame)
                arrow = {"whole number": pa.int64(), "number": pa.float64(), "text": pa.string()}
                schema = pa.schema([(name, arrow[kind]) for name, kind in dtypes.items()])
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            rows += len(frame)
    finally:
        if writer is not None:
            writer.close()
    return rows, dtypes


def _types(frame: pd.DataFrame) -> dict[str, str]:
    words = {"i": "whole number", "u": "whole number", "f": "number"}
    return {str(name): words.get(getattr(dtype, "kind", "O"), "text") for name, dtype in frame.dtypes.items()}


def codebook(run: RunInfo, file: str, rows: int, dtypes: dict[str, str]) -> str:
    """What the columns of an exported file mean, and which run they come from, as Markdown."""
    lines = [
        f"# {file}",
        "",
        f"{rows:,} bids of run {run.id}, {run.name!r}: {counted(run.rounds, 'round')} × "
        f"{counted(run.replications, 'replication')} × {counted(run.groups, 'auction')} × {counted(run.seats, 'seat')}"
        f", seed {run.seed}, status {run.status}; recorded: {_policy(run)!r}. One row is one seat of one auction.",
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
        *(
            f"| {name} | {kind} | {COLUMNS.get(name, ('', ''))[0] or '–'} | {COLUMNS.get(name, ('', ''))[1]} |"
            for name, kind in dtypes.items()
        ),
        "",
        "Config of the run:",
        "",
        "```json",
        json_text(run.config),
        "```",
        "",
        f"Versions: {', '.join(f'{name} {version}' for name, version in dict(run.versions).items())}.",
        "",
    ]
    return "\n".join(lines)
