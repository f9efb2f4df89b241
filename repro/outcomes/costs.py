"""What runs cost and what they ran with, from the stored results. One result is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.types import Result

UNKNOWN = "not recorded"


class Environment(NamedTuple):
    """As a result records it; what it does not say is `UNKNOWN`."""

    program: str
    python: str
    torch: str
    device: str
    precision: str


class Spent(NamedTuple):
    """One finished run; `seconds` of the clock, all of it."""

    key: str
    benchmark: str
    seconds: float
    environment: Environment


class Sum(NamedTuple):
    """All finished runs of one benchmark."""

    benchmark: str
    runs: int
    seconds: float


def spent(store: Store, tiny: bool, benchmarks: Iterable[str] | None = None, damaged: list[Damaged] | None = None) -> dict[str, Spent]:
    """Key → cost of every finished run, stages of others included; of all benchmarks or of those named. `damaged` as in `Store.read_result`."""
    folders = store.folders() if benchmarks is None else (folder for name in sorted(set(benchmarks)) for folder in store.folders(name))
    found = {}
    for folder in folders:
        result = store.read_result(folder, damaged)
        if result and result.run.benchmark.tiny == tiny:
            found[result.key] = _spent(result)
    return found


def _spent(result: Result) -> Spent:
    told = result.environment
    version = " ".join(
        filter(None, [str(told.get("repro", UNKNOWN)), str(told.get("commit", ""))[:12], "changed" if told.get("dirty") else ""])
    )
    device = str(told.get("device_name", told.get("device", UNKNOWN)))
    torch = str(told.get("packages", {}).get("torch", UNKNOWN))
    made = Environment(version, str(told.get("python", UNKNOWN)), torch, device, str(told.get("precision", UNKNOWN)))
    return Spent(result.key, result.run.benchmark.name, result.seconds.get("total", 0.0), made)


def by_benchmark(runs: Iterable[Spent]) -> tuple[Sum, ...]:
    """A sum for each benchmark, by name."""
    found: dict[str, list[float]] = {}
    for run in runs:
        found.setdefault(run.benchmark, []).append(run.seconds)
    return tuple(Sum(name, len(seconds), sum(seconds)) for name, seconds in sorted(found.items()))


def environments(runs: Iterable[Spent]) -> tuple[tuple[Environment, int], ...]:
    """Each environment and how many runs it made, the most first."""
    found: dict[Environment, int] = {}
    for run in runs:
        found[run.environment] = found.get(run.environment, 0) + 1
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`, `1,200 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"


def device_hours(seconds: float, kind: str) -> str:
    """`3.4 GPU-hours`; what is less than a tenth of one as `45 s of the GPU`. `kind` is GPU or CPU."""
    hours = seconds / 3600
    return (
        f"{duration(seconds)} of the {kind}"
        if hours < 0.1
        else f"{hours:,.1f} {kind}-hours"
        if hours < 10
        else f"{hours:,.0f} {kind}-hours"
    )
