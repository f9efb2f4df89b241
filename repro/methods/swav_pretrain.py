"""SwAV: pretraining on images without labels, by predicting one view's clusters from another; a stage, not a row.

min −mean over i ∈ {1, 2}, views v ≠ i of Σ_k q_ik·log softmax(z_v·C/τ)_k, z the unit features of random views (crops of several sizes, jittered
colours, blur), C prototypes of unit length, q_i = Sinkhorn(z_i·C/ε) in 3 iterations: equal shares of the batch for all prototypes. SGD with
LARC, the rate scaled with the batch as 4.8·B/4096, a cosine to its thousandth; prototypes without gradient at first; no queue, which the release
never reaches. Only the image tower is kept; a method begins from it with init=swav-pretrain. Source: Caron et al. 2020; as WILDS runs it:
p-lambda/wilds@4726775 examples/pretraining/swav/main_swav.py:162-432, src/config.py, src/model.py, src/multicropdataset.py:65-170.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, INIT, SWAV, TOWERS, UNLABELLED
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.inputs.joined import Joined
    from repro.nn.job import Batch, Job
    from repro.nn.networks.backbones import Backbone
    from repro.nn.objectives.swav import SwAV

METHOD = Method(
    name="swav-pretrain",
    version=1,
    fields=(TOWERS - {"rrc_scale", "rrc_interpolation", "shift", "judge_every"}) | IMAGES | INIT | SWAV | UNLABELLED,
    defaults={
        "init": "random",
        "optimizer": "larc",
        "lr": 0.3,
        "weight_decay": 1e-6,
        "schedule": "cosine_step",
        "lr_end": 1e-3,
        "batch_size": 256,
        "drop_last": True,
        "epochs": 100,
        "augment": "rrc_flip",
        "crops": (6,),
        "crop_min": (0.14,),
        "crop_max": (1.0,),
        "prototypes": 20,
        "sinkhorn_epsilon": 0.03,
        "keep_weights": "last",
    },
    tiny={
        "epochs": 2,
        "batch_size": 16,
        "lr": 0.3,
        "crops": (3,),
        "crop_sides": None,
        "crop_min": (0.3,),
        "crop_max": (1.0,),
        "prototypes": 10,
        "projection": (64, 16),
        "frozen_prototype_steps": 2,
        "precision": "fp32",
    },
    trains_on="pretrain",
    reported=False,
)


def start(job: Job) -> SwAV:
    """The image tower, from random weights unless `init` says otherwise, with a fresh head and fresh prototypes."""
    from repro.errors import UserError
    from repro.nn.objectives.swav import SwAV
    from repro.nn.seeding import seed_torch

    if not job.recipe.augment.startswith("rrc"):
        raise UserError(
            f"swav-pretrain: augment={job.recipe.augment}",
            "its views are random resized crops",
            "--set swav-pretrain.augment=rrc_flip, or rrc without mirroring",
        )
    tower = job.backbone().image_tower()
    seed_torch("prototypes", job.run.seed)
    return SwAV(tower, *job.recipe.projection, job.recipe.prototypes).to(job.device)


def training(job: Job) -> Joined:
    """The images of every split that is there for it, in several views."""
    from repro.nn.inputs.joined import Joined
    from repro.nn.inputs.multicrop import MultiCrop

    return Joined([MultiCrop(job.images(name, augmented=True)) for name in job.trained_on()])


def loss(model: SwAV, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """The swapped prediction of the batch's views, prototypes scaled to length 1 before."""
    from repro.nn.objectives.swav import swapped_prediction

    recipe = job.recipe
    model.normalise_prototypes()
    scores = model(batch.images, train_prototypes=job.step >= recipe.frozen_prototype_steps)
    return {"loss": swapped_prediction(scores, recipe.temperature, recipe.sinkhorn_epsilon, recipe.sinkhorn_iterations)}


def judged(model: SwAV, job: Job) -> Backbone:
    """What is kept: the image tower."""
    return model.backbone
