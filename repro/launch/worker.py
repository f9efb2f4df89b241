"""One worker process: `python -m repro.launch.worker FOLDER NAME DEVICE [--tethered]` pulls the runs of a launch until none is left.

What it prints goes to its log; with `--tethered` (to a parent on this machine) events go to its standard output, a line of JSON each, and
it stops when its standard input ends. SIGTERM: the step in hand is finished, checkpointed, the run given back. Exit codes: 0 nothing is
left for it, 2 a mistake that its last event explains, 130 stopped; anything else is a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn, TextIO

from repro.data.fields import without_secrets
from repro.errors import UserError
from repro.launch import launches
from repro.launch.launches import Launch
from repro.outcomes.predicted import prediction
from repro.outcomes.store import Store, now
from repro.types import Failure, Result, Run

DONE, MISTAKE, STOPPED = 0, 2, 130
EVENT_SECONDS = 0.2  # between two words of how far a run is


class Teller:
    """The listener of `repro.run.pull`: lines in the log, events for a parent."""

    def __init__(self, events: TextIO | None):
        self.events = events
        self.told = 0.0

    def tell(self, event: str, **fields: Any) -> None:
        if self.events:
            with contextlib.suppress(OSError, ValueError):  # the parent is gone; the tether will say so
                self.events.write(json.dumps({"event": event, **fields}) + "\n")
                self.events.flush()

    def log(self, text: str) -> None:
        print(f"{now()} {without_secrets(text)}", file=sys.stderr, flush=True)

    def started(self, run: Run) -> None:
        self.log(f"{run.key} started: {run.benchmark.title}, {run.label}")
        self.tell("started", key=run.key)

    def proceeded(self, run: Run, done: int, total: int, what: str) -> None:
        if time.monotonic() - self.told > EVENT_SECONDS or done == total:
            self.told = time.monotonic()
            self.tell("proceeded", key=run.key, done=done, total=total, what=what)

    def finished(self, run: Run, result: Result) -> None:
        told = prediction(result)
        foreseen = f", {told.seconds:.1f} s had been predicted" if told else ""
        self.log(f"{run.key} finished after {result.seconds['total']:.1f} s{foreseen}")
        self.tell("finished", key=run.key)

    def failed(self, run: Run, failure: Failure) -> None:
        self.log(f"{run.key} failed: {failure.error}\n{failure.trace}".rstrip())
        self.tell("failed", failure=failure.model_dump(mode="json", exclude={"run"}))

    def waiting(self, runs: list[Run]) -> None:
        self.tell("waiting", count=len(runs))


def main() -> NoReturn:
    folder, name, device, *options = sys.argv[1:]
    launch = launches.read(Path(folder))
    events = os.fdopen(os.dup(1), "w", encoding="utf-8") if "--tethered" in options else None
    log = os.open(launch.log_of(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if "--tethered" in options:
        _stop_with_parent()
    teller = Teller(events)
    store = Store(launch.where.runs, launch.id)
    _leave_on_signals(store)
    sys.exit(_work(launch, store, device, teller, stay="--stay" in options))


def _work(launch: Launch, store: Store, device: str, teller: Teller, stay: bool) -> int:
    try:
        from repro.planning.queue import Queue
        from repro.run import find_device, pull

        found = find_device(device)
        for plan in launch.plans():
            pull(plan, Queue(plan.runs, store, launch.before), launch.where, found, teller, stay)
        teller.log("nothing is left to do here")
        return DONE
    except UserError as error:
        teller.log("stopped: {}\n  why: {}\n  try: {}".format(*error.lines()))
        teller.tell("mistake", lines=error.lines())
        return MISTAKE
    except KeyboardInterrupt:
        teller.log("stopped by a signal; what it worked on is checkpointed")
        return STOPPED


def _leave_on_signals(store: Store) -> None:
    """Outside training a signal ends the process at once, its claims given back; training has its own handling, which comes first."""

    def leave(number: int, frame: object) -> None:
        if signal.getsignal(number) is not leave:
            return  # a second one while the step in hand is being finished
        for folder in list(store.claims.tokens):
            store.release(folder)
        print(f"{now()} stopped by a signal outside training", file=sys.stderr, flush=True)
        os._exit(STOPPED)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def _stop_with_parent() -> None:
    def watch() -> None:
        while os.read(0, 64):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
