"""Memory that this process holds, at its peak."""

from __future__ import annotations

import contextlib
import resource


def forget_peak() -> None:
    """Let the peak be counted from here on, where the system can; Linux does."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # proc(5): the peak becomes what is resident now


def peak() -> int:
    """Bytes, since the process began or the peak was forgotten."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
