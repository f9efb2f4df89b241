"""Labels that a trained classifier gives to images without any."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from repro.nn.evaluate import outputs

if TYPE_CHECKING:
    from repro.nn.job import Job
    from repro.nn.networks.model import Classifier


def pseudo_labels(teacher: Classifier, job: Job, splits: Sequence[str]) -> torch.Tensor:
    """(N,) int64 on the job's device: the class of the highest logit for every image of the splits, in order; of equals the first.

    The run's extras get the number of images per class and a hash of the labels.
    """
    teacher.eval()
    images = [job.images(name) for name in splits]
    total, before, logits = sum(map(len, images)), 0, []
    for part in images:
        logits.append(outputs(teacher, part, on_batch=lambda done, before=before: job.on_step(before + done, total, "pseudo-labels")))
        before += len(part)
    labels = torch.cat(logits).argmax(dim=1)
    counts = torch.bincount(labels, minlength=len(job.benchmark.classes)).tolist()
    job.extras["pseudo_labels"] = {
        "splits": list(splits),
        "per_class": counts,
        "sha256": hashlib.sha256(labels.numpy().tobytes()).hexdigest(),
    }
    return labels.to(job.device)
