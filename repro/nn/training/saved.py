"""What a run in progress keeps on disk: its resumable state, and the predictions and weights of checkpoints worth keeping.

Files are written under temporary names and renamed; the state is written after what it refers to, so that a kill at any instant
leaves a folder from which the same run continues.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from repro.errors import UserError, quoted
from repro.nn import fitting
from repro.nn.networks.weights import file_hash, load_weights, save_weights
from repro.types import Checkpoint

if TYPE_CHECKING:
    from repro.nn.training.loop import Trainer

_PARTS = {"progress", "checkpoints", "model", "optimizer", "scaler", "extras"}
_SCALARS = ("step", "sums", "seen", "fit_seconds", "data_seconds", "judge_seconds", "images", "files")


def _replace(path: Path, write) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_point(trainer: Trainer, name: str, logits: dict[str, np.ndarray], state: dict[str, torch.Tensor]) -> None:
    """Predictions and weights of one checkpoint."""
    folder = trainer.folder / "checkpoint"
    folder.mkdir(exist_ok=True)
    _replace(folder / f"predictions-{name}.npz", lambda file: np.savez(file, **logits))
    _remember(trainer, f"predictions-{name}.npz")
    if trainer.recipe.keep_weights != "none" or trainer.recipe.judge == "selected":
        save_weights(folder / f"weights-{name}.safetensors", state)
        _remember(trainer, f"weights-{name}.safetensors")


def _remember(trainer: Trainer, name: str) -> None:
    """The hash of a kept file, which the state records."""
    trainer.progress.files[name] = file_hash(trainer.folder / "checkpoint" / name)


def _damaged(folder: Path, files: dict[str, str]) -> list[str]:
    """Kept files that are not what was written."""
    return [name for name, hashed in files.items() if not (folder / name).is_file() or file_hash(folder / name) != hashed]


class Damaged(RuntimeError):
    """A kept file changed on disk while the run was going on; the state that refers to it is set aside, so that the run starts over."""


def require_intact(trainer: Trainer, *names: str) -> None:
    """`Damaged` where one of these kept files is not what was written."""
    folder = trainer.folder / "checkpoint"
    if broken := _damaged(folder, {name: trainer.progress.files[name] for name in names if name in trainer.progress.files}):
        _set_aside(folder / "state.pt")
        raise Damaged(f"{folder / broken[0]} is not what was written; the same command starts the run over")


def _set_aside(state: Path) -> None:
    if state.exists():
        os.replace(state, state.with_name("state.damaged"))


def with_weights_of(trainer: Trainer, name: str, model: nn.Module) -> nn.Module:
    """`model` with the weights of a checkpoint; what a frozen run does not keep stays as it is."""
    require_intact(trainer, f"weights-{name}.safetensors")
    kept = load_weights(trainer.folder / "checkpoint" / f"weights-{name}.safetensors")
    model.load_state_dict(model.state_dict() | kept)
    return model


def add_predictions(trainer: Trainer, name: str, logits: dict[str, np.ndarray]) -> None:
    """More splits for the predictions of one checkpoint."""
    path = trainer.folder / "checkpoint" / f"predictions-{name}.npz"
    require_intact(trainer, path.name)
    with np.load(path) as before:
        arrays = {split: before[split] for split in before.files}
    trainer.progress.files.pop(path.name, None)
    write_state(
        trainer
    )  # which for a moment vouches for neither the old file nor the new one: a kill between them must not look like damage
    _replace(path, lambda file: np.savez(file, **arrays | logits))
    _remember(trainer, path.name)


def write_state(trainer: Trainer) -> None:
    """Everything from which the next step follows."""
    folder = trainer.folder / "checkpoint"
    folder.mkdir(exist_ok=True)
    state = {
        "progress": {name: getattr(trainer.progress, name) for name in _SCALARS},
        "checkpoints": [point.model_dump_json() for point in trainer.progress.checkpoints],
        "model": trainer.model.state_dict(),
        "optimizer": trainer.stepper.optimizer.state_dict() if trainer.stepper.optimizer else None,
        "scaler": trainer.stepper.scaler.state_dict(),
        "extras": trainer.job.extras,
    }
    _replace(folder / "state.pt", lambda file: torch.save(state, file))


def _read(path: Path, trainer: Trainer) -> dict[str, Any] | None:
    """The state in `path`, or None where it is damaged. torch does not check the archive's checksums, so they are checked here."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        shapes = {name: tensor.shape for name, tensor in state["model"].items()}
    except Exception as error:  # whatever damaged bytes make of zip and pickle
        if fitting.out_of_memory(error):
            raise
        return None
    own = {name: tensor.shape for name, tensor in trainer.model.state_dict().items()}
    return state if state.keys() == _PARTS and shapes == own else None


