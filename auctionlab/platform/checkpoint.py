"""Arrays to bytes and back: npz without pickle, in parts that a database takes as one value each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final, cast

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import ContractError, StoreError

PART_BYTES: Final = 16 * 2**20  # a part is held in memory, and copied once more by the database's driver


def pack(arrays: Mapping[str, Array], put: Callable[[bytes], object]) -> None:
    """Give `put`, one by one, the parts of one npz archive of arrays of any shape, kind and name.

    Raises ContractError for an array of Python objects, which only pickle could hold.
    """
    for name, value in arrays.items():
        if np.asarray(value).dtype.hasobject:
            raise ContractError(f"state {name!r}: an array of Python objects cannot be saved; use numbers or text")
    parts = _Parts(put)
    with zipfile.ZipFile(cast(IO[bytes], parts), "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)
    parts.put(bytes(parts.waiting))


class _Parts:
    """A file to write to, which gives away what it holds as soon as that fills a part."""

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self.put, self.waiting = put, bytearray()

    def write(self, data: bytes) -> int:
        self.waiting += data
        while len(self.waiting) >= PART_BYTES:
            self.put(bytes(self.waiting[:PART_BYTES]))
            del self.waiting[:PART_BYTES]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back but the last part."""


def unpack(parts: Sequence[bytes]) -> dict[str, Array]:
    """What `pack` was given; raises StoreError where bytes are missing or changed."""
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
            for info in archive.infolist():
                with archive.open(info) as entry:
                    array = np.lib.format.read_array(entry, allow_pickle=False)
                    if entry.read(1):  # reading to the end also checks the sum
                        raise ValueError("trailing bytes")
                arrays[info.filename.removesuffix(".npy")] = array
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise StoreError(f"the checkpoint is damaged ({error}); start the run again with --again") from error
    return arrays
