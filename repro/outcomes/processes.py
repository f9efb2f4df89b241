"""Which process is meant, on which machine, and whether it still runs: a number alone says neither."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any


def here() -> dict[str, str | None]:
    """The machine, as far as process numbers are its own: containers share a kernel's name, and clusters have many a `localhost`."""
    return {"host": socket.gethostname(), "boot": _boot(), "space": _process_space()}


@cache
def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


@cache
def _process_space() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def start_of(pid: int) -> str | None:
    """When the process started, in the kernel's ticks since boot: with the pid, it names the process. None: there is none, or it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]  # a zombie keeps its number until its parent looks
    except (OSError, IndexError):
        return None


def this_process() -> dict[str, Any]:
    """What tells this process from all others, on all machines."""
    return {**here(), "pid": os.getpid(), "started": start_of(os.getpid())}


def same_machine(owner: dict[str, Any]) -> bool:
    """Whether a process number of that owner means something here."""
    own = here()
    return all(owner.get(name) == own[name] for name in own)


def alive(owner: dict[str, Any]) -> bool:
    """Whether a process of this machine still runs."""
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    started = owner.get("started")
    return started is None or started == start_of(owner["pid"])
