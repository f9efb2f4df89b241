"""Self-training: fine-tuning on the labelled images and on those of the target that a finished run has labelled.

min mean over train ∪ target of CE(f(x), ŷ), ŷ = y on train and argmax of the teacher's logits on the target images, hard and made once, of
the evaluation transform. The teacher is a run of the method that `base` names, at its checkpoint by ID validation (`mix_at` chooses another); the
student starts where fine-tuning does. Source: Qu & Xie 2024, baseline; helenqu/connect-later@6a12eab pseudolabel.py,
finetune_classification.py:325-331 (there of light curves). Labels of the target, where there are any, are never looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import IMAGES, INIT, TRAINING, UNLABELLED
from repro.types import Method, Parent

if TYPE_CHECKING:
    import torch

    from repro.nn.inputs.joined import Joined
    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="self-training",
    version=1,
    fields=TRAINING | IMAGES | INIT | UNLABELLED | {"base", "mix_at"},
    defaults={"epochs": 20, "base": "ft", "mix_at": "id_val"},
    parents={"teacher": Parent(method="ft", field="base", images=True)},
    needs_unlabelled=True,
)


def start(job: Job) -> Classifier:
    """Pretrained image tower, fresh head; the teacher's labels are made on the way."""
    from repro.nn import mixing
    from repro.nn.objectives.pseudo_labels import pseudo_labels

    teacher = mixing.classifier_of(job, [job.parents["teacher"]])
    teacher.load_state_dict(mixing.state_of(teacher, job.parents["teacher"], job.recipe.mix_at))
    job.pseudo_labels = pseudo_labels(teacher, job, job.trained_on()[1:])
    return job.classifier()


def training(job: Job) -> Joined:
    """The training split with its labels, then the target's images with the teacher's."""
    import torch

    from repro.nn.inputs.joined import Joined

    parts = [job.images(name, augmented=True) for name in job.trained_on()]
    return Joined(parts, torch.cat([parts[0].labels, job.pseudo_labels]))


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy."""
    from repro.nn.objectives.losses import cross_entropy

    return cross_entropy(model, batch, job)