def resume(trainer: Trainer) -> None:
    """Continue where the folder's state stands; a damaged one is set aside and the run starts over, which costs time but no number."""
    path = trainer.folder / "checkpoint" / "state.pt"
    if not path.exists():
        return
    state = _read(path, trainer)
    if state is None or _damaged(path.parent, state["progress"].get("files", {})):
        _set_aside(path)
        return
    packed = trainer.job.extras.get("packs")
    if state["extras"].get("packs", packed) != packed:
        raise UserError(
            f"run {trainer.job.run.key} was interrupted, and its images are others now",
            "their packs were made again since, and did not come out as before",
            f"rm -r {quoted(path.parent)}, then run the same command again",
        )
    trainer.model.load_state_dict(state["model"])
    if (optimizer := trainer.stepper.optimizer) and state["optimizer"]:
        for group, own in zip(state["optimizer"]["param_groups"], optimizer.param_groups, strict=True):
            group["fused"] = own["fused"]  # the device's matter
        optimizer.load_state_dict(state["optimizer"])
    trainer.stepper.scaler.load_state_dict(state["scaler"])
    trainer.job.extras.update(state["extras"])
    for name, value in state["progress"].items():
        setattr(trainer.progress, name, value)
    trainer.progress.checkpoints = [Checkpoint.model_validate_json(text) for text in state["checkpoints"]]


def _wanted(trainer: Trainer) -> set[str]:
    needed = (*trainer.keep_weights, *(trainer.keep if trainer.recipe.judge == "selected" else ()))  # the other splits are judged with them
    return {f"predictions-{name}.npz" for name in trainer.keep} | {f"weights-{name}.safetensors" for name in needed}


def forget(trainer: Trainer) -> None:
    """The state, written next, vouches no more for what `prune` will then remove."""
    wanted = _wanted(trainer)
    trainer.progress.files = {name: hashed for name, hashed in trainer.progress.files.items() if name in wanted}


def prune(trainer: Trainer) -> None:
    """Remove the predictions and weights that no selection rule would report any more."""
    folder, wanted = trainer.folder / "checkpoint", _wanted(trainer)
    for path in [*folder.glob("predictions-*.npz"), *folder.glob("weights-*.safetensors")]:
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def publish(trainer: Trainer) -> list[Path]:
    """At the end: one predictions.npz with `<checkpoint>/<split>` logits and `labels/<split>`, and the kept weights, in the run's folder."""
    folder = trainer.folder / "checkpoint"
    require_intact(trainer, *trainer.progress.files)
    made = []
    if trainer.judged:
        arrays = {f"labels/{name}": images.pack.labels.numpy() for name, images in trainer.judged.items()}
        arrays |= {
            f"groups/{name}/{group}": values for name, images in trainer.judged.items() for group, values in images.pack.groups.items()
        }
        for name in trainer.keep:
            with np.load(folder / f"predictions-{name}.npz") as logits:
                arrays |= {f"{name}/{split}": logits[split] for split in logits.files}
        made.append(trainer.folder / "predictions.npz")
        _replace(made[-1], lambda file: np.savez(file, **arrays))
    for name in trainer.keep_weights:
        made.append(trainer.folder / f"weights-{name}.safetensors")
        source = folder / made[-1].name
        made[-1].unlink(missing_ok=True)
        try:
            os.link(source, made[-1])  # a second name, so that a kill between here and result.json loses nothing
        except OSError:  # a file system without second names
            shutil.copyfile(source, made[-1])
    return made
