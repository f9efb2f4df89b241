"""Ctrl-C and SIGTERM during training: the step in hand is finished and checkpointed before the program leaves."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Stop:
    """`asked` turns true with the first signal; a second one does what it would do outside."""

    asked = False


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
    """Within the block, the first SIGINT or SIGTERM only sets `asked`. Outside the main thread nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    before = {}

    def handle(number: int, frame: object) -> None:
        if stop.asked and callable(before[number]):
            before[number](number, frame)
        stop.asked = True

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
