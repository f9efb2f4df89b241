"""AutoFT: fine-tuning with a weighted sum of nine losses that a search on a little OOD validation data has found.

The search (`autoft-search`) tries weights, learning rate, weight decay and seed; the best of them train the whole network from where the
trials started, both towers where there are two, and ID validation selects the epoch. With `searched=false` the recipe's own weights, rate
and decay are taken, such as those that the authors released. Source: Choi et al. 2024, §4; cchoi1/auto-ft@594e6a2 (release) and @8225046
(at the time of the paper) autoft/src/models/autoft.py, finetune.py. Their code departs from the text in what repro/papers/quirks.toml
names; `variant` sets all of a version's switches at once, and each can be set by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import FEW_SHOT, HEAD, IMAGES, OBJECTIVE, SEARCH, TRAINING
from repro.types import Method, Parent

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="autoft",
    version=1,
    fields=(TRAINING - {"label_smoothing", "freeze"}) | IMAGES | HEAD | FEW_SHOT | OBJECTIVE | SEARCH,
    defaults={"optimizer": "adamw", "schedule": "cosine_step", "epochs": 20, "lr": 1e-5},
    tiny={"epochs": 2, "batch_size": 16, "lr": 1e-4, "trials": 3, "inner_steps": 2, "search_examples": 40},
    parents={
        "head": Parent(method="lp", when={"head": "probe"}),
        "search": Parent(method="autoft-search", when={"searched": True}, settings=True),
    },
    variants={
        "as_released": {
            "fixed_drawn": True,
            "trial_lr": "warm_up",
            "final_lr": "recipe",
            "anchor": "live",
            "order": "independent",
            "search_balanced": False,
            "search_augmented": True,
        },
        "as_2023": {
            "fixed_loss": "flyp",
            "search_decay": 0.3,
            "search_seeds": 101,
            "trial_head": "rebuilt",
            "final_lr": "recipe",
            "anchor": "live",
            "clip_each": True,
            "search_shared": True,
            "search_augmented": True,
        },
    },
)


def start(job: Job) -> Classifier:
    """Both towers and the recipe's head, as the trials started; what the search found is set in the job."""
    from repro.nn.objectives import objective

    model = objective.start(job)
    objective.install(job, job.parents["search"].result.extras["best"] if "search" in job.parents else None)
    job.origin = objective.origin_of(model, live=job.recipe.anchor == "live")
    return model


def pairs(batch: Batch, job: Job) -> torch.Tensor | None:
    """The captions that the objective's contrastive term wants."""
    from repro.nn.objectives import objective

    return objective.pairs(batch, job)


def encode(model: Classifier, images: torch.Tensor, pairs: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """Features of the images and, where there are captions, theirs."""
    from repro.nn.objectives import objective

    return objective.encode(model, images, pairs)


def couple(model: Classifier, rows: tuple[torch.Tensor, ...], batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """The learned objective, and each of its terms without its weight."""
    from repro.nn.objectives import objective

    return objective.couple(model, rows, batch, job)


def judged(model: Classifier, job: Job) -> Classifier:
    """The image tower with its trained head."""
    return model.image_classifier()
