"""Fine-tuning (FT): all weights of a pretrained network, with a fresh linear head.

θ* = argmin mean CE(W·g_θ(x) + b, y), starting from the pretrained g_θ and PyTorch's default W, b; one learning rate for both.
Source: Kumar et al. 2022, §2; AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/baseline_train.py:147-270.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.types import IMAGES, TRAINING, Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.model import Classifier

METHOD = Method(name="ft", version=1, fields=TRAINING | IMAGES, defaults={"epochs": 20})


def start(job: Job) -> Classifier:
    """Pretrained image tower, random head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy."""
    from repro.nn.losses import cross_entropy

    return cross_entropy(model, batch, job)
