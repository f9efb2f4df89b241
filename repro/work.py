"""One claimed run from its start to its result, on one device."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from repro import plugins
from repro.nn import fitting
from repro.nn.allocator import keep_freed_memory
from repro.nn.job import Job
from repro.nn.networks.weights import file_hash
from repro.nn.objectives.coupled import loss_of
from repro.nn.seeding import make_deterministic
from repro.nn.training import saved
from repro.nn.training.loop import Trainer
from repro.nn.training.progress import Progress
from repro.outcomes.store import now
from repro.preflight import environment, resident
from repro.types import Result, Run


def work(run: Run, folder: Path, job: Job) -> Result:
    """One claimed run from start to its result, which is not stored yet."""
    began = time.monotonic()
    deterministic = settle(job)
    method = plugins.method(run.method)
    searching = hasattr(method, "search")
    progress, files, kept = (
        (method.search(job, folder), [], {"predictions": (), "weights": ()}) if searching else train(method, job, folder)
    )
    total = time.monotonic() - began
    return Result(
        key=run.key,
        run=run,
        checkpoints=tuple(progress.checkpoints),
        kept=kept,
        files={path.name: file_hash(path) for path in files},
        extras={**job.extras, "preprocess": job.preprocess._asdict()},
        environment={
            **environment.describe(),
            **device_of(job.device),
            "deterministic": deterministic,
            "precision": run.recipe.precision,
            "processes": job.together.size,
        },
        seconds={
            "total": round(max(total, progress.fit_seconds + progress.judge_seconds), 3),
            "fit": round(progress.fit_seconds, 3),
            "data": round(progress.data_seconds, 3),
            "judge": round(progress.judge_seconds, 3),
            **({"pack": round(job.pack_seconds, 3)} if job.pack_seconds else {}),
        },
        images_per_second=round(progress.images / progress.fit_seconds, 1) if progress.fit_seconds else None,
        peak_memory_bytes=_peak_memory(job.device),
        finished=now(),
    )


def settle(job: Job) -> dict[str, object]:
    """The device as every run finds it; what is said of its determinism."""
    keep_freed_memory()
    if job.device.type == "cuda":
        torch.cuda.set_device(job.device)  # which also makes it ready, as the counters want it
        fitting.free()
        torch.cuda.reset_peak_memory_stats(job.device)
    else:
        resident.forget_peak()
    return make_deterministic(job.device, job.recipe.precision == "tf32")


def train(method: ModuleType, job: Job, folder: Path) -> tuple[Progress, list[Path], dict[str, tuple[str, ...]]]:
    """A method's training and judging from start to end; the files that it leaves, and what is kept in them."""
    run, declared = job.run, method.METHOD
    judged = declared.judged_on(run.benchmark)
    trained = [split.name for split in declared.trained_on(run.benchmark, run.recipe)] if run.recipe.trains else []
    job.uses = [*((name, True) for name in trained), *((name, False) for name in judged)]
    model = method.start(job)
    training = getattr(method, "training", lambda job: job.images(trained[0], augmented=True))
    images = training(job) if run.recipe.trains else None
    splits = {name: job.images(name) for name in judged}
    hooks = [getattr(method, name, None) for name in ("judged", "states")]
    trainer = Trainer(job, model, loss_of(method), images, splits, folder, *hooks)
    progress = trainer.fit()
    if not job.together.first:
        return progress, [], {}
    if hasattr(method, "finish"):
        method.finish(job, trainer)
    return progress, saved.publish(trainer), {"predictions": trainer.keep if judged else (), "weights": trainer.keep_weights}


def device_of(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else environment.describe()["processor"]
    return {"device": str(device), "device_name": name, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU for this run, or of the whole process on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident.peak()
