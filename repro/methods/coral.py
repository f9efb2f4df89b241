"""CORAL: features of different domains are drawn to the same mean and covariance.

min mean CE(f(x), y) + w·mean over pairs of domains in the batch of [mean((μa − μb)²) + mean((Ca − Cb)²)], μ and C the mean and the
covariance of the features that the head sees. Batches hold a few distinct domains, drawn uniformly. Source: Sun & Saenko 2016, whose
distance has no term of means and another constant; as WILDS runs it: p-lambda/wilds@4726775 examples/algorithms/deepCORAL.py:55-136,
which i-gao/targeted-augs@f1ce502 examples/algorithms/deepCORAL.py keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import BY_DOMAIN, IMAGES, INIT
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="coral",
    version=1,
    fields=BY_DOMAIN | IMAGES | INIT,
    defaults={"epochs": 20, "groups_per_batch": 2},
    tiny={"epochs": 2, "batch_size": 16, "lr": 3e-3, "groups_per_batch": 2},
    needs_domains=True,
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, fresh head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy plus the weighted distance, which is also given by itself, without its weight."""
    import torch.nn.functional as F

    from repro.nn.objectives.alignment import mean_coral_distance, penalty_weight

    features = model.features(batch.images)
    distance = mean_coral_distance(features.float(), batch.domains)
    risk = F.cross_entropy(model.head(features), batch.labels, label_smoothing=job.recipe.label_smoothing)
    return {"loss": risk + penalty_weight(job) * distance, "coral": distance}
