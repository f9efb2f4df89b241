"""One attempt at a run: claimed, its heart beating while it is worked on, its end recorded whatever it is. No torch."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from repro.data.fields import without_secrets
from repro.errors import UserError
from repro.outcomes import claims, predicted
from repro.outcomes.store import Store, now
from repro.planning.calibration import Calibration
from repro.preflight import environment
from repro.types import Failure, Result, Run

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

    `do(run, folder, on_step)` returns its result, not yet stored; `where()` describes the device for the record of a failure. Where there is
    a `calibration`, what it predicted of a run is recorded with the result, from which it then learns.
    """

    do: Callable[[Run, Path, OnStep], Result]
    where: Callable[[], dict[str, Any]]
    calibration: Calibration | None = None


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

    foreseen = work.calibration.predict(run) if work.calibration else None
    try:
        result = work.do(run, folder, on_step)
        if foreseen and foreseen.seconds is not None:
            result = result.model_copy(update={"extras": {**result.extras, predicted.FIELD: foreseen.as_json()}})
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
    if work.calibration:
        work.calibration.add(result)
    listener.finished(run, result)
    return result


def _record(
    run: Run, store: Store, folder: Path, work: Work, listener: Listener, error: str, trace: str, details: dict[str, Any] | None = None
) -> Failure:
    """Leave word of a run that broke."""
    described = {**environment.describe(), **work.where()}
    error, trace = without_secrets(error), without_secrets(trace)  # libraries put addresses into messages
    failure = Failure(key=run.key, run=run, error=error, trace=trace, environment=described, failed=now(), details=details or {})
    store.fail(folder, failure)
    listener.failed(run, failure)
    return failure


@contextlib.contextmanager
def heartbeat(store: Store, folder: Path) -> Iterator[Heart]:
    """While the block lasts the claim's heart beats and leaves word of how far the run is; then the run is given back."""
    heart = Heart()

    def look(held: bool) -> None:
        heart.lost = heart.lost or not held
        if heart.at and not heart.lost:
            store.proceed(folder, *heart.at)

    try:
        with store.claims.beating(folder, look):
            yield heart
    finally:
        store.release(folder)
