"""Work a plan off: claim each missing run, prepare its data, train, judge, write the result last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from repro import plugins
from repro.errors import UserError
from repro.nn import saved
from repro.nn.allocator import keep_freed_memory
from repro.nn.job import Job, ParentRun
from repro.nn.loop import Progress, Trainer
from repro.nn.seeding import make_deterministic
from repro.nn.weights import file_hash
from repro.outcomes.repetition import Repetition
from repro.outcomes.store import Store, now
from repro.paths import Places, make_writable
from repro.planning.attempt import Listener, OnStep, Work, attempt, heartbeat, outcome
from repro.planning.calibration import Calibration
from repro.planning.forecast import calibrate
from repro.planning.plan import Plan
from repro.planning.queue import Queue
from repro.preflight import device as devices
from repro.preflight import environment, resident
from repro.reading import loading
from repro.types import Failure, Result, Run


def find_device(name: str) -> torch.device:
    """`auto` is the first GPU, else the CPU; a device that is not there is a `UserError`."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(
            f"--device {name}: no such kind of device", "devices are auto, cpu, cuda, cuda:1, …", "repro run … --device auto"
        ) from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: there is no such GPU",
            f"torch {torch.__version__} sees {torch.cuda.device_count()}",
            "repro run … --device auto",
        )
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: not supported", "runs are on the CPU or on CUDA devices", "repro run … --device auto")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def work(run: Run, folder: Path, job: Job) -> Result:
    """One claimed run from start to its result, which is not stored yet."""
    began = time.monotonic()
    deterministic = _settle(job.device)
    method = plugins.method(run.method)
    searching = hasattr(method, "search")
    progress, files, kept = (
        (method.search(job, folder), [], {"predictions": (), "weights": ()}) if searching else _train(method, job, folder)
    )
    total = time.monotonic() - began
    return Result(
        key=run.key,
        run=run,
        checkpoints=tuple(progress.checkpoints),
        kept=kept,
        files={path.name: file_hash(path) for path in files},
        extras={**job.extras, "preprocess": job.preprocess._asdict()},
        environment={**environment.describe(), **_device(job.device), "deterministic": deterministic, "precision": run.recipe.precision},
        seconds={
            "total": round(max(total, progress.fit_seconds + progress.judge_seconds), 3),
            "fit": round(progress.fit_seconds, 3),
            "judge": round(progress.judge_seconds, 3),
            **({"pack": round(job.pack_seconds, 3)} if job.pack_seconds else {}),
        },
        images_per_second=round(progress.images / progress.fit_seconds, 1) if progress.fit_seconds else None,
        peak_memory_bytes=_peak_memory(job.device),
        finished=now(),
    )


def _settle(device: torch.device) -> dict[str, object]:
    """The device as every run finds it; what is said of its determinism."""
    keep_freed_memory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        resident.forget_peak()
    return make_deterministic(device)


def _train(method: ModuleType, job: Job, folder: Path) -> tuple[Progress, list[Path], dict[str, tuple[str, ...]]]:
    """A method's training and judging from start to end; the files that it leaves, and what is kept in them."""
    run, declared = job.run, method.METHOD
    judged = declared.judged_on(run.benchmark)
    trained = [split.name for split in declared.trained_on(run.benchmark, run.recipe)] if run.recipe.trains else []
    job.uses = [*((name, True) for name in trained), *((name, False) for name in judged)]
    model = method.start(job)
    training = getattr(method, "training", lambda job: job.images(trained[0], augmented=True))
    train = training(job) if run.recipe.trains else None
    splits = {name: job.images(name) for name in judged}
    hooks = [getattr(method, name, None) for name in ("judged", "states")]
    trainer = Trainer(job, model, getattr(method, "loss", None), train, splits, folder, *hooks)
    progress = trainer.fit()
    if hasattr(method, "finish"):
        method.finish(job, trainer)
    return progress, saved.publish(trainer), {"predictions": trainer.keep if judged else (), "weights": trainer.keep_weights}


def _device(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else environment.describe()["processor"]
    return {"device": str(device), "device_name": name, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU for this run, or of the whole process on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident.peak()


def execute(plan: Plan, places: Places, device: torch.device, listener: Listener) -> list[Failure]:
    """Run what is missing, parents first; runs that another process has are waited for. Returns what failed."""
    store = Store(places.runs)
    store.prepare()
    make_writable(places.packs, "packs")
    return pull(plan, Queue(plan.runs, store), places, device, listener)


def pull(plan: Plan, queue: Queue, places: Places, device: torch.device, listener: Listener, stay: bool = True) -> list[Failure]:
    """Work off a queue beside whoever else does; `stay` until the runs of others have ended, too. Returns what failed."""
    store = queue.store
    file = Path(plan.weights_file) if plan.weights_file else None
    calibration = _calibration(store, device) if queue.pending else None

    def job_of(run: Run) -> Job:
        parents = {role: ParentRun(store.result(plan.run(key)), store.folder(plan.run(key))) for role, key in run.parents.items()}
        return Job(run, device, places.packs, loading.load, parents, file)

    def one(run: Run) -> Result | Failure | None:
        ended = attempt(run, store, _worked(job_of, device, calibration), listener, queue.failed_elsewhere)
        if ended is None and hasattr(plugins.method(run.method), "search"):
            _join(job_of(run), store.folder(run), listener)
        return ended

    return queue.work_off(one, listener, stay)


def _calibration(store: Store, device: torch.device) -> Calibration | None:
    """None where a result cannot be read, be it of whatever: that is told where results are asked for, and stops no work."""
    with contextlib.suppress(UserError):
        return calibrate(store, devices.described(_device(device)))
    return None


def _join(job: Job, folder: Path, listener: Listener) -> None:
    """Take part in another process's search, as long as it has trials to give away. What breaks here is left to that process to record."""
    job.on_step = lambda done, total, what: listener.proceeded(job.run, done, total, what)
    _settle(job.device)
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
        return work(run, folder, job)

    return Work(do, lambda: _device(device), calibration)
