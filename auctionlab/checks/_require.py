"""What every contract check ends with: a ContractError that names the culprit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import ContractError


def require_finite(what: str, array: Array, sent: Array | None = None) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        at = f" at messages {sent[row].tolist()}" if sent is not None else ""
        raise ContractError(f"{what} contain {array[bad][0]}{at}")


def require(holds: Any, complaint: str) -> None:
    """Raise ContractError with `complaint` unless `holds`."""
    if not holds:
        raise ContractError(re.sub(r"\s+", " ", complaint))
