"""ImageNet and the test sets made after it: V2, R, A, Sketch, on demand ObjectNet; and ImageNet-C to search on.

Trained on ImageNet's training images; ID is its validation images, which papers report and, where they choose anything, choose on. The
predictions on ImageNet-R and -A are restricted to their 200 classes, those on ObjectNet to the 125 of its 113 folders, where each class of a
folder is right; its copies are under registration, so that it is there where it is named. AutoFT searches on ImageNet-C at its highest
severity: only a search looks at that split, so only a search needs its data set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import plugins
from repro.datasets import objectnet
from repro.errors import UserError
from repro.reading import imagenet, official
from repro.types import Benchmark, Choices, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

NAME = "imagenet"
VERSION = 1
ALWAYS = "v2"
INSIDE = (
    Split(name="train", role="train", caption="ImageNet train", count=1_281_167),
    Split(
        name="id_val",
        role="id_val",
        caption="ImageNet val; reported as ID, and selected on by LP-FT",
        column="ID",
        count=50_000,
        per_class=50,
    ),
)
OUTSIDE = (
    Split(name="v2", role="ood_test", caption="ImageNetV2, matched frequency", column="OOD", count=10_000, per_class=10),
    Split(name="r", role="ood_test", caption="ImageNet-R, among its 200 classes", column="OOD", count=30_000),
    Split(name="a", role="ood_test", caption="ImageNet-A, among its 200 classes", column="OOD", count=7500),
    Split(name="sketch", role="ood_test", caption="ImageNet-Sketch", column="OOD", count=50_889),
)
ON_DEMAND = (
    Split(name="objectnet", role="ood_test", caption="ObjectNet, among its 113 folders of ImageNet's", column="OOD", count=18_574),
)
SEARCHED = Split(
    name="imagenet-c", role="ood_val", caption="ImageNet's validation images under 15 corruptions", count=750_000, per_class=750
)
DATA_SETS = {split.name: NAME for split in INSIDE}
DATA_SETS |= {"v2": "imagenetv2", "r": "imagenet-r", "a": "imagenet-a", "sketch": "imagenet-sketch"}
DATA_SETS |= {split.name: split.name for split in (*ON_DEMAND, SEARCHED)}


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record. `ood` names the splits that are wanted beside V2; without it, all but ObjectNet."""
    usual = tuple(split.name for split in OUTSIDE)
    known = (*usual, *(split.name for split in ON_DEMAND))
    wanted = official.chosen(NAME, options, "ood", known, always=ALWAYS, usual=usual)
    outside = tuple(split for split in (*OUTSIDE, *ON_DEMAND) if split.name in wanted)
    searched = SEARCHED.model_copy(update={"apart": official.apart(SEARCHED.name, places, tiny)})
    names = (NAME, *(DATA_SETS[split.name] for split in outside))
    fields = official.declare(names, (*INSIDE, *outside, searched), places, tiny, of=DATA_SETS)
    among = {split.name: _choices(DATA_SETS.get(split.name, NAME), fields["roots"], tiny) for split in fields["splits"]}
    fields["splits"] = tuple(split.model_copy(update={"classes": among[split.name]}) for split in fields["splits"])
    return Benchmark(
        name=NAME,
        version=VERSION,
        caption="ImageNet and the test sets made after it",
        title=f"ImageNet → V2, R, A, Sketch{', ObjectNet' if 'objectnet' in wanted else ''}",
        classes=imagenet.names(tiny),
        templates=imagenet.templates(),
        options={} if wanted == usual else {"ood": wanted},
        methods=("zero-shot", "ft", "flyp"),
        licence="ImageNet terms of access; MIT for the repositories of V2, R, A and Sketch; ObjectNet's own; CC BY 4.0 for ImageNet-C",
        citation="Russakovsky et al. 2015, ImageNet; Recht et al. 2019, V2; Hendrycks et al. 2021, R and A; Wang et al. 2019, Sketch; "
        "Barbu et al. 2019, ObjectNet; Hendrycks & Dietterich 2019, ImageNet-C",
        **({"backbone": "clip-vit-b-16"} | fields),
    )


def _choices(data_set: str, roots: dict[str, str], tiny: bool) -> Choices | None:
    """The classes that a prediction on a data set is chosen from; none at all where a copy of ObjectNet, which tells them, is not here."""
    if data_set != "objectnet":
        return imagenet.subset(data_set, tiny)
    here = tiny or objectnet.is_mapped(Path(roots[data_set]))
    return _as_choices(_folders(roots, tiny)) if here else ()


def _as_choices(folders: dict[str, tuple[int, ...]]) -> Choices:
    return tuple(labels if len(labels) > 1 else labels[0] for labels in sorted(folders.values()))


def _folders(roots: dict[str, str], tiny: bool) -> dict[str, tuple[int, ...]]:
    """ObjectNet's folders → the labels that are right for their images, of which the first is theirs."""
    if not tiny:
        return objectnet.folders(Path(roots["objectnet"]))
    return {folder: tuple(map(imagenet.wnids(tiny).index, wnids)) for folder, wnids in objectnet.TINY.items()}


def _found(benchmark: Benchmark, split: Split) -> list[tuple[int, list[Path]]]:
    """Labels and their images in that split."""
    name = DATA_SETS.get(split.name, NAME)
    reader, root = plugins.dataset(name), Path(split.apart.root if split.apart else benchmark.roots[name])
    if name == "objectnet":
        folders = _folders(benchmark.roots, benchmark.tiny)
        if _as_choices(folders) != split.classes:
            raise UserError(
                f"the mappings of ObjectNet in {root} are not those that the run was planned with",
                "they tell which classes are right",
                objectnet.CURE,
            )
        return [(labels[0], reader.images(root, folder)) for folder, labels in folders.items()]
    wnids = enumerate(imagenet.wnids(benchmark.tiny))
    if name == NAME:
        return [(label, reader.images(root, "train" if split.name == "train" else "val", wnid)) for label, wnid in wnids]
    return [(label, reader.images(root, wnid)) for label, wnid in wnids]


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split, class by class, or folder by folder."""
    import numpy as np

    from repro.reading.examples import Examples

    found = _found(benchmark, split)
    labels = np.repeat([label for label, _ in found], [len(images) for _, images in found])
    border = objectnet.BORDER if split.name == "objectnet" else 0
    return Examples([path for _, images in found for path in images], labels.astype(np.int64), border=border)
