"""Work a plan off: claim each missing run, prepare its data, train, judge, write the result last."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from repro import plugins
from repro.errors import UserError
from repro.nn import saved
from repro.nn.allocator import keep_freed_memory
from repro.nn.job import Job, ParentRun
from repro.nn.loop import Trainer
from repro.nn.seeding import make_deterministic
from repro.nn.weights import file_hash
from repro.outcomes.repetition import Repetition
from repro.outcomes.store import Store, now
from repro.paths import Places, make_writable
from repro.planning.plan import Plan
from repro.preflight import environment
from repro.reading import loading
from repro.types import Failure, Result, Run

BEAT_SECONDS = 20.0
POLL_SECONDS = 1.0


class Listener(Protocol):
    """Who watches: called as runs start, proceed, end."""

    def started(self, run: Run) -> None: ...
    def proceeded(self, run: Run, done: int, total: int, what: str) -> None: ...
    def finished(self, run: Run, result: Result) -> None: ...
    def failed(self, run: Run, failure: Failure) -> None: ...
    def waiting(self, runs: list[Run]) -> None: ...


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


@contextlib.contextmanager
def _heartbeat(store: Store, folder: Path) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            store.beat(folder)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        store.release(folder)


def work(run: Run, store: Store, folder: Path, job: Job) -> Result:
    """One claimed run from start to `result.json`."""
    began = time.monotonic()
    deterministic = make_deterministic(job.device)
    keep_freed_memory()
    if job.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(job.device)
    method = plugins.method(run.method)
    declared = method.METHOD
    train_split = job.split_with_role(declared.trains_on)
    judged = [split.name for split in run.benchmark.splits if split.role not in ("train", "pretrain")] if declared.reported else []
    job.uses = [*([(train_split, True)] if run.recipe.trains else []), *((name, False) for name in judged)]
    model = method.start(job)
    train = job.images(train_split, augmented=True) if run.recipe.trains else None
    splits = {name: job.images(name) for name in judged}
    hooks = [getattr(method, name, None) for name in ("judged", "states")]
    trainer = Trainer(job, model, getattr(method, "loss", None), train, splits, folder, *hooks)
    progress = trainer.fit()
    if hasattr(method, "finish"):
        method.finish(job, trainer)
    files = saved.publish(trainer)
    total = time.monotonic() - began
    result = Result(
        key=run.key,
        run=run,
        checkpoints=tuple(progress.checkpoints),
        kept={"predictions": trainer.keep if judged else (), "weights": trainer.keep_weights},
        files={path.name: file_hash(path) for path in files},
        extras={**job.extras, "preprocess": job.preprocess._asdict()},
        environment={**environment.describe(), **_device(job.device), "deterministic": deterministic, "precision": run.recipe.precision},
        seconds={
            "total": round(max(total, progress.fit_seconds + progress.judge_seconds), 3),
            "fit": round(progress.fit_seconds, 3),
            "judge": round(progress.judge_seconds, 3),
        },
        images_per_second=round(progress.images / progress.fit_seconds, 1) if progress.fit_seconds else None,
        peak_memory_bytes=_peak_memory(job.device),
        finished=now(),
    )
    store.finish(folder, result)
    return result


def _device(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else environment.describe()["processor"]
    return {"device": str(device), "device_name": name, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU for this run, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def execute(plan: Plan, places: Places, device: torch.device, listener: Listener) -> list[Failure]:
    """Run what is missing, parents first; runs that another process has are waited for. Returns what failed."""
    store = Store(places.runs)
    store.prepare()
    make_writable(places.packs, "packs")
    pending = [run for run in plan.runs if store.result(run) is None]
    failures: dict[str, Failure] = {}
    while pending:
        progressed, elsewhere = False, []
        for run in list(pending):
            if any(parent in failures for parent in run.parents.values()):
                broken = next(failures[parent] for parent in run.parents.values() if parent in failures)
                failures[run.key] = broken.model_copy(
                    update={"key": run.key, "run": run, "error": f"its parent {broken.run.label} ({broken.key}) failed"}
                )
                pending.remove(run)
                listener.failed(run, failures[run.key])
                progressed = True
                continue
            if any(store.result(plan.run(parent)) is None for parent in run.parents.values()):
                continue
            outcome = _attempt(run, plan, store, places, device, listener)
            if outcome is None:
                elsewhere.append(run)
                continue
            if isinstance(outcome, Failure):
                failures[run.key] = outcome
            pending.remove(run)
            progressed = True
        if not progressed:
            listener.waiting(elsewhere or pending)
            time.sleep(POLL_SECONDS)
    return list(failures.values())


def _attempt(run: Run, plan: Plan, store: Store, places: Places, device: torch.device, listener: Listener) -> Result | Failure | None:
    """Claim and work off one run; None where another process has it."""
    if (result := store.result(run)) is not None:
        return result
    folder = store.claim(run)
    if folder is None:
        return None
    with _heartbeat(store, folder):
        if (result := store.result(run)) is not None:  # finished between the look and the claim
            return result
        parents = {role: ParentRun(store.result(plan.run(key)), store.folder(plan.run(key))) for role, key in run.parents.items()}
        job = Job(run, device, places.packs, loading.load, parents, Path(plan.weights_file) if plan.weights_file else None)
        return _outcome(store, folder, job, listener)


def repeat(
    repetition: Repetition, scratch: Path, places: Places, device: torch.device, listener: Listener
) -> tuple[Result | Failure, Path]:
    """A finished run once more, from the start, as the only run of a store at `scratch`; also returns its folder there."""
    store, run = Store(scratch), repetition.run
    folder = store.claim(run)
    parents = {role: ParentRun(parent.result, parent.folder) for role, parent in repetition.parents.items()}
    job = Job(run, device, places.packs, repetition.examples, parents, repetition.weights_file)
    with _heartbeat(store, folder):
        return _outcome(store, folder, job, listener), folder


def _outcome(store: Store, folder: Path, job: Job, listener: Listener) -> Result | Failure:
    """Work off a claimed run; what breaks is recorded, the user's mistakes are raised."""
    run = job.run
    listener.started(run)
    job.on_step = lambda done, total, what: listener.proceeded(run, done, total, what)
    try:
        result = work(run, store, folder, job)
    except UserError:
        raise
    except Exception as error:
        failure = Failure(
            key=run.key,
            run=run,
            error=f"{type(error).__name__}: {error}",
            trace=traceback.format_exc(),
            environment={**environment.describe(), **_device(job.device)},
            failed=now(),
        )
        store.fail(folder, failure)
        listener.failed(run, failure)
        return failure
    listener.finished(run, result)
    return result
