"""Which process plays a run, and whether it still lives: host, process number, and when that process began.

The start tells a process from a later one with the same number, so a run that was killed is free at once.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path


def me() -> str:
    """This process."""
    return f"{platform.node()} {os.getpid()} {_began(os.getpid())}"


def lives(owner: str | None) -> bool:
    """True where the process still runs on this computer. Processes of other computers cannot be seen: False."""
    if owner is None:
        return False
    host, number, began = owner.rsplit(" ", 2)
    return host == platform.node() and _began(int(number)) == began


def _began(number: int) -> str | None:
    """When a process began ("?" where the system does not tell); None where there is no such process."""
    stat = Path(f"/proc/{number}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            found = stat.read_text().rpartition(")")[2].split()
            return None if found[0] == "Z" else found[19]  # a zombie has ended; nobody has asked how
        except OSError:
            return None
    if number == os.getpid():
        return "?"
    if os.name != "posix":  # asking there would end the process
        return None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "?"
    return "?"
