"""What one `repro run` with workers leaves on disk: runs/.launches/<id>/{launch.json, plans.json, worker-*.log, cancelled}."""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.errors import UserError, quoted
from repro.outcomes import processes
from repro.outcomes.store import Store, now, write_atomically
from repro.paths import Places
from repro.planning.plan import Plan
from repro.planning.queue import failures_of
from repro.record import Record
from repro.types import Benchmark

FOLDER = ".launches"


class Launch(Record):
    """Workers who share plans. `before`: failures that were there when it began, as `Queue` takes them; `owner`: the process that began it."""

    id: str
    created: str
    title: str
    keys: tuple[str, ...]
    before: dict[str, int | None]
    places: dict[str, Any]
    workers: int
    device: str = "auto"
    owner: dict[str, Any] = {}
    slurm_job: str | None = None

    @property
    def where(self) -> Places:
        return Places.model_validate(self.places)

    @property
    def folder(self) -> Path:
        return self.where.runs / FOLDER / self.id

    @property
    def cancelled(self) -> bool:
        return (self.folder / "cancelled").exists()

    def log_of(self, worker: str) -> Path:
        return self.folder / f"worker-{worker}.log"

    def save(self) -> None:
        write_atomically(self.folder / "launch.json", self.model_dump_json(indent=1))

    def cancel(self) -> None:
        """From now on its workers take no further run and are not queued again."""
        (self.folder / "cancelled").touch()

    def plans(self) -> list[Plan]:
        """What is to be done, parents first."""
        content = json.loads((self.folder / "plans.json").read_text(encoding="utf-8"))
        benchmarks = [Benchmark.model_validate(benchmark) for benchmark in content["benchmarks"]]
        for plan in content["plans"]:
            for record in (plan, *plan["runs"]):
                record["benchmark"] = benchmarks[record["benchmark"]]
        return [Plan.model_validate(plan) for plan in content["plans"]]


def create(plans: Sequence[Plan], places: Places, workers: int, device: str = "auto") -> Launch:
    """A launch of those plans, on disk."""
    store = Store(places.runs)
    runs = {run.key: run for plan in plans for run in plan.runs}
    began = datetime.datetime.now(datetime.UTC)
    launch = Launch(
        id=f"{began:%Y%m%d.%H%M%S}.{secrets.token_hex(3)}",
        created=now(),
        title=", ".join(dict.fromkeys(plan.benchmark.title for plan in plans)),
        keys=tuple(runs),
        before=failures_of(runs.values(), store),
        places=places.model_dump(mode="json"),
        workers=workers,
        device=device,
        owner=processes.this_process(),
    )
    launch.folder.mkdir(parents=True)
    write_atomically(launch.folder / "plans.json", _dumped(plans))
    launch.save()
    return launch


def _dumped(plans: Sequence[Plan]) -> str:
    """As JSON, in which each benchmark stands once: it is the larger part of a run."""
    benchmarks: list[Benchmark] = []

    def place(benchmark: Benchmark) -> int:
        found = next((index for index, known in enumerate(benchmarks) if known is benchmark or known == benchmark), None)
        if found is None:
            benchmarks.append(benchmark)
        return len(benchmarks) - 1 if found is None else found

    dumped = []
    for plan in plans:
        runs = [{**run.model_dump(mode="json", exclude={"benchmark"}), "benchmark": place(run.benchmark)} for run in plan.runs]
        dumped.append({**plan.model_dump(mode="json", exclude={"benchmark", "runs"}), "benchmark": place(plan.benchmark), "runs": runs})
    return json.dumps({"benchmarks": [benchmark.model_dump(mode="json") for benchmark in benchmarks], "plans": dumped})


def read(folder: Path) -> Launch:
    """The launch in a folder."""
    try:
        return Launch.model_validate_json((folder / "launch.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{folder} holds no launch", str(error).split("\n")[0], f"rm -r {quoted(folder)}, then run the same command again"
        ) from None


def every(runs: Path) -> list[Launch]:
    """Those of a store, oldest first; what cannot be read is left out, for a launch is only a convenience."""
    found = []
    for folder in sorted((runs / FOLDER).glob("*")):
        if re.fullmatch(r"[0-9.]+[0-9a-f]{6}", folder.name):
            try:
                found.append(read(folder))
            except UserError:
                continue
    return found
