"""How long `repro table` takes with 1,000 and with 10,000 stored results: fabricated ones, in a folder that is removed afterwards.

`python -m bench.store` prints the table of bench/store.md. Each command is a fresh process; its time is that of the whole process, Python's
start included, its memory the most that it held. CPU seconds (user and system) say more than the clock's where other work shares the machine;
of several calls the fastest counts. "First scan": there is no index yet; "one changed": a result is another than at the last call; "unchanged":
the same command again. The program's modules are compiled, as they are where it is installed. No number in the results was measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from repro import plugins
from repro.outcomes.index import NAME
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan
from repro.types import Benchmark, Checkpoint, Result, Run

OF_PAPER = ("cifar10.1", "entity30", "living17")  # LP-FT's grids, complete
BENCHMARKS = (*OF_PAPER, "fmow-geo", "fmow", "iwildcam", "camelyon17", "digits")
EPOCHS = 20
ENVIRONMENT = {
    "repro": "fabricated",
    "packages": {f"package-{i}": "1.2.3" for i in range(8)},
    "device_name": "fabricated",
    "precision": "fp32",
}
COMMANDS = {
    "repro table lp-ft/2": ["lp-ft/2"],
    "repro table living17": ["living17"],
    "repro table": [],
    "repro table --all": ["--all", "--out"],
}

Times = tuple[float, float, float]  # clock, CPU, MiB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("| command | results | first scan, CPU | one changed, CPU | clock | unchanged, CPU | clock | memory | index |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        stores = {count: Store(Path(folder) / str(count) / "runs") for count in options.results}
        for count, store in stores.items():
            for result in islice(results(), count):
                write(store, result)
            timed(store, ["--help"])
        for name, words in COMMANDS.items():
            words = [*words, f"{folder}/measured"] if "--out" in words else words
            calls = measured(stores.values(), words, options.repeats)
            for (count, store), (first, changed, again) in zip(stores.items(), calls, strict=True):
                told = [f"{first[1]:.2f} s"]
                told += [f"{min(each[place] for each in called):.2f} s" for called in (changed, again) for place in (1, 0)]
                told += [
                    f"{max(each[2] for each in (first, *changed, *again)):.0f} MiB",
                    f"{(store.root / NAME).stat().st_size / 2**20:.0f} MiB",
                ]
                print(f"| `{name}` | {count:,} | {' | '.join(told)} |", flush=True)


def measured(stores: Iterable[Store], words: list[str], repeats: int) -> list[tuple[Times, list[Times], list[Times]]]:
    """Of each store the first scan, calls after a change and calls after none; the stores by turns, for the machine is now busy and now not."""
    calls = []
    for store in stores:
        (store.root / NAME).unlink(missing_ok=True)
        calls.append((timed(store, words), [], []))
    for _ in range(repeats):
        for store, (_, changed, again) in zip(stores, calls, strict=True):
            next((store.root / "living17").glob("*/result.json")).touch()  # every command looks at that benchmark
            changed.append(timed(store, words))
            again.append(timed(store, words))
    return calls


def timed(store: Store, words: list[str]) -> Times:
    """Seconds of the clock, CPU seconds and MiB of `repro table` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "repro", "--runs", str(store.root), "table", *words],
        {**environment, "PYTHONPYCACHEPREFIX": str(store.root.parents[1] / "compiled")},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"repro table {' '.join(words)} failed")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**10


def results() -> Iterator[Result]:
    """LP-FT's grids on three benchmarks first, then sweeps that no paper has, evenly over all benchmarks, without an end."""
    described = {name: plugins.benchmark(name).describe({}, Places.find()) for name in BENCHMARKS}
    for name in OF_PAPER:
        request = plan.Request(described[name], ("lp", "ft", "lp-ft"), weights="made up", weights_hash="0" * 64, paper="lp-ft")
        yield from map(finished, plan.make(request).runs)
    for number in range(10**9):
        for benchmark in described.values():
            yield from map(finished, swept(benchmark, number))


def swept(benchmark: Benchmark, number: int) -> list[Run]:
    """FT with three seeds and a weight decay of its own."""
    asked = plan.Request(
        benchmark, ("ft",), weights="made up", weights_hash="0" * 64, quick=True, sets=(f"weight_decay={(number + 1) / 1e5}", "lr=1e-3")
    )
    return [run for run in plan.make(asked).runs if run.method == "ft"]


def finished(run: Run) -> Result:
    """A result with a checkpoint for each epoch; its numbers follow from the key."""
    values = [int(run.key[start : start + 2], 16) / 256 for start in range(0, 20, 2)]
    splits = [split for split in run.benchmark.splits if split.role not in ("train", "pretrain")]
    points = [
        Checkpoint(
            name=f"epoch-{epoch}",
            epoch=epoch,
            step=100 * epoch,
            train={"loss": 1 / epoch},
            metrics={
                split.name: {metric: values[(index + epoch) % 10] for metric in {run.benchmark.metric_of(split), *run.benchmark.metrics}}
                for index, split in enumerate(splits)
            },
            seconds=float(epoch),
        )
        for epoch in range(1, EPOCHS + 1)
    ]
    seconds = {"total": 1.0, "fit": 0.9, "judge": 0.1}
    fixed = {"kept": {}, "files": {}, "environment": ENVIRONMENT, "seconds": seconds, "finished": "2026-01-01T00:00:00+00:00"}
    return Result(key=run.key, run=run, checkpoints=tuple(points), **fixed)


def write(store: Store, result: Result) -> None:
    """As the store does, without waiting for the disk."""
    folder = store.folder(result.run)
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result.model_dump_json(indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
