"""Contrastive image–text pretraining, the stage that gives the digits benchmark its backbone.

Minimises CLIP's symmetric contrastive loss over (image, caption) pairs of the benchmark's pretraining split (Radford et al. 2021, §2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, TOWERS
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.backbones import Backbone

METHOD = Method(
    name="clip-pretrain",
    version=1,
    fields=TOWERS | IMAGES,
    defaults={"optimizer": "adamw", "schedule": "cosine_step", "keep_weights": "last"},
    tiny={"epochs": 12, "batch_size": 25, "warmup_steps": 4, "lr": 2e-3},  # until BatchNorm's statistics fit the images
    pretrained=False,
    needs_text=True,
    trains_on="pretrain",
    reported=False,
)


def start(job: Job) -> Backbone:
    """Both towers from random weights; captions are tokenised once."""
    net = job.backbone(pretrained=False)
    pack = job.images(job.split_with_role("pretrain"), augmented=True).pack
    job.tokens, job.caption_of = net.tokenize(list(pack.captions)).to(job.device), pack.caption_of
    return net


def pairs(batch: Batch, job: Job) -> torch.Tensor:
    """The tokens (B, L) of one of each image's captions, drawn at random."""
    import torch

    from repro.nn.allocator import sent

    choices = job.caption_of[batch.index]
    drawn = torch.randint(choices.shape[1], (len(choices),))
    return job.tokens[sent(choices[torch.arange(len(choices)), drawn], job.device)]


def encode(model: Backbone, images: torch.Tensor, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows of images and captions."""
    from repro.nn.objectives.losses import embedded

    return embedded(model, model.visual(images), pairs)


def couple(model: Backbone, rows: tuple[torch.Tensor, ...], batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """The contrastive loss of all pairs."""
    from repro.nn.objectives.losses import contrastive

    return {"loss": contrastive(model, *rows)}
