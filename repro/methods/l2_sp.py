"""L2-SP: fine-tuning with a penalty on the distance from where it started.

θ* = argmin mean CE(f_θ(x), y) + w·Σ‖θ − θ0‖², neither halved nor averaged, over all parameters but the head's; θ0 is read after the head
is installed. Source: Li et al. 2018; as Kumar et al. 2022 run it: AnanyaKumar/transfer_learning@36fb2ef
unlabeled_extrapolation/baseline_train.py:214-219, 263-267, 385-387, scripts/run_adaptation_experiments.py:1004-1007 (w = 0.01). They leave
out parameters with ".fc." in their names; in their CLIP wrapper the head has another name and is penalised, too: `l2sp_head=true`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import HEAD, IMAGES, INIT, L2SP, TRAINING
from repro.types import Method

if TYPE_CHECKING:
    import torch

    from repro.nn.job import Batch, Job
    from repro.nn.networks.model import Classifier

METHOD = Method(name="l2-sp", version=1, fields=TRAINING | INIT | IMAGES | HEAD | L2SP, defaults={"epochs": 20, "l2sp_weight": 0.01})


def start(job: Job) -> Classifier:
    """Pretrained image tower, the recipe's head; a resumed run comes by here, too, so that θ0 is never what was trained since."""
    model = job.classifier()
    job.origin = {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if job.recipe.l2sp_head or not name.startswith("head.")
    }
    return model


def loss(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy plus the penalty, which is also given by itself."""
    from repro.nn.objectives.losses import cross_entropy, squared_distance

    penalty = job.recipe.l2sp_weight * squared_distance(model, job.origin)
    return {"loss": cross_entropy(model, batch, job)["loss"] + penalty, "l2sp": penalty}
