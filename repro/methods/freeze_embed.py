"""Freeze-embed: fine-tuning by SGD with the first layers frozen, whose gradients are the largest.

FT's objective over all weights but the embedding's. Which layers these are is written beside each kind of network in
repro/nn/training/freezing.py; only gradients stop, BatchNorm's running statistics follow `batchnorm`. Source: Kumar et al. 2022b, "How to
fine-tune vision models with SGD"; AnanyaKumar/transfer_learning@13c3e2b scripts/run_all_experiments_amulet.sh:3-8,
unlabeled_extrapolation/baseline_train.py:188-195.
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
    name="freeze-embed", version=1, fields=TRAINING | INIT | IMAGES | HEAD | {"select_by"}, defaults={"epochs": 20, "freeze": "embed"}
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, the recipe's head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy."""
    from repro.nn.objectives.losses import cross_entropy

    return cross_entropy(model, batch, job)
