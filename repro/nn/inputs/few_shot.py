"""A few images per class, drawn by the run's seed.

FLYP's protocol (locuslab/FLYP@215d5bb src/few_shot.py:36-48, src/models/flyp_loss_few_shot.py): k images per class of the training split
make one batch, cropped once and used in each of 20 steps; another k per class of the validation split choose among the steps and the
untouched model by the lowest cross-entropy, the later of equals, and only the choice is tested. As a recipe (tables/rendered-sst2.toml):
shots=k, fixed_crops=true, judge_start=true, judge=selected, select_by=cross_entropy, epochs=20, batch_size at least k times the classes,
no warm-up; their 50 unseeded repetitions are seeds. They draw an image's template once, too; here it is drawn anew at every step, which is the same
for the single template that both their data sets have.
"""

from __future__ import annotations

import torch

from repro.errors import UserError
from repro.nn.seeding import generator
from repro.types import Benchmark

ROLES = ("train", "id_val")


def draw(labels: torch.Tensor, shots: int, benchmark: Benchmark, split: str, seed: int) -> torch.Tensor:
    """Rows of `shots` examples of every class, ascending; a class that has fewer is a `UserError`."""
    order = torch.randperm(len(labels), generator=generator("shots", split, seed))
    rows = []
    for label, name in enumerate(benchmark.classes):
        found = order[labels[order] == label][:shots]
        if len(found) < shots:
            raise UserError(
                f"shots={shots}: {split} of {benchmark.name} has {len(found)} images of {name!r}",
                "as many are drawn of every class",
                f"--set shots={len(found)}" if len(found) else "leave shots out",
            )
        rows.append(found)
    return torch.cat(rows).sort().values
