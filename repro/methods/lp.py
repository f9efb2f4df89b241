"""Linear probe (LP): L2-regularised logistic regression on frozen features, C chosen on ID validation.

min_W C·Σ CE(W·g(x) + b, y) + ½‖W‖² for each C of a grid (50 values, 1e-7 … 1e2), features standardised by one scalar mean and
deviation; the C with the highest ID validation accuracy wins, the smallest of equals.
Source: AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/log_reg_sk.py:26-85, scripts/run_adaptation_experiments.py:310-322.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import CROPS, IMAGES, INIT, PROBE, TARGETED
from repro.types import Method

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.networks.model import Classifier

METHOD = Method(
    name="lp",
    version=2,
    fields=PROBE | INIT | IMAGES | TARGETED | CROPS | {"shots"},
    kinds=("images", "light-curves"),
)


def start(job: Job) -> Classifier:
    """The pretrained tower, frozen, with the head that logistic regression finds; nothing is left to train."""
    from repro.nn.probes import logreg
    from repro.nn.probes.kept_features import features_of

    model = job.classifier().freeze_backbone().eval()
    train = job.images(job.split_with_role("train"), augmented=job.recipe.lp_features == "train")
    val = job.images(job.split_with_role("id_val"))
    uniforms = train.uniforms("probe", job.run.seed)  # other crops than those of any epoch of the fine-tuning that starts from it
    features, features_val = (
        features_of(model, images, rows, job, lambda done, n=len(images): job.on_step(done, n, "features"))
        for images, rows in ((train, uniforms), (val, None))
    )
    probe = logreg.fit(
        (features, train.labels),
        (features_val, val.labels),
        len(job.benchmark.classes),
        job.recipe,
        job.run.seed,
        lambda done, total: job.on_step(done, total, "values of C"),
    )
    model.set_head(probe.weight, probe.bias)
    job.extras["probe"] = {"c": probe.c, "grid": list(probe.grid), "id_val_accuracy": list(probe.accuracies)}
    return model
