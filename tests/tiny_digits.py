"""Runs of the digits benchmark's tiny subset for tests, which share one pretraining per process."""

import atexit
import contextlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch

from repro import plugins
from repro.nn.inputs.images import Images
from repro.nn.job import Batch, Job, ParentRun
from repro.nn.objectives.coupled import loss_of
from repro.nn.training.loop import Trainer
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.plan import Plan, Request
from repro.reading.loading import load
from repro.run import execute
from repro.types import Failure, Result, Run

CPU = torch.device("cpu")
# Enough pretraining that BatchNorm's statistics fit the images: without, evaluation mode makes losses explode.
PRETRAINING = ("clip-pretrain.epochs=6", "clip-pretrain.batch_size=25", "clip-pretrain.warmup_steps=4")
torch.set_num_threads(1)  # sums do not depend on the machine's cores, and small networks are faster so


class Log:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.steps: list[tuple[str, int, int, str]] = []

    def started(self, run: Run) -> None:
        self.events.append(("started", run.method))

    def proceeded(self, run: Run, done: int, total: int, what: str) -> None:
        self.steps.append((run.method, done, total, what))

    def finished(self, run: Run, result: Result) -> None:
        self.events.append(("finished", run.method))

    def failed(self, run: Run, failure: Failure) -> None:
        self.events.append(("failed", run.method))

    def waiting(self, runs: list[Run]) -> None:
        raise AssertionError("nobody else is here")


def places_at(home: Path) -> Places:
    return Places(home=home, data=home / "data", packs=home / "packs", runs=home / "runs", sources={})


def plan(*methods: str, seeds: tuple[int, ...] = (0,), sets: tuple[str, ...] = ()) -> Plan:
    benchmark = plugins.benchmark("digits").describe({}, places_at(Path("unused")), True)
    return planning.make(Request(benchmark, methods, seeds, sets=(*PRETRAINING, *sets)))


@cache
def _pretrained() -> Path:
    home = Path(tempfile.mkdtemp(prefix="repro-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    assert execute(plan("zero-shot"), places_at(home), CPU, Log()) == []
    return home


def pretrained_home(folder: Path) -> Places:
    """A home of one's own in which the pretraining is done and everything is packed."""
    shutil.copytree(_pretrained(), folder, dirs_exist_ok=True)
    return places_at(folder)


def job_of(made: Plan, method: str, places: Places) -> Job:
    """The job of the plan's first run of `method`, whose parents have been run."""
    run, store = next(run for run in made.runs if run.method == method), Store(places.runs)
    parents = {role: ParentRun(store.result(made.run(key)), store.folder(made.run(key))) for role, key in run.parents.items()}
    return Job(run=run, device=CPU, packs=places.packs, examples=load, parents=parents)


def fit(job: Job, folder: Path, judge: bool = False, stop_at: int | None = None) -> tuple[Trainer, list[float]]:
    """A method's own training in `folder`, and the loss of every step; with `stop_at` it breaks before that step, its state just saved."""
    module = plugins.method(job.run.method)
    seen: list[float] = []
    whole = loss_of(module)

    def loss(model: torch.nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        if trainer.progress.step == stop_at:
            trainer._save()
            raise Stopped
        terms = whole(model, batch, job)
        seen.append(terms["loss"].item())
        return terms

    folder.mkdir(exist_ok=True)
    model = module.start(job)
    train = getattr(module, "training", lambda job: job.images(job.trained_on()[0], augmented=True))(job)
    judged = judged_splits(job) if judge else {}
    trainer = Trainer(job, model, loss, train, judged, folder, getattr(module, "judged", None))
    with contextlib.suppress(Stopped):
        trainer.fit()
    return trainer, seen


def judged_splits(job: Job) -> dict[str, Images]:
    return {split.name: job.images(split.name) for split in job.benchmark.judged}


class Stopped(Exception):
    """In place of a kill."""


def bytes_of(places: Places, run: Run) -> dict[str, bytes]:
    """What a finished run left, but for its times: metrics and losses per checkpoint, predictions, weights."""
    store = Store(places.runs)
    result, folder = store.result(run), store.folder(run)
    points = [point.model_copy(update={"seconds": 0.0}).model_dump_json() for point in result.checkpoints]
    left = {path.name for path in folder.iterdir()}
    assert left == {"run.json", "result.json", *result.files}, left
    return {"checkpoints": "\n".join(points).encode(), **{name: (folder / name).read_bytes() for name in result.files}}
