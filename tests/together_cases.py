"""Small trainings in float64, the same by one process and by the two of a torchrun: `python -m together_cases HOME OUT`."""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path

import tiny_digits
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from repro.nn.job import Batch, Job
from repro.nn.objectives.coupled import Coupled
from repro.nn.objectives.losses import cross_entropy
from repro.nn.together import ALONE, Together, ranks
from repro.nn.training.loop import Trainer
from repro.paths import Places


class Net(nn.Module):
    """A convolution, with or without BatchNorm, and a linear head."""

    def __init__(self, norm: bool = False):
        super().__init__()
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 5, stride=4), *([nn.BatchNorm2d(4)] if norm else []), nn.Tanh(), nn.Flatten(), nn.LazyLinear(8)]
        self.backbone = nn.Sequential(*layers)
        self.backbone(torch.zeros(2, 3, 32, 32))
        self.head, self.scale = nn.Linear(8, 10), nn.Parameter(torch.tensor(1.0))
        self.text = nn.Embedding(10, 8)
        self.double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images.double()))


def mean(model: Net, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    return {"loss": F.cross_entropy(model(batch.images), batch.labels)}


def _pairs(batch: Batch, job: Job) -> torch.Tensor:
    return (batch.labels + torch.randint(2, (len(batch.labels),))) % 10


def _encode(model: Net, images: torch.Tensor, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return F.normalize(model.backbone(images.double()), dim=1), F.normalize(model.text(pairs), dim=1)


def _couple(model: Net, rows: tuple[torch.Tensor, ...], batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    logits, target = model.scale.exp() * rows[0] @ rows[1].T, torch.arange(len(batch.labels))
    contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    size = torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum()
    heads = F.cross_entropy(model.head(rows[0]), batch.labels)
    return {"loss": contrast + heads + 0.01 * size, "contrast": contrast, "size": size}


CASES = {  # name → loss, BatchNorm, settings
    "mean": (mean, False, ("accumulate=3", "clip_norm=1.0")),
    "norm": (mean, True, ("batchnorm=train",)),
    "coupled": (Coupled(_pairs, _encode, _couple), False, ()),
    "scant": (mean, True, ("batchnorm=train", "batch_size=33")),  # the last of an epoch is one example: nothing for the second process
    "scant-mean": (mean, False, ("batch_size=33",)),
    "scant-coupled": (Coupled(_pairs, _encode, _couple), False, ("batch_size=33",)),
    "coupled-norm": (Coupled(_pairs, _encode, _couple), True, ("batchnorm=train",)),
    "mixup": (cross_entropy, False, ("augment=mixup", "accumulate=3")),
    "scant-cutmix": (cross_entropy, False, ("augment=cutmix", "augment_p=0.9", "batch_size=33")),
}


def train(name: str, places: Places, folder: Path, together: Together = ALONE, *sets: str) -> tuple[Trainer, dict[str, torch.Tensor]]:
    """Two epochs of four steps, the last of each short; every tensor of the model afterwards, and the logits of ID validation."""
    loss, norm, own = CASES[name]
    job = tiny_digits.job_of(tiny_digits.plan("erm", sets=("batch_size=32", "epochs=2", "lr=0.05", *own, *sets)), "erm", places)
    job.together = together
    job.backbone()  # says how images are prepared
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(job, Net(norm), loss, job.images("train", augmented=True), {"id_val": job.images("id_val")}, folder)
    trainer.fit()
    together.most(0)
    kept = torch.load(folder / "checkpoint" / "state.pt", weights_only=True)["model"]
    terms = [value for point in trainer.progress.checkpoints for value in point.train.values()]
    return trainer, {**kept, "terms": torch.tensor(terms, dtype=torch.float64)}


def main(home: str, out: str) -> None:
    together = ranks()
    for name in CASES:
        _, tensors = train(name, tiny_digits.places_at(Path(home)), Path(out) / name, together)
        if together.first:
            save_file(tensors, Path(out) / f"{name}.safetensors")
    if together.first:
        together.told("nobody waits for ever")
        time.sleep(2)
    else:
        assert together.told() == "nobody waits for ever"
        try:
            together.most(1, datetime.timedelta(seconds=0.5))
        except RuntimeError as error:
            (Path(out) / "waited").write_text(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
