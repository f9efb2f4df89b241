"""FLYP: fine-tune like you pretrain, by the contrastive loss of images and captions of their classes.

min ½[CE(s·I·Tᵀ, arange) + CE(s·T·Iᵀ, arange)] with unit rows I = g(x), T = h(caption of y) and s = exp(logit_scale): both towers, their
projections and the scale are trained, without clamp or clipping; images of one class in a batch count as each other's negatives. The
classifier is the zero-shot head of the current text tower, made anew at every judging. Source: Goyal et al. 2023, §3;
locuslab/FLYP@215d5bb src/models/flyp_loss.py:22-164, clip/loss.py:193-208, src/models/zeroshot.py:19-69.

Captions: theirs are rows (image, template), all N·T of them shuffled, B per step, ceil(N/B) steps to an "epoch"
(datacreation_scripts/iwildcam.py:17-37, src/models/flyp_loss.py:44-46, 91-95). Here every image comes once per epoch, with one of its
class's T templates drawn by the step's generator. Each step sees an (image, template) pair with the same probability, and with T = 1 the
two are the same; with T > 1 theirs can bring an image twice or not at all in an epoch, and brings every pair exactly once in T epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import FEW_SHOT, IMAGES, TOWERS
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.backbones import Backbone
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="flyp",
    version=1,
    fields=TOWERS | IMAGES | FEW_SHOT,
    defaults={"optimizer": "adamw", "schedule": "cosine_step", "epochs": 20, "lr": 1e-5},
    tiny={"epochs": 2, "batch_size": 25, "lr": 1e-4},
    needs_text=True,
)


def start(job: Job) -> Backbone:
    """Both pretrained towers; the prompts of all classes are tokenised once."""
    net = job.backbone()
    job.tokens = job.prompts(net)
    return net


def pairs(batch: Batch, job: Job) -> torch.Tensor:
    """The tokens (B, L) of each image's caption, one template per image drawn at random."""
    import torch

    from repro.nn.allocator import sent

    templates = torch.randint(job.tokens.shape[1], (len(batch.labels),))
    return job.tokens[batch.labels, sent(templates, job.device)]


def encode(model: Backbone, images: torch.Tensor, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows of images and captions."""
    from repro.nn.objectives.losses import embedded

    return embedded(model, model.visual(images), pairs)


def couple(model: Backbone, rows: tuple[torch.Tensor, ...], batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """The contrastive loss of all pairs."""
    from repro.nn.objectives.losses import contrastive

    return {"loss": contrastive(model, *rows)}


def judged(model: Backbone, job: Job) -> Classifier:
    """The image tower with the zero-shot head of the text tower as it now is."""
    from repro.nn.networks.model import zero_shot_classifier

    return zero_shot_classifier(model, job.tokens)
