"""BatchNorm-only fine-tuning: of the backbone, only BatchNorm's scales and shifts are trained, with the head.

θ* = argmin mean CE over γ, β of every BatchNorm and W, b of the head; all other weights stay. Running statistics are updated, as the
network is in training mode. Source: Kumar et al. 2022, ablations; AnanyaKumar/transfer_learning@36fb2ef
unlabeled_extrapolation/baseline_train.py:165-171, scripts/run_adaptation_experiments.py:972-975.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import HEAD, IMAGES, INIT, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="bn-only", version=1, fields=TRAINING | INIT | IMAGES | HEAD, defaults={"epochs": 20, "lr": 3e-3, "freeze": "all_but_batchnorm"}
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, the recipe's head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy."""
    from repro.nn.objectives.losses import cross_entropy

    return cross_entropy(model, batch, job)
