"""Fine-tuning (FT): all weights of a pretrained network, with a fresh linear head.

θ* = argmin mean CE(W·g_θ(x) + b, y), starting from the pretrained g_θ and PyTorch's default W, b; one learning rate for both.
Source: Kumar et al. 2022, §2; AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/baseline_train.py:147-270.
With head=zero_shot it starts from the zero-shot head on features of length 1, the scale inside its weights, its bias zero and trained:
Wortsman et al. 2022; mlfoundations/wise-ft@58b7a4b src/models/{modeling.py:35-51, zeroshot.py:19-69, finetune.py:42-113}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import FEW_SHOT, HEAD, IMAGES, INIT, TARGETED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="ft",
    version=1,
    fields=TRAINING | INIT | IMAGES | TARGETED | HEAD | FEW_SHOT,
    defaults={"epochs": 20},
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
