"""Connect Later: pretrain broadly, then fine-tune from a linear probe, both with the targeted augmentation of the shift.

The head and, where they adapted, BatchNorm's running statistics are the probe's at the epoch that `start_at` chooses; then all weights are
trained. The probe's own settings are `probe_lr`, `probe_epochs` and `probe_batchnorm`, all others are those of the fine-tuning. Source: Qu
and Xie 2024, §3; helenqu/connect-later-wilds@88e79ef run_iwildcam.sh, run_camelyon.sh, examples/utils.py:113-160.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, INIT, STAGED, TARGETED, TRAINING
from repro.types import Method, Parent

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="connect-later",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED | STAGED,
    defaults={"epochs": 15, "schedule": "constant"},
    tiny={"epochs": 2, "batch_size": 16, "lr": 1e-4, "probe_epochs": 2, "probe_lr": 3e-4},
    parents={
        "probe": Parent(
            method="connect-later-lp",
            takes={"lr": "probe_lr", "epochs": "probe_epochs", "steps": "probe_steps", "batchnorm": "probe_batchnorm"},
        )
    },
    targeted=True,
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, with what the probe changed."""
    from repro.outcomes.selection import select

    model, parent = job.classifier(), job.parents["probe"]
    chosen = select(parent.result.checkpoints, job.recipe.start_at, job.benchmark)
    model.load_state_dict(model.state_dict() | parent.weights(chosen.name))
    job.extras["probe"] = {"checkpoint": chosen.name}
    return model


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
