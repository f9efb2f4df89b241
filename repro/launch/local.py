"""Worker processes on this machine: started, watched, replaced where one crashes, stopped together."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from repro.errors import UserError
from repro.launch.devices import Seat
from repro.launch.launches import Launch
from repro.launch.worker import DONE, MISTAKE, STOPPED
from repro.outcomes.store import Store
from repro.types import Failure, Result, Run

COMMAND = (sys.executable, "-m", "repro.launch.worker")
REPLACED = 3  # times that a place's worker is started again after a crash


class Watching(Protocol):
    """Who watches several workers; `lane` is which."""

    def started(self, run: Run, lane: int = 0) -> None: ...
    def proceeded(self, run: Run, done: int, total: int, what: str, lane: int = 0) -> None: ...
    def finished(self, run: Run, result: Result, lane: int = 0) -> None: ...
    def failed(self, run: Run, failure: Failure, lane: int = 0) -> None: ...
    def waiting(self, runs: list[Run], lane: int = 0) -> None: ...
    def crashed(self, run: Run | None, status: int, log: str, lane: int = 0) -> None: ...


class Stopped(Exception):
    """Ctrl-C or SIGTERM; every worker has checkpointed and ended."""


def run_workers(launch: Launch, seats: Sequence[Seat], watcher: Watching) -> list[Failure]:
    """Work a launch off with one process per seat. Returns what failed; a worker's `UserError` is raised once the others have ended."""
    pool = _Pool(launch, seats, watcher)
    with pool.stoppable():
        pool.run(stay=False)
        if pool.left() and not pool.stopping and pool.mistake is None:  # of a crashed worker, or somebody else's: one stays until its end
            pool.run(stay=True, only=1)
    if pool.stopping:
        raise Stopped
    if pool.mistake:
        raise UserError(*pool.mistake)
    if left := pool.left():
        raise UserError(
            f"the workers ended, and {len(left)} runs are not done",
            f"they crashed again and again: see {launch.folder}",
            "the same command continues; repro logs KEY tells what was printed last",
        )
    return list(pool.failures.values())


class _Pool:
    def __init__(self, launch: Launch, seats: Sequence[Seat], watcher: Watching):
        self.launch, self.seats, self.watcher = launch, seats, watcher
        self.store = Store(launch.where.runs)
        self.runs = {run.key: run for plan in launch.plans() for run in plan.runs}
        self.messages: queue.SimpleQueue[tuple[int, dict[str, Any] | None]] = queue.SimpleQueue()
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.at: dict[int, str | None] = {}
        self.replaced = dict.fromkeys(range(len(seats)), 0)
        self.failures: dict[str, Failure] = {}
        self.told: set[str] = set()
        self.mistake: tuple[str, str, str] | None = None
        self.stopping = False

    def run(self, stay: bool, only: int | None = None) -> None:
        """Start the workers and hear them until the last has ended."""
        for lane in range(len(self.seats))[:only]:
            self.start(lane, stay)
        while self.processes:
            lane, message = self.messages.get()
            if message is not None:
                self.hear(lane, message)
            elif self.ended(lane) and not self.stopping and self.replaced[lane] < REPLACED:
                self.replaced[lane] += 1
                self.start(lane, stay)

    def start(self, lane: int, stay: bool) -> None:
        seat = self.seats[lane]
        words = [*COMMAND, str(self.launch.folder), str(lane), seat.device, "--tethered"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(seat.threads), "MKL_NUM_THREADS": str(seat.threads)}
        # In a session of its own: Ctrl-C in the terminal is this process's to pass on, once.
        process = subprocess.Popen(
            [*words, "--stay"] if stay else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
        )
        self.processes[lane], self.at[lane] = process, None
        threading.Thread(target=self.listen, args=(lane, process), daemon=True).start()
        if self.stopping:  # a signal came between
            process.terminate()

    def listen(self, lane: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # a line cut off by a crash
                self.messages.put((lane, json.loads(line)))
        process.wait()
        self.messages.put((lane, None))

    def hear(self, lane: int, message: dict[str, Any]) -> None:
        """Hand one event on; what several workers tell of the same run is told once."""
        event, key = message.pop("event"), message.get("key")
        if event == "started":
            self.at[lane] = key
            self.watcher.started(self.runs[key], lane=lane)
        elif event == "proceeded":
            self.watcher.proceeded(self.runs[key], message["done"], message["total"], message["what"], lane=lane)
        elif event == "finished":
            self.at[lane] = None
            if result := self.store.result(self.runs[key]):
                self.watcher.finished(self.runs[key], result, lane=lane)
        elif event == "failed":
            self.at[lane] = None
            failure = Failure(run=self.runs[message["failure"]["key"]], **message["failure"])
            self.failures[failure.key] = failure
            if failure.key not in self.told:
                self.told.add(failure.key)
                self.watcher.failed(failure.run, failure, lane=lane)
        elif event == "waiting":
            self.watcher.waiting([None] * message["count"], lane=lane)
        elif event == "mistake":
            self.mistake = self.mistake or tuple(message["lines"])

    def ended(self, lane: int) -> bool:
        """Whether it crashed while on a run, so that another should take its place."""
        process = self.processes.pop(lane)
        process.stdin.close()
        status = process.returncode
        if status in (DONE, MISTAKE, STOPPED):
            return False
        key = self.at[lane]
        self.watcher.crashed(self.runs.get(key), status, str(self.launch.log_of(str(lane))), lane=lane)
        return key is not None

    def left(self) -> list[Run]:
        """Runs that are neither finished nor failed."""
        return [run for key, run in self.runs.items() if key not in self.failures and not (self.store.folder(run) / "result.json").exists()]

    def stop(self, number: int, frame: object) -> None:
        """The first signal asks the workers to checkpoint and end, a second one kills them."""
        for process in list(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill() if self.stopping else process.terminate()
        self.stopping = True

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for process in list(self.processes.values()):  # an error of our own: nobody is left behind
                process.terminate()
