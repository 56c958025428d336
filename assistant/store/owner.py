"""Which process writes a reply, and whether it still lives.

An owner is "host:pid:start". A process id alone is not enough: ids are used again, so the moment the process started
is part of the name.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import cache
from pathlib import Path

from assistant.store.clock import now

# A writer renews its reply about once a second; one on another host that was silent for so long is taken for dead.
SILENCE_MS = 60_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _start_of(pid: int) -> str | None:
    """A process's start, or None where it does not run or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        boot = _BOOT_ID.read_text()[:8]
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):  # killed, and not yet collected by its parent
        return None
    return f"{boot}-{int(fields[19])}"


@cache
def _name_of(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_start_of(pid) or 'unknown'}"


def this_process() -> str:
    """The owner that this process signs with."""
    return _name_of(os.getpid())


def is_alive(owner: str | None, updated_at: int) -> bool:
    """Whether `owner` may still be writing a reply that it last touched at `updated_at` (UTC milliseconds)."""
    if owner == this_process():
        return True
    recent = now() - updated_at < SILENCE_MS
    host, _, rest = (owner or "").rpartition(":")[0].rpartition(":")
    start = (owner or "").rpartition(":")[2]
    if not rest.isdecimal():
        return False
    if host != socket.gethostname():
        return recent
    if _BOOT_ID.exists():
        return _start_of(int(rest)) == start
    # os.kill(pid, 0) would interrupt the process on Windows.
    return recent if sys.platform == "win32" else _runs(int(rest))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
