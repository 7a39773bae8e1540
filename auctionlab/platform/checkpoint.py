"""Arrays to bytes and back: npz without pickle, in parts that a database takes as one value each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import ContractError, StoreError

PART_BYTES: Final = 128 * 2**20  # well below 256 MB


def pack(arrays: Mapping[str, Array]) -> list[bytes]:
    """Arrays of any shape, kind and name (but not of Python objects) as the parts of one npz archive.

    Raises ContractError for an array of objects, which only pickle could hold.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            array = np.asarray(value)
            if array.dtype.hasobject:
                raise ContractError(f"state {name!r}: an array of Python objects cannot be saved; use numbers or text")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    whole = file.getbuffer()
    return [bytes(whole[start : start + PART_BYTES]) for start in range(0, len(whole), PART_BYTES)]


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
