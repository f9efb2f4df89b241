"""The search for AutoFT's objective: trials of weights, rates and seeds; a stage, not a row.

Its settings are those of the `autoft` run that starts from it; its trials are a study of Optuna's TPE (repro/outcomes/study.py), each a few
steps from the start, scored on a small OOD validation set (repro/nn/trials.py). Source: Choi et al. 2024, §4; cchoi1/auto-ft@594e6a2
autoft/src/models/autoft.py:194-224.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.settings import HEAD, IMAGES, SEARCH, TRAINING
from repro.types import Method, Parent

if TYPE_CHECKING:
    from pathlib import Path

    from repro.nn.job import Job
    from repro.nn.training.progress import Progress

METHOD = Method(
    name="autoft-search",
    version=1,
    fields=(TRAINING - {"weight_decay", "epochs", "judge_every", "keep_weights", "label_smoothing", "freeze"})
    | IMAGES
    | HEAD
    | SEARCH
    | {"losses", "captions", "order", "clip_each", "loss_divisor", "shots", "fixed_crops"},
    parents={"head": Parent(method="lp", when={"head": "probe"})},
    reported=False,
)


def search(job: Job, folder: Path, finishing: bool = True) -> Progress:
    """All its trials; the best settings and every trial are in the result."""
    from repro.nn import trials

    return trials.search(job, folder, finishing)
