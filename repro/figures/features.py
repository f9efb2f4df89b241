"""How far fine-tuning moved the features of finished runs: each run's start is made again, its kept weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro import backbones
from repro.errors import UserError
from repro.nn import distortion as measuring
from repro.nn.distortion import Measured
from repro.nn.job import Job, ParentRun
from repro.outcomes.store import Store
from repro.paths import Places
from repro.preflight import prepare
from repro.reading import loading
from repro.run import find_device
from repro.types import Checkpoint, Result, Run


def distortion(reported: Sequence[tuple[Result, Checkpoint]], splits: Sequence[str], places: Places, device: str) -> dict[str, Measured]:
    """Key → split → measure → value, of each run's reported checkpoint; what an earlier call found is read, the rest is kept."""
    store, there = Store(places.runs), find_device(device)
    found = {}
    for result, point in reported:
        own = ParentRun(result, store.find(result.key))  # wherever it lies
        known = measuring.cached(result, own.folder, point, splits)
        if known is None:
            parents = {role: _parent(store, key, result.run) for role, key in result.run.parents.items()}
            job = Job(
                run=result.run,
                device=there,
                packs=places.packs,
                examples=loading.load,
                parents=parents,
                weights_file=_start(result.run, places),
            )
            known = measuring.measure(job, own, point, splits)
        found[result.key] = known
    return found


def _parent(store: Store, key: str, child: Run) -> ParentRun:
    folder = store.find(key)
    result = store.read_result(folder)
    if result is None:
        raise UserError(
            f"the run {key} that {child.label} started from is not here", f"looked in {folder}", f"repro run {child.benchmark.name}"
        )
    return ParentRun(result, folder)


def _start(run: Run, places: Places) -> Path | None:
    """The weights file that the run started from, found by its hash where the backbone is a named one; None: it used none."""
    wanted = run.backbone.weights
    if wanted is None or "backbone" in run.parents:
        return None
    entry = backbones.named().get(run.backbone.name)
    if entry and entry.weights:
        file = prepare.weights_of(entry.weights, places)
        if file.sha256 == wanted and file.path.is_file():
            return file.path
    raise UserError(
        f"the weights that {run.label} ({run.key}) started from are not here",
        f"no published file of {run.backbone.name} with sha256 {wanted[:16]}… is in the data folder",
        f"repro data fetch {entry.weights.partition(':')[0]}" if entry and entry.weights else "name other runs by their keys",
    )
