"""WiSE-FT: the line in weight space between where fine-tuning started and where it ended.

θ_α = (1 − α)·θ_0 + α·θ_1 over the whole state, head, scale and buffers included, judged at every α of a grid; nothing is trained. θ_1 is
the last checkpoint of a run of the method that `base` names (`mix_at` chooses another), θ_0 what that run started from: the linear probe
for LP-FT, else the zero-shot classifier. Of FLYP's runs the head that the text tower made is mixed, not that tower. Source: Wortsman et
al. 2022, §3; mlfoundations/wise-ft@58b7a4b src/wise_ft.py:15-40, whose grid is 0, 0.1, …, 1 and whose default is 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro.settings import INIT, MIXTURE
from repro.types import Method, Parent

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.mixing import State
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="wise-ft",
    version=1,
    fields=MIXTURE | INIT | {"keep_weights"},
    defaults={"base": "ft"},
    parents={"end": Parent(method="ft", field="base", images=True), "start": Parent(method="zero-shot", start_of="end")},
)


def start(job: Job) -> Classifier:
    """A classifier of the two runs' form, with the pretrained tower."""
    from repro.nn import mixing

    return mixing.classifier_of(job, (job.parents["start"], job.parents["end"]))


def states(model: Classifier, job: Job) -> Iterator[tuple[str, State]]:
    """Every mixture by name, α ascending."""
    from repro.nn import mixing

    pretrained = start(job)  # `model` is at its last mixture where a run goes on
    ends = [mixing.state_of(pretrained, job.parents[role], rule) for role, rule in (("start", "last"), ("end", job.recipe.mix_at))]
    for number, alpha in enumerate(job.recipe.alphas):
        job.on_step(number, len(job.recipe.alphas), "mixtures")
        yield f"alpha-{str(alpha).removesuffix('.0')}", mixing.between(*ends, alpha)
