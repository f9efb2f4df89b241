"""Greedy soup: the mean of the weights of those fine-tuned models that do not lower ID validation.

Runs of the method that `base` names, in descending order of their ID validation score; each joins the mean if the mean's score then is at
least what it was. Source: Wortsman et al. 2022b, algorithm 1; mlfoundations/model-soups@d5398f1 main.py:120-178 (`>`, strictly above, in
their code; at least, in the paper's algorithm, which is followed here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import INIT, MIXTURE
from repro.types import Method, Parent

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="greedy-soup",
    version=1,
    fields=(MIXTURE - {"alphas"}) | INIT | {"keep_weights"},
    defaults={"base": "ft", "mix_at": "id_val"},
    parents={"part": Parent(method="ft", field="base", many=True, images=True)},
    seeded=False,
)


def start(job: Job) -> Classifier:
    """The greedy mean; which runs joined, and the score at each step, are in the result."""
    from repro.nn import mixing
    from repro.nn.evaluate import judge
    from repro.outcomes.selection import reported, score

    parts = mixing.parts_of(job)
    ranked = sorted(
        parts,
        key=lambda part: score(reported(part.result, job.recipe.mix_at), "id_val", job.benchmark),
        reverse=True,  # stable: of equals the earlier run comes first
    )
    model = mixing.classifier_of(job, ranked)
    validation = job.split_with_role("id_val")
    images = {validation: job.images(validation)}
    metric = job.benchmark.metric_of(job.benchmark.split(validation))
    chosen: list[mixing.State] = []
    joined, scores = [], []
    for number, part in enumerate(ranked):
        state = mixing.state_of(model, part, job.recipe.mix_at)
        model.load_state_dict(mixing.mean([*chosen, state]))
        reached = judge(model, images, job.benchmark)[1][validation][metric]
        job.on_step(number + 1, len(ranked), "parts of the soup")
        if not scores or reached >= scores[-1]:
            chosen.append(state)
            joined.append(part.result.key)
            scores.append(reached)
    model.load_state_dict(mixing.mean(chosen))
    job.extras["parts"], job.extras["scores"] = joined, scores
    return model
