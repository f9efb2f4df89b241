"""Linear probe by gradient descent: the head alone is trained, on the features of a frozen backbone in evaluation mode.

(W, b)* = argmin mean CE(W·g(x) + b, y) by SGD over augmented images, without regulariser; the ImageNet runs of LP-FT start so.
Source: Kumar et al. 2022; AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/baseline_train.py:157-164, 543-550,
scripts/run_adaptation_experiments.py:965-971. With head=zero_shot it is the linear classifier of mlfoundations/wise-ft@58b7a4b
src/models/finetune.py:26-32, but for their evaluation transform (augment=none here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import HEAD, IMAGES, INIT, TARGETED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="lp-sgd",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED | HEAD,
    defaults={"epochs": 20, "lr": 3e-2, "freeze": "backbone"},
    tiny={"epochs": 2, "batch_size": 16, "lr": 3e-4},
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, the recipe's head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
