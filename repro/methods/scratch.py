"""Training from random weights: what the data set alone can teach.

θ* = argmin mean CE(f_θ(x), y), with both the image tower and the head drawn at random. The floor that pretraining is compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, TARGETED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="scratch",
    version=1,
    fields=TRAINING | IMAGES | TARGETED,
    defaults={"epochs": 20},
    pretrained=False,
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Random image tower, random head, both from the run's seed."""
    return job.classifier(pretrained=False)


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
