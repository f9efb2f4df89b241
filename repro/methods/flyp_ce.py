"""FLYP's cross-entropy ablation: both towers trained, the text tower as a classifier over all classes.

min mean CE(s·I·Tᵀ, y) with T the unit embeddings of one caption per class, its template drawn anew for each class and step; the
captions, the scale, and the classifier that is judged are FLYP's. Source: Goyal et al. 2023, ablations; locuslab/FLYP@215d5bb
src/models/ce_ablation.py:63-127 (which as released stops at a missing import; this is what it would do).
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
    name="flyp-ce",
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


def loss(model: Backbone, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy over all classes, one template per class drawn at random."""
    import torch
    import torch.nn.functional as F

    from repro.nn.allocator import sent
    from repro.nn.objectives.losses import embedded, similarities

    classes, alternatives = job.tokens.shape[:2]
    drawn = torch.arange(classes) * alternatives + torch.randint(alternatives, (classes,))
    captions = job.tokens.flatten(0, 1)[sent(drawn, job.device)]
    return {"loss": F.cross_entropy(similarities(model, *embedded(model, model.visual(batch.images), captions)), batch.labels)}


def judged(model: Backbone, job: Job) -> Classifier:
    """The image tower with the zero-shot head of the text tower as it now is."""
    from repro.nn.networks.model import zero_shot_classifier

    return zero_shot_classifier(model, job.tokens)
