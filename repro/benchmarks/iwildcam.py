"""Animals before camera traps: iWildCam of WILDS, trained on some cameras, tested on others.

Train, id_val and id_test are the same cameras on other days, ood_val and ood_test each have cameras of their own; the metric is macro F1
over the classes that a split's labels have. FLYP, WiSE-FT and AutoFT report id_test and ood_test; AutoFT's FT keeps the epoch with the best
macro F1 on id_val (cchoi1/auto-ft@594e6a2 autoft/src/models/utils.py:20-47), FLYP's code states no rule. Connect Later and Targeted
Augmentations select on ood_val instead. Prompts: locuslab/FLYP@215d5bb src/templates/iwildcam_template.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.data import holdings
from repro.datasets import iwildcam
from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples
    from repro.reading.targets import Pasting
    from repro.settings import Recipe

VERSION = 1
EMPTY = 0  # the class of frames without an animal
OUTLINES = "iwildcam-copypaste"  # the manifest of masks and boxes
SPLITS = (
    Split(name="train", role="train", caption="most of the cameras", count=129_809),
    Split(name="id_val", role="id_val", caption="the training cameras on other days", count=7_314),
    Split(name="id_test", role="id_test", caption="the training cameras on yet other days", column="ID", count=8_154),
    Split(name="ood_val", role="ood_val", caption="other cameras (split val of the csv)", count=14_961),
    Split(name="ood_test", role="ood_test", caption="yet other cameras (split test of the csv)", column="OOD", count=42_791),
)


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("iwildcam", options)
    fields = {"backbone": "clip-vit-b-16"} | official.declare(("iwildcam",), SPLITS, places, tiny)
    fields["roots"] |= {OUTLINES: fields["roots"]["iwildcam"] if tiny else str(holdings.root_of(OUTLINES, places))}
    return Benchmark(
        name="iwildcam",
        version=VERSION,
        caption="Animals before camera traps",
        title="iWildCam (WILDS): some cameras → other cameras",
        classes=iwildcam.names(),
        templates=("a photo of {}.", "{} in the wild."),
        metric="macro_f1",
        metrics=("accuracy", "macro_recall"),
        targeted={"copy-paste": (OUTLINES,)},
        domain="location",
        methods=("zero-shot", "lp", "ft", "lp-ft"),
        licence="CDLA-Permissive-1.0",
        citation="Beery, Cole, Gjoka 2020, The iWildCam 2020 Competition Dataset; Koh, Sagawa et al. 2021, WILDS",
        **fields,
    )


def scientific_names() -> tuple[str, ...]:
    """The classes' other names, which AutoFT's captions have."""
    return iwildcam.scientific_names()


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The photographs of one split in the csv's order; groups: location, the camera's number (hundreds, so no `Grouping`)."""
    import numpy as np

    from repro.reading.examples import Examples

    root = Path(benchmark.roots["iwildcam"])
    frame = iwildcam.read(root)
    frame = frame[frame["part"] == split.name]
    groups = {"location": frame["location_remapped"].to_numpy(np.int64)}
    return Examples([root / path for path in frame["path"]], frame["y"].to_numpy(np.int64), groups=groups)


def targets(benchmark: Benchmark, split: Split, recipe: Recipe) -> Pasting:
    """For copy-paste: the animals' outlines, and for each class the split's empty frames of cameras that have seen the class.

    Which cameras have is told by the training split's labels, or with seen_in=all by those of all splits, test included, as released:
    i-gao/targeted-augs@f1ce502 wilds/datasets/iwildcam_dataset.py:152-161, examples/data_augmentation/copy_paste.py:117-146.
    """
    import numpy as np

    from repro.reading import loading, megadetector
    from repro.reading.targets import Pasting

    everything = iwildcam.read(Path(benchmark.roots["iwildcam"]))
    frame = everything[everything["part"] == split.name]
    told = everything if recipe.seen_in == "all" else everything[everything["part"] == "train"]
    labels, cameras = frame["y"].to_numpy(np.int64), frame["location_remapped"].to_numpy(np.int64)
    empty = np.flatnonzero(labels == EMPTY)
    seen = told.groupby("y")["location_remapped"].unique()
    grounds = {int(y): empty[np.isin(cameras[empty], seen[y])] for y in np.unique(labels) if y != EMPTY and y in seen}
    names = [None if y == EMPTY else Path(name).stem for y, name in zip(labels, frame["filename"], strict=True)]
    outlines = megadetector.read(Path(benchmark.roots[OUTLINES]), names, loading.cure_of_targets(benchmark, "copy-paste"))
    return Pasting(outlines, grounds)
