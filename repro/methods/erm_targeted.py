"""ERM with a targeted augmentation, which changes of each image what the benchmark's shift changes.

ERM's objective over images of which a share is augmented anew in every epoch; which augmentation a benchmark has, `targeted` says
(repro/nn/inputs/targeted.py). Source: Gao et al. 2023, §4; i-gao/targeted-augs@f1ce502 README.
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
    name="erm-targeted",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED,
    defaults={"epochs": 20, "init": "random"},
    targeted=True,
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Image tower with random or pretrained weights, a fresh head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
