"""Features of a frozen tower: extracted once per (weights, transform, split) and kept beside the packs.

packs/features/<key>-<hash of the file>.safetensors. Removing them is safe; one that was changed on disk is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file

from repro.nn.evaluate import outputs
from repro.nn.inputs.curves import Curves
from repro.nn.inputs.images import Images
from repro.nn.job import Job
from repro.nn.networks.model import Classifier
from repro.nn.networks.weights import file_hash, save_weights
from repro.paths import free_space
from repro.record import digest
from repro.settings import CROPS, IMAGES, TARGETED

TRANSFORM = sorted(IMAGES | TARGETED | CROPS | {"shots"})
SPARE = 2**30  # bytes that a disk keeps free beside them


def features_of(
    model: Classifier, images: Images | Curves, uniforms: torch.Tensor | None, job: Job, on_batch: Callable[[int], None]
) -> torch.Tensor:
    """What the head sees of every image, augmented by `uniforms`: float32 (N, dim) on the job's device. `model` is in evaluation mode."""
    folder, key = job.packs / "features", _key(model, images, uniforms, job)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a folder that is read-only: extracted anew
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / f".{key}.lock"))
        found = _read(folder, key)
        if found is None:
            found = outputs(model.features, images, uniforms, on_batch)
            _keep(folder, key, found)
    return found.to(job.device)


def _key(model: Classifier, images: Images | Curves, uniforms: torch.Tensor | None, job: Job) -> str:
    seen = hashlib.sha256()
    for name, tensor in sorted(model.backbone.visual.state_dict().items()):
        seen.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    seen.update(images.pack.labels.cpu().numpy().tobytes())
    if uniforms is not None:
        seen.update(uniforms.numpy().tobytes())
    recipe, few = job.recipe, job.run.seed if job.recipe.shots is not None else None
    transform = {name: getattr(recipe, name) for name in TRANSFORM} | {"augmented": uniforms is not None, "few": few}
    gpu = job.device.type == "cuda"
    machine = [torch.cuda.get_device_name(job.device) if gpu else "cpu", torch.__version__, 0 if gpu else torch.get_num_threads()]
    return digest([seen.hexdigest(), images.pack.content, images.preprocess._asdict(), transform, model.normalize, machine])[:24]


def _read(folder: Path, key: str) -> torch.Tensor | None:
    for path in folder.glob(f"{key}-*.safetensors"):
        with contextlib.suppress(OSError):
            if path.stem == f"{key}-{file_hash(path)[:16]}":
                return load_file(path)["features"]
            path.unlink(missing_ok=True)
    return None


def _keep(folder: Path, key: str, features: torch.Tensor) -> None:
    """Where there is room for it."""
    with contextlib.suppress(OSError):
        if free_space(folder) < features.nbytes + SPARE:
            return
        made = folder / f".{key}.unnamed.safetensors"
        save_weights(made, {"features": features})
        made.replace(folder / f"{key}-{file_hash(made)[:16]}.safetensors")
