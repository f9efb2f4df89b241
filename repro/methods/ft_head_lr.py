"""Fine-tuning with a tenfold learning rate for the head, so that the fresh head adapts before the features move.

FT's objective; each step moves the backbone by lr·d and the head by 10·lr·d. Source: Kumar et al. 2022, ablations;
AnanyaKumar/transfer_learning@36fb2ef scripts/run_adaptation_experiments.py:1002-1003, unlabeled_extrapolation/baseline_train.py:351-364.
Their code takes the last child of the wrapped network for the head; in their CLIP wrapper that is not the classifier, which then is not
trained at all. Here the head is the head on every backbone.
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
    name="ft-head-lr",
    version=1,
    fields=TRAINING | INIT | IMAGES | HEAD,
    defaults={"epochs": 20, "head_lr_factor": 10.0},
    tiny={"epochs": 2, "batch_size": 16, "lr": 1e-3},
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, the recipe's head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy."""
    from repro.nn.objectives.losses import cross_entropy

    return cross_entropy(model, batch, job)
