"""In place of repro/run.py, runs that do nothing: claims, heartbeats, records and the queue are the program's, instead of torch there is a pause.

`NOOP` may hold JSON: `pause` seconds per run; `die`: labels of runs on which the process kills itself, `dies` times each (default: once);
`fail`: labels of runs that break. Every run that is worked on leaves a line in `worked-<pid>` in the launch's folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from repro.launch import launches
from repro.outcomes.store import now
from repro.planning.attempt import Work, attempt
from repro.types import Checkpoint, Result, Run

HOW = json.loads(os.environ.get("NOOP", "{}"))


def result(run: Run) -> Result:
    """Marked as what it is; no number in it was measured."""
    judged = {split.name: {"accuracy": 0.5} for split in run.benchmark.splits if split.role not in ("train", "pretrain")}
    return Result(
        key=run.key,
        run=run,
        checkpoints=(Checkpoint(name="epoch-1", epoch=1, metrics=judged),),
        kept={},
        files={},
        environment={"repro": "nothing was done"},
        seconds={"total": 0.0, "fit": 0.0, "judge": 0.0},
        finished=now(),
    )


def work(folder: Path) -> Work:
    def do(run: Run, where: Path, on_step) -> Result:
        with open(folder / f"worked-{os.getpid()}", "a", encoding="utf-8") as file:
            file.write(f"{run.key}\n")
        _perhaps_die(run, folder)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < HOW.get("pause", 0):
            on_step(int(passed * 100), int(HOW["pause"] * 100), "epoch 1/1")
            time.sleep(0.01)
        if run.label in HOW.get("fail", ()):
            raise ArithmeticError("made to fail")
        return result(run)

    return Work(do, dict)


def _perhaps_die(run: Run, folder: Path) -> None:
    died = folder / f"died-{run.key}"
    deaths = len(died.read_text()) if died.exists() else 0
    if run.label in HOW.get("die", ()) and deaths < HOW.get("dies", 1):
        with open(died, "a", encoding="utf-8") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)


def find_device(name: str) -> str:
    return name


def pull(plan, queue, places, device, listener, stay=True):
    doing = work(launches.read(Path(sys.argv[1])).folder)
    return queue.work_off(lambda run: attempt(run, queue.store, doing, listener, queue.failed_elsewhere), listener, stay)
