"""Records made up for tests. No number here was measured; the benchmark is called `made-up` so that none is taken for a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro import plugins
from repro.outcomes.store import Store
from repro.planning.recipe import resolve
from repro.settings import Recipe
from repro.types import BackboneRef, Benchmark, Checkpoint, Failure, Result, Run, Split

SPLITS = (
    Split(name="train", role="train"),
    Split(name="id_val", role="id_val"),
    Split(name="id_test", role="id_test", column="ID"),
    Split(name="sketch", role="ood_test", column="OOD"),
    Split(name="clipart", role="ood_test", column="OOD"),
)
PRETRAINED = "f" * 20  # the key of a run that does not exist


def benchmark(**changes: Any) -> Benchmark:
    """A fabricated benchmark with one ID and two OOD test splits; it has no file of its own."""
    fields = {
        "name": "made-up",
        "version": 1,
        "caption": "Fabricated for a test",
        "title": "made-up: numbers fabricated for a test",
        "splits": SPLITS,
        "classes": ("cat", "dog"),
        "templates": ("a photo of a {}.",),
        "data": "0" * 64,
        "backbone": "digits-clip",
        "methods": ("zero-shot", "lp", "ft", "lp-ft"),
    }
    return Benchmark(**{**fields, **changes})


def with_splits(**changes: dict[str, Any]) -> Benchmark:
    """The same with fields of some splits changed: `sketch={"metric": "macro_f1"}`."""
    return benchmark(splits=tuple(split.model_copy(update=changes.get(split.name, {})) for split in SPLITS))


def run(method: str = "ft", seed: int = 0, *, of: Benchmark | None = None, parents: Mapping[str, str] | None = None, **recipe: Any) -> Run:
    """A run of a real method's default recipe, with the recipe fields given changed; pretrained ones start from a run that is nowhere."""
    declared = plugins.declared(method)
    default = resolve(declared, {}, [], asked=False)[0]
    return Run(
        benchmark=of or benchmark(),
        method=method,
        method_version=declared.version,
        recipe=Recipe.model_validate({**dict(default.recipe), **recipe}),
        provenance={**default.provenance, **dict.fromkeys(recipe, "made up")},
        backbone=BackboneRef(name="digits-clip"),
        seed=seed,
        parents={**({"backbone": PRETRAINED} if declared.pretrained else {}), **(parents or {})},
    )


def checkpoint(name: str = "epoch-1", **accuracies: float) -> Checkpoint:
    """A checkpoint with the accuracy of each split; those not named are 0.5."""
    judged = {split.name: 0.5 for split in SPLITS if split.role != "train"}
    return Checkpoint(name=name, epoch=1, metrics={split: {"accuracy": value} for split, value in {**judged, **accuracies}.items()})


def judged(of: Benchmark) -> Checkpoint:
    """0.5 by the headline metric on each split of a benchmark, and in accuracy."""
    metrics = {split.name: {"accuracy": 0.5, of.metric_of(split): 0.5} for split in of.splits if split.role != "train"}
    return Checkpoint(name="epoch-1", epoch=1, metrics=metrics)


def result(of: Run, points: Sequence[Checkpoint] | None = None, *, finished: str = "2026-01-01T00:00:00+00:00", **changes: Any) -> Result:
    """A finished run with the checkpoints given."""
    fields = {
        "key": of.key,
        "run": of,
        "checkpoints": tuple(points or (judged(of.benchmark),)),
        "kept": {},
        "files": {},
        "environment": {"repro": "made up"},
        "seconds": {"total": 10.0, "fit": 8.0, "judge": 1.0},
        "finished": finished,
    }
    return Result(**{**fields, **changes})


def failure(of: Run, error: str = "RuntimeError: made up") -> Failure:
    return Failure(key=of.key, run=of, error=error, trace="Traceback: made up", environment={}, failed="2026-01-01T00:00:00+00:00")


def finish(store: Store, of: Run, *points: Checkpoint, **changes: Any) -> Result:
    """Claim, finish and release a run, as `repro.run` does it."""
    folder = store.claim(of)
    made = result(of, points, **changes)
    store.finish(folder, made)
    store.release(folder)
    return made


def of_digits(**changes: Any) -> Benchmark:
    """A fabricated benchmark that calls itself digits, so that commands that go by name find it."""
    return benchmark(name="digits", title="digits: numbers fabricated for a test", **changes)
