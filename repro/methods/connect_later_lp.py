"""The first stage of Connect Later: a linear probe by gradient descent, with the targeted augmentation; a stage, not a row.

(W, b)* = argmin mean CE(W·g(x̃) + b, y) over augmented images x̃, the backbone frozen. With batchnorm=adapt its BatchNorms are in training
mode meanwhile, as in the release: helenqu/connect-later-wilds@88e79ef examples/algorithms/ERM.py:34-37. Source: Qu and Xie 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, INIT, TARGETED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="connect-later-lp",
    version=1,
    fields=(TRAINING | INIT | IMAGES | TARGETED) - {"keep_weights"},
    defaults={"epochs": 10, "freeze": "backbone"},
    reported=False,
    chosen_on=("id_val", "ood_val"),
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, a fresh head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
