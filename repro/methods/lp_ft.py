"""Linear probing, then fine-tuning (LP-FT): fine-tune from the linear probe's head, so that features are distorted less.

The head of run i is the linear probe's of seed i; training is FT's with BatchNorm in evaluation mode (running statistics frozen,
affine weights trained), which the paper's numbers use: AnanyaKumar/transfer_learning@36fb2ef
scripts/run_adaptation_experiments.py:1126 and unlabeled_extrapolation/baseline_train.py:182-202, 252-255. Source: Kumar et al. 2022, §3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, INIT, TARGETED, TRAINING
from repro.types import Method, Parent

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="lp-ft",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED,
    defaults={"epochs": 20, "lr": 1e-4, "batchnorm": "eval"},
    tiny={"epochs": 2, "batch_size": 16, "lr": 1e-6},
    parents={"head": Parent(method="lp")},
    kinds=("images", "light-curves"),
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, the probe's head."""
    return job.with_probe(job.classifier())


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy; of a regression, the squared error."""
    from repro.nn.objectives.losses import supervised

    return supervised(model, batch, job)
