"""Ctrl-C outside the training loop: leave at once, the way a kill would, with one line.

Raising KeyboardInterrupt instead would be caught by libraries that guard their imports with bare excepts, which leaves half-imported
modules behind. Nothing is lost: whatever is written is written under a temporary name first. The training loop has its own handling.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from repro.__main__ import LINE


@contextlib.contextmanager
def at_once(tidy: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGINT runs `tidy` (which gives the terminal back), prints the line, and ends the process with 130."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        with contextlib.suppress(Exception):
            tidy()
        print(f"\n{LINE}", file=sys.stderr, flush=True)
        os._exit(130)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
