"""DANN: features from which a discriminator cannot tell the domain, trained against it by a reversed gradient.

min over g, h and max over g, min over d: mean CE(h(g(x)), y) + w·mean CE(d(R(g(x))), domain), R the identity whose gradient is −1 times
that of the identity. Three learning rates: `lr` of the features, times `head_lr_factor` of the head, `discriminator_lr`. The weight is constant,
as WILDS has it; Ganin's growing one is penalty_schedule=sigmoid. Batches hold a few distinct domains of training, drawn uniformly.
Source: Ganin et al. 2016; p-lambda/wilds@4726775 examples/algorithms/DANN.py:25-138, examples/models/domain_adversarial_network.py, which
i-gao/targeted-augs@f1ce502 keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import BY_DOMAIN, IMAGES, INIT
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier
    from repro.nn.objectives.alignment import DomainAdversarial

METHOD = Method(
    name="dann",
    version=1,
    fields=BY_DOMAIN | IMAGES | INIT | {"discriminator_lr"},
    defaults={"epochs": 20, "groups_per_batch": 2},
    tiny={"epochs": 2, "batch_size": 16, "lr": 3e-3, "groups_per_batch": 2},
    needs_domains=True,
)


def start(job: Job) -> DomainAdversarial:
    """Pretrained image tower, fresh head, and a fresh discriminator of as many domains as training has."""
    from repro.nn.objectives.alignment import DomainAdversarial
    from repro.nn.seeding import seed_torch
    from repro.nn.training.domains import domains_of

    model = job.classifier()
    domains = domains_of(job.benchmark, job.images(job.split_with_role("train"), augmented=True).groups)
    seed_torch("discriminator", job.run.seed)
    return DomainAdversarial(model, int(domains.max()) + 1)


def loss(model: DomainAdversarial, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy of the classes plus the weighted one of the domains, which is also given by itself, without its weight."""
    import torch.nn.functional as F

    from repro.nn.objectives.alignment import penalty_weight, reverse_gradient

    features = model.features(batch.images)
    risk = F.cross_entropy(model.head(features), batch.labels, label_smoothing=job.recipe.label_smoothing)
    domain = F.cross_entropy(model.discriminator(reverse_gradient(features)), batch.domains)
    return {"loss": risk + penalty_weight(job) * domain, "domain": domain}


def judged(model: DomainAdversarial, job: Job) -> Classifier:
    """The classifier without the discriminator."""
    return model.classifier()
