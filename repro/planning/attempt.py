"""One attempt at a run: claimed, its heart beating while it is worked on, its end recorded whatever it is. No torch."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from repro.errors import UserError
from repro.outcomes import claims
from repro.outcomes.store import Store, now
from repro.preflight import environment
from repro.types import Failure, Result, Run

BEAT_SECONDS = 20.0
FIRST_SECONDS = 2.0  # until the first beat, which leaves the first word of how far a run is
MOST_DEATHS = 3  # of processes of one launch on the same state of a run; then it counts as failed

OnStep = Callable[[int, int, str], None]  # done, total, what


class Listener(Protocol):
    """Who watches: called as runs start, proceed, end."""

    def started(self, run: Run) -> None: ...
    def proceeded(self, run: Run, done: int, total: int, what: str) -> None: ...
    def finished(self, run: Run, result: Result) -> None: ...
    def failed(self, run: Run, failure: Failure) -> None: ...
    def waiting(self, runs: list[Run]) -> None: ...


class TakenOver(Exception):
    """This process was taken for dead, and another one has the run."""


class Heart:
    """What beats while a run is worked on: `at` is how far it is, `lost` turns true when another process has taken it over."""

    def __init__(self) -> None:
        self.at: tuple[int, int, str] | None = None
        self.lost = False


class Work(NamedTuple):
    """How a claimed run is worked off.

    `do(run, folder, on_step)` returns its result, not yet stored; `where()` describes the device for the record of a failure.
    """

    do: Callable[[Run, Path, OnStep], Result]
    where: Callable[[], dict[str, Any]]


def attempt(
    run: Run, store: Store, work: Work, listener: Listener, failed_elsewhere: Callable[[Run], Failure | None] = lambda run: None
) -> Result | Failure | None:
    """Claim and work off one run; None where another process has it. It may have ended between the look at it and the claim."""
    folder = store.claim(run)
    if folder is None:
        return None
    with heartbeat(store, folder) as heart:
        if ended := store.result(run) or failed_elsewhere(run):
            return ended
        if (deaths := claims.deaths(folder)) >= MOST_DEATHS:
            return _record(run, store, folder, work, listener, f"{deaths} processes died on it without getting any further", "")
        return outcome(run, store, folder, work, listener, heart)


def outcome(run: Run, store: Store, folder: Path, work: Work, listener: Listener, heart: Heart) -> Result | Failure | None:
    """Work off a claimed run; what breaks is recorded, the user's mistakes are raised. None where another process took it over."""
    listener.started(run)

    def on_step(done: int, total: int, what: str) -> None:
        heart.at = (done, total, what)
        if heart.lost:
            raise TakenOver
        listener.proceeded(run, done, total, what)

    try:
        result = work.do(run, folder, on_step)
        if not store.claims.held(folder):
            raise TakenOver
        store.finish(folder, result)
    except UserError:
        raise
    except TakenOver:
        return None
    except Exception as error:
        return _record(
            run, store, folder, work, listener, f"{type(error).__name__}: {error}", traceback.format_exc(), getattr(error, "details", {})
        )
    listener.finished(run, result)
    return result


def _record(
    run: Run, store: Store, folder: Path, work: Work, listener: Listener, error: str, trace: str, details: dict[str, Any] | None = None
) -> Failure:
    """Leave word of a run that broke."""
    described = {**environment.describe(), **work.where()}
    failure = Failure(key=run.key, run=run, error=error, trace=trace, environment=described, failed=now(), details=details or {})
    store.fail(folder, failure)
    listener.failed(run, failure)
    return failure


@contextlib.contextmanager
def heartbeat(store: Store, folder: Path) -> Iterator[Heart]:
    """While the block lasts the claim's heart beats and leaves word of how far the run is; then the run is given back."""
    ended, heart = threading.Event(), Heart()

    def beat() -> None:
        pause = FIRST_SECONDS
        while not ended.wait(pause):
            with contextlib.suppress(OSError):  # a disk that is away or full for a moment; the next beat will tell
                heart.lost = heart.lost or not store.beat(folder)
                if heart.at and not heart.lost:
                    store.proceed(folder, *heart.at)
            pause = BEAT_SECONDS

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield heart
    finally:
        ended.set()
        thread.join()
        store.release(folder)
