"""Empirical risk minimisation (ERM): all weights, the plain loss, from random or pretrained weights as the recipe says.

θ* = argmin mean CE(W·g_θ(x) + b, y): the baseline of WILDS, of Targeted Augmentations and of Connect Later, on images as they are or
with an augmentation. Source: p-lambda/wilds@v2.0.0 examples/algorithms/ERM.py; i-gao/targeted-augs@f1ce502 examples/configs/datasets.py:6-65.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import GENERIC, IMAGES, INIT, TARGETED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="erm",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED | GENERIC,
    defaults={"epochs": 20, "init": "random"},
    kinds=("images", "light-curves"),
    tasks=("classification", "regression"),
)


def start(job: Job) -> Classifier:
    """Image tower with random or pretrained weights, a fresh head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy, with mixup and cutmix towards both labels; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
