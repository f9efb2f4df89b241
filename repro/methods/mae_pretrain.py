"""Masked-autoencoder pretraining on unlabelled light curves: restore the observations that were hidden; a stage.

min mean (f(masked x)_t − flux_t)² over a random 60 % of the observations t, of source and target curves alike. Qu and Xie 2024;
helenqu/connect-later@6a12eab connect_later/pretrain.py:95-130, 141-219, connect_later/dataset_preprocess_raw.py:85-115. Masks are drawn
anew at every step; curves are shuffled anew in every pass, where the release shuffles once (dataset_preprocess_raw.py:189-198).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import CROPS, HEAD_ONLY, MASKED, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.backbones import Backbone
    from repro.nn.networks.informer import MaskedAutoencoder

METHOD = Method(
    name="mae-pretrain",
    version=1,
    fields=(TRAINING - HEAD_ONLY - CROPS - {"batchnorm"}) | MASKED,
    defaults={"optimizer": "adamw", "schedule": "constant", "lr": 1e-4, "keep_weights": "last"},
    tiny={"epochs": 4, "batch_size": 16, "lr": 1e-3},
    kinds=("light-curves",),
    tasks=("classification", "regression"),  # it sees no label
    pretrained=False,
    trains_on="pretrain",
    reported=False,
)


def start(job: Job) -> MaskedAutoencoder:
    """The encoder and the layer that restores the flux, from random weights."""
    from repro.nn.networks.informer import MaskedAutoencoder
    from repro.nn.seeding import seed_torch

    net = job.backbone(pretrained=False)
    seed_torch("decoder", job.run.seed)
    return MaskedAutoencoder(net).to(job.device)


def loss(model: MaskedAutoencoder, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean squared error of what was hidden."""
    from repro.nn.networks.informer import restoration

    return {"loss": restoration(model, batch.images, job.recipe.mask_share)}


def judged(model: MaskedAutoencoder, job: Job) -> Backbone:
    """What others start from: the encoder."""
    return model.backbone
