"""Uniform soup: the mean of the weights of many fine-tuned models.

θ = (1/n)·Σ θ_i over the runs of the method that `base` names, every setting and seed of the plan. Source: Wortsman et al. 2022b, recipe 2;
mlfoundations/model-soups@d5398f1 main.py:88-118.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import INIT, MIXTURE
from repro.types import Method, Parent

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="uniform-soup",
    version=1,
    fields=(MIXTURE - {"alphas"}) | INIT | {"keep_weights"},
    defaults={"base": "ft", "mix_at": "id_val"},
    parents={"part": Parent(method="ft", field="base", many=True, images=True)},
    seeded=False,
)


def start(job: Job) -> Classifier:
    """The mean of all parts, each at the checkpoint that `mix_at` selects."""
    from repro.nn import mixing

    parts = mixing.parts_of(job)
    model = mixing.classifier_of(job, parts)
    model.load_state_dict(mixing.mean([mixing.state_of(model, part, job.recipe.mix_at) for part in parts]))
    job.extras["parts"] = [part.result.key for part in parts]
    return model
