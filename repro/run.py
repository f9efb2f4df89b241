"""Work a plan off: claim each missing run, prepare its data, train, judge, write the result last."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from repro import plugins
from repro.errors import UserError
from repro.nn.job import Job, ParentRun
from repro.nn.together import ALONE
from repro.outcomes.repetition import Repetition
from repro.outcomes.store import Store
from repro.paths import Places, make_writable
from repro.planning.attempt import Listener, OnStep, Work, attempt, heartbeat, outcome
from repro.planning.calibration import Calibration
from repro.planning.forecast import calibrate
from repro.planning.plan import Plan
from repro.planning.queue import Queue
from repro.preflight import device as devices
from repro.ranks import AGREED, Told, gathered, spreads
from repro.reading import loading
from repro.types import Failure, Result, Run
from repro.work import device_of, settle, work


def find_device(name: str) -> torch.device:
    """`auto` is the first GPU, else the CPU; a device that is not there is a `UserError`."""
    if name == "auto":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(
            f"--device {name}: no such kind of device", "devices are auto, cpu, cuda, cuda:1, …", "for example --device auto"
        ) from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: there is no such GPU",
            f"torch {torch.__version__} sees {torch.cuda.device_count()}",
            "for example --device auto",
        )
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: not supported", "runs are on the CPU or on CUDA devices", "for example --device auto")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def execute(plan: Plan, places: Places, device: torch.device, listener: Listener) -> list[Failure]:
    """Run what is missing, parents first; runs that another process has are waited for. Returns what failed."""
    store = Store(places.runs)
    store.prepare()
    make_writable(places.packs, "packs")
    return pull(plan, Queue(plan.runs, store), places, device, listener)


def pull(plan: Plan, queue: Queue, places: Places, device: torch.device, listener: Listener, stay: bool = True) -> list[Failure]:
    """Work off a queue beside whoever else does; `stay` until the runs of others have ended, too. Returns what failed."""
    store, together = queue.store, gathered(device)
    file = Path(plan.weights_file) if plan.weights_file else None
    calibration = calibrate(store, devices.described(device_of(device))) if queue.pending else None

    def job_of(run: Run) -> Job:
        parents = {role: ParentRun(store.result(plan.run(key)), store.folder(plan.run(key))) for role, key in run.parents.items()}
        return Job(run, device, places.packs, loading.load, parents, file, together=together if spreads(run) else ALONE)

    def one(run: Run) -> Result | Failure | None:
        ended = attempt(run, store, _worked(job_of, device, calibration), listener, queue.failed_elsewhere)
        if together.torn:
            raise UserError(
                f"run {run.key} broke in one of {together.size} processes",
                ended.error if isinstance(ended, Failure) else "another program took the run over",
                "the same command again, which goes on from its last checkpoint",
            )
        if ended is None and hasattr(plugins.method(run.method), "search"):
            _join(job_of(run), store.folder(run), listener)
        return ended

    return queue.work_off(one, listener, stay)


def _join(job: Job, folder: Path, listener: Listener) -> None:
    """Take part in another process's search, as long as it has trials to give away. What breaks here is left to that process to record."""
    job.on_step = lambda done, total, what: listener.proceeded(job.run, done, total, what)
    settle(job)
    try:
        plugins.method(job.run.method).search(job, folder, finishing=False)
    except UserError:
        raise
    except Exception:  # the trial is free again, and its run will meet the same
        listener.waiting([job.run])


def repeat(
    repetition: Repetition, scratch: Path, places: Places, device: torch.device, listener: Listener
) -> tuple[Result | Failure, Path]:
    """A finished run once more, from the start, as the only run of a store at `scratch`; also returns its folder there."""
    store, run = Store(scratch), repetition.run
    folder = store.claim(run)
    parents = {role: ParentRun(parent.result, parent.folder) for role, parent in repetition.parents.items()}
    job = Job(run, device, places.packs, repetition.examples, parents, repetition.weights_file)
    with heartbeat(store, folder) as heart:
        return outcome(run, store, folder, _worked(lambda run: job, device), listener, heart), folder


def _worked(job_of: Callable[[Run], Job], device: torch.device, calibration: Calibration | None = None) -> Work:
    def do(run: Run, folder: Path, on_step: OnStep) -> Result:
        job = job_of(run)
        job.on_step = on_step
        if job.together is ALONE:
            return work(run, folder, job)
        try:
            parents = {role: parent.folder for role, parent in job.parents.items()}
            told = Told(run=run, folder=folder, parents=parents, weights=job.weights_file, packs=job.packs, device=str(device))
            job.together.told(told.model_dump_json())
            return work(run, folder, job)
        except BaseException as error:
            job.together.torn = not isinstance(error, AGREED)
            raise

    return Work(do, lambda: device_of(device), calibration)
