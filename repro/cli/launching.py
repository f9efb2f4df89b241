"""`repro run` with several processes: on this machine (`--workers`), or through Slurm (`--slurm`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer

from repro.errors import UserError
from repro.outcomes.store import Store
from repro.paths import Places, make_writable
from repro.planning.plan import Plan
from repro.preflight import environment
from repro.types import Failure, Run

if TYPE_CHECKING:
    from repro.planning.forecast import Forecast


class Words(NamedTuple):
    """The options of `repro run` that say how many processes there are, and where."""

    workers: str | None = None
    slurm: bool = False
    partition: str | None = None
    gpus: int | None = None
    time: str | None = None
    array_limit: int | None = None
    set_slurm: tuple[str, ...] = ()

    def check(self) -> None:
        """`UserError` where an option has no meaning beside the others."""
        named = {"--partition": self.partition, "--gpus": self.gpus, "--time": self.time, "--array-limit": self.array_limit}
        named["--set-slurm"] = self.set_slurm or None
        if stray := next((name for name, value in named.items() if value is not None and not self.slurm), None):
            raise UserError(f"{stray} without --slurm", "it says how a job of Slurm is asked for", "add --slurm, or leave it out")
        if (self.workers or self.slurm) and environment.rank() is not None:
            raise UserError(
                f"{'--slurm' if self.slurm else '--workers'} under torchrun",
                "its processes share each run; workers have a run each",
                f"repro run … {'--slurm' if self.slurm else f'--workers {self.workers}'}, without torchrun",
            )
        if self.workers:
            from repro.launch.devices import parse

            parse(self.workers)


def work(plans: Sequence[Plan], forecasts: Sequence[Forecast], where: Places, device: str, workers: str, quiet: bool) -> list[Failure]:
    """Work the plans off with worker processes on this machine, all watched by one display."""
    from repro.cli.watching import Watcher
    from repro.launch import devices, launches, local

    store = _writable(where)
    todo = [run for forecast in forecasts for run in forecast.todo]
    seats = devices.seats(devices.parse(workers), device, todo, store)
    launch = launches.create(plans, where, len(seats), device)
    with Watcher(len(todo), quiet, lanes=len(seats)) as watcher:
        if not quiet:
            watcher.console.print(f"{len(seats)} workers: {_listed(seats)}", markup=False)
        try:
            return local.run_workers(launch, seats, watcher)
        except local.Stopped:
            watcher.stop()
            raise KeyboardInterrupt from None


def _listed(seats: Sequence) -> str:
    counts = {seat: seats.count(seat) for seat in dict.fromkeys(seats)}
    return ", ".join(
        f"{number} on {seat.device} ({seat.threads} thread{'s' if seat.threads > 1 else ''} each)" for seat, number in counts.items()
    )


def submit(plans: Sequence[Plan], todo: Sequence[Run], where: Places, device: str, words: Words, as_json: bool) -> None:
    """Queue workers with Slurm and return."""
    from repro.launch import slurm

    _writable(where)
    asked = slurm.Asked.parse(words.partition, words.gpus, words.time, words.array_limit, words.set_slurm, words.workers)
    launch = slurm.submit(plans, len(todo), where, device, asked)
    if as_json:
        print(
            json.dumps({"launch": launch.id, "slurm_job": launch.slurm_job, "workers": launch.workers, "runs": [run.key for run in todo]})
        )
        return
    typer.echo(f"submitted: job {launch.slurm_job}, {launch.workers} workers for {len(todo)} runs\nnext: repro status")


def _writable(where: Places) -> Store:
    """A folder that cannot be written is told before the seconds that torch takes."""
    make_writable(where.packs, "packs")
    store = Store(where.runs)
    store.prepare()
    return store
