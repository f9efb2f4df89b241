"""How far fine-tuning moved the features: the image tower at the start of a run against one of its kept checkpoints.

Two measures over N images with features g(x) of d entries: the mean of ‖g₁(x) − g₀(x)‖²/d, which is what LP-FT's authors compute
(AnanyaKumar/transfer_learning, scripts/lpft_change_in_reps_and_weights.ipynb cell 11), and the mean of ‖g₁(x) − g₀(x)‖, which is what
their paper says (Kumar et al. 2022, §4.2). The features are those of the tower itself, whether or not the method's head sees them
scaled to length 1, so that methods can be compared.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from repro import plugins
from repro.errors import UserError
from repro.nn.evaluate import outputs
from repro.nn.job import Job, ParentRun
from repro.nn.networks.model import Classifier
from repro.nn.seeding import make_deterministic
from repro.outcomes.store import write_atomically
from repro.types import Checkpoint, Result

FILE = "distortion.json"  # beside the result and no part of it; it may be removed at any time
FORMAT = 1  # raised when the numbers would change
Measured = dict[str, dict[str, float]]  # split → measure → value


def cached(result: Result, folder: Path, point: Checkpoint, splits: Sequence[str]) -> Measured | None:
    """What an earlier call found of these very weights on all of `splits`; None: not all is known."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = content["checkpoints"][_weights(result, point)] if content["format"] == FORMAT else {}
        return {split: found[split] for split in splits}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _weights(result: Result, point: Checkpoint) -> str:
    name = f"weights-{point.name}.safetensors"
    if name not in result.files:
        raise UserError(
            f"run {result.key} ({result.run.label}) did not keep the weights of {point.name}",
            f"it kept those of {', '.join(result.kept['weights']) or 'none'}",
            "choose another rule by --select, or run it again with --set keep_weights=selected",
        )
    return result.files[name]


@torch.no_grad()
def measure(job: Job, own: ParentRun, point: Checkpoint, splits: Sequence[str]) -> Measured:
    """Both measures on each split, kept in the run's folder. `job` is the run's own, `own` the run as finished.

    `UserError`: the weights are not there, or not those that the run wrote.
    """
    known = cached(own.result, own.folder, point, splits)
    if known is not None:
        return known
    make_deterministic(job.device, job.recipe.precision == "tf32")
    start, end = _towers(job, own, point)
    found = {}
    for split in splits:
        changes = outputs(lambda images: change(start(images), end(images)), job.images(split))
        squared, distance = changes.double().mean(dim=0).tolist()
        found[split] = {"mean_squared_difference": squared, "euclidean_distance": distance}
    _remember(own, point, found)
    return found


def change(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """(B, 2) of features (B, d): the mean squared difference per entry and the Euclidean distance of each image."""
    squared = (after.double() - before.double()).square()
    return torch.stack([squared.mean(dim=1), squared.sum(dim=1).sqrt()], dim=1)


def _towers(job: Job, own: ParentRun, point: Checkpoint) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The image tower as training found it, and as it was at the checkpoint; both in evaluation mode."""
    method = plugins.method(job.run.method)
    model = method.start(job)
    model = method.judged(model, job) if hasattr(method, "judged") else model
    assert isinstance(model, Classifier)
    before = copy.deepcopy(model.backbone.visual).eval()
    model.load_state_dict(own.weights(point.name))
    return before, model.backbone.visual.eval()


def _remember(own: ParentRun, point: Checkpoint, found: Measured) -> None:
    path = own.folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        before = content["checkpoints"] if content["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        before = {}
    weights = _weights(own.result, point)
    checkpoints = {**before, weights: {**before.get(weights, {}), **found}}
    write_atomically(path, json.dumps({"format": FORMAT, "checkpoints": checkpoints}, indent=1) + "\n")
