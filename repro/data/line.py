"""What ties a transfer to its caller: reports, a stop, patience, and the reason for a failure."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import requests

from repro.data.manifest import Record


class Patience(Record):
    """How long to wait, in seconds, and how often to try one host before the next mirror is asked."""

    connect: float = 10.0
    read: float = 30.0
    tries: int = 4
    backoff: float = 1.0
    longest_wait: float = 120.0


class TransferError(Exception):
    """Why a host did not give the file.

    `retry`: the same host may do better, after `wait` seconds where it named them; `restart`: only from the first byte, for the bytes here
    are not this file's; `unreachable`: there was no answer at all.
    """

    def __init__(self, why: str, *, retry: bool = False, restart: bool = False, wait: float | None = None, unreachable: bool = False):
        super().__init__(why)
        self.why, self.retry, self.restart, self.wait, self.unreachable = why, retry, restart, wait, unreachable


class Stopped(Exception):
    """Another thread asked for an end; what arrived is kept."""


class Line:
    """What a transfer reports to and is stopped by. `on_bytes(done, total)` is called from the transferring thread."""

    def __init__(self, on_bytes: Callable[[int, int | None], None] | None = None):
        self._on_bytes = on_bytes
        self._stop = threading.Event()
        self._response: requests.Response | None = None

    def report(self, done: int, total: int | None) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._on_bytes:
            self._on_bytes(done, total)

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End the transfer soon, even where it hangs in a read."""
        self._stop.set()
        if response := self._response:
            with contextlib.suppress(Exception):
                response.raw.shutdown()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    @contextlib.contextmanager
    def on(self, response: requests.Response) -> Iterator[None]:
        self._response = response
        try:
            with response:
                yield
        finally:
            self._response = None
