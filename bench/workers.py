"""What the queue costs: worker processes on one store of runs that do nothing.

`python -m bench.workers` prints the line of bench/workers.md: every run must have been worked on once; overhead is the time from the first
run's start to the last one's end, over the number of runs, and the processors' time that all workers took, their start included.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from repro import plugins
from repro.launch import launches, local
from repro.launch.devices import Seat
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan as planning


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    local.COMMAND = (sys.executable, "-m", "bench.noop_worker")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        places = Places(home=home, data=home / "data", packs=home / "packs", runs=home / "runs", sources={})
        benchmark = plugins.benchmark("digits").describe({}, places, True)
        plan = planning.make(planning.Request(benchmark, ("scratch",), tuple(range(options.runs))))
        launch = launches.create([plan], places, options.workers, "cpu")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        watcher = Clock()
        local.run_workers(launch, [Seat("cpu", 1)] * options.workers, watcher)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times = Counter(key for path in launch.folder.glob("worked-*") for key in path.read_text().split())
        store = Store(places.runs)
        once = sum(times[run.key] == 1 and store.result(run) is not None for run in plan.runs)
        processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = watcher.last - watcher.first
    print(
        f"{options.workers} workers, {options.runs} runs, {os.cpu_count()} cores: {once} done exactly once; {1e3 * wall / options.runs:.1f} ms "
        f"per run, of {1e3 * processors / options.runs:.1f} ms of processor time with the workers' start"
    )
    if once != options.runs:
        sys.exit("some runs were not done exactly once")


class Clock:
    """A watcher that keeps the first and the last event's time."""

    first: float | None = None
    last = 0.0

    def __getattr__(self, name: str):
        def note(*what: object, lane: int = 0) -> None:
            self.last = time.perf_counter()
            self.first = self.first or self.last

        return note


if __name__ == "__main__":
    main()
