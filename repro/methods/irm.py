"""Invariant risk minimisation (IRM): one classifier that is optimal in every domain at once.

min mean over domains of [R_e(1) + w·g₁·g₂], R_e(s) the cross-entropy of s·f(x) in domain e, g₁ and g₂ its derivatives at s = 1 over
alternate examples. w is 1 for `anneal_steps` steps; then it is the recipe's, and the optimiser forgets what it remembers. Batches hold a few
distinct domains, drawn uniformly. Source: Arjovsky et al. 2019, §3.1; as WILDS runs it: p-lambda/wilds@4726775
examples/algorithms/IRM.py:24-99, which i-gao/targeted-augs@f1ce502 examples/algorithms/IRM.py keeps.
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
    name="irm",
    version=1,
    fields=(BY_DOMAIN | IMAGES | INIT | {"anneal_steps"}) - {"penalty_schedule"},
    defaults={"epochs": 20, "groups_per_batch": 2, "anneal_steps": 500},
    tiny={"epochs": 2, "batch_size": 16, "lr": 3e-3, "groups_per_batch": 2, "anneal_steps": 5},
    needs_domains=True,
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, fresh head."""
    return job.classifier()


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean risk of the domains plus the weighted penalty, which is also given by itself, without its weight, and may be negative."""
    from repro.nn.objectives.alignment import irm_terms

    risk, penalty = irm_terms(model(batch.images).float(), batch.labels, batch.domains, job.recipe.label_smoothing)
    weight = 1.0 if job.step < job.recipe.anneal_steps else job.recipe.penalty_weight
    return {"loss": risk + weight * penalty, "irm": penalty}
