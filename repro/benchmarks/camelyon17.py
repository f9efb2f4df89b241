"""Tumour tissue across hospitals: Camelyon17 of WILDS, trained on three hospitals, tested on a fifth.

Train and id_val are hospitals 0, 3 and 4, ood_val is hospital 1, ood_test hospital 2; the metric is accuracy over patches. Connect Later
reports id_val as its ID column and selects on ood_val (helenqu/connect-later-wilds@88e79ef examples/read_results.py:28-37,
choose_best_hyperparams.py:13-26). Patches without labels, which are optional, are of other slides of the same hospitals. Prompts, which no
paper has for it, are those that FLYP uses for PatchCamelyon's patches of the same slides.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.reading import official
from repro.types import Benchmark, Grouping, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
BARE = "camelyon17_unlabeled_v1.0.tar.gz"  # in its manifest
SPLITS = (
    Split(name="train", role="train", caption="hospitals 0, 3 and 4", count=302_436),
    Split(name="id_val", role="id_val", caption="hospitals 0, 3 and 4, reported as ID by Connect Later", column="ID", count=33_560),
    Split(name="ood_val", role="ood_val", caption="hospital 1", count=34_904),
    Split(name="ood_test", role="ood_test", caption="hospital 2", column="OOD", count=85_054),
    Split(
        name="train_unlabeled",
        role="pretrain",
        caption="other slides of hospitals 0, 3 and 4",
        count=1_799_247,
        labelled=False,
        optional=BARE,
    ),
    Split(name="val_unlabeled", role="pretrain", caption="other slides of hospital 1", count=600_030, labelled=False, optional=BARE),
    Split(name="test_unlabeled", role="pretrain", caption="other slides of hospital 2", count=600_030, labelled=False, optional=BARE),
)


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("camelyon17", options)
    fields = {"backbone": "densenet121-camelyon17"} | official.declare(("camelyon17",), SPLITS, places, tiny)
    return Benchmark(
        name="camelyon17",
        version=VERSION,
        caption="Tumour tissue across hospitals",
        title="Camelyon17 (WILDS): hospitals 0, 3, 4 → hospital 2",
        classes=("lymph node", "lymph node containing metastatic tumor tissue"),
        templates=("this is a photo of {}",),
        groupings=(Grouping(name="hospital", values=("0", "1", "2", "3", "4")),),
        targeted={"stain": ()},
        domain="hospital",
        methods=("lp", "ft", "lp-ft"),
        licence="CC0",
        citation="Bandi et al. 2018, CAMELYON17; Koh, Sagawa et al. 2021, WILDS",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The patches of one split in the csv's order; groups: hospital."""
    import numpy as np

    from repro.datasets import camelyon17
    from repro.reading.examples import Examples

    root = Path(benchmark.roots["camelyon17"])
    frame = camelyon17.read(root) if split.labelled else camelyon17.read_unlabelled(root)
    frame = frame[frame["part"] == split.name]
    labels = frame["tumor"].to_numpy(np.int64) if split.labelled else np.full(len(frame), camelyon17.NO_LABEL, np.int64)
    groups = {"hospital": frame["center"].to_numpy(np.int64)}
    return Examples([root / path for path in frame["path"]], labels, groups=groups)
