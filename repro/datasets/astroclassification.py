"""AstroClassification: simulated light curves of PLAsTiCC with their redshifted copies, as Connect Later's fine-tuning set has them.

plasticc_train_augmented_<0–9>.jsonl, in the format of repro/reading/light_curves.py: originals, and after each its copies. The test set has
no published place: plasticc_test.jsonl, of the same format, is for the user to bring (label 14 and above: kinds that training has not).
Source: huggingface.co/datasets/helenqu/astro-classification-redshifts-augmented; the columns are those that the viewer of
helenqu/astro-classification-redshifts shows; labels are the ranks of PLAsTiCC's numbers, helenqu/connect-later@6a12eab connect_later/constants.py.

The paper's own split is not published. Here `train`, `id_val` and `id_test` are the originals of 80/10/10 % of the objects, by a hash of
their names; `redshifted` is train with its copies, as the release trains on copies and validates on originals
(connect_later/split_dataset_into_files.py:39-52); `pretrain` is every original and the test set, without labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError
from repro.reading import light_curves
from repro.record import digest
from repro.types import Split

if TYPE_CHECKING:
    from repro.reading.light_curves import LightCurve

VERSION = 1  # of the synthetic subset
TRAIN = tuple(f"plasticc_train_augmented_{number}.jsonl" for number in range(10))
TEST = "plasticc_test.jsonl"
CLASSES = (
    "microlens",
    "TDE",
    "eclipsing binary",
    "SNII",
    "SNIax",
    "Mira",
    "SNIbc",
    "kilonova",
    "M-dwarf",
    "SNIa-91bg",
    "AGN",
    "SNIa",
    "RR Lyrae",
    "SLSN-I",
)
SPLITS = (
    Split(name="pretrain", role="pretrain", caption="all originals and the test set, without labels"),
    Split(name="train", role="train", caption="80 % of the objects"),
    Split(name="redshifted", role="train", caption="train and redshifted copies of it", targeted="redshift"),
    Split(name="id_val", role="id_val", caption="10 % of the objects"),
    Split(name="id_test", role="id_test", caption="10 % of the objects", column="ID"),
    Split(name="ood_test", role="ood_test", caption="the test set of PLAsTiCC", column="OOD"),
)
PARTS = {"train": (0.0, 0.8), "redshifted": (0.0, 0.8), "id_val": (0.8, 0.9), "id_test": (0.9, 1.0)}  # of the objects, by hash
FEW = 10  # originals per class in a tiny subset


def read_train(root: Path) -> list[LightCurve]:
    """Originals and copies of all ten files, in the files' order."""
    return [curve for name in TRAIN for curve in light_curves.read(root / name)]


def read_test(root: Path) -> list[LightCurve]:
    """The test set without the kinds that training has not (finetune_classification.py:357). `UserError`: it has not been brought."""
    if not (root / TEST).is_file():
        raise UserError(
            f"there is no {TEST} in {root}",
            "the paper's test set has no published place: it is the unblinded test set of PLAsTiCC",
            f"write it there as one JSON object per line: object_id, times_wv, lightcurve, label (0 to {len(CLASSES) - 1}) and redshift",
        )
    return [curve for curve in light_curves.read(root / TEST) if int(curve.label) < len(CLASSES)]


def of_split(root: Path, split: Split) -> list[LightCurve]:
    """The light curves of one of `SPLITS`, in the files' order."""
    if split.role == "ood_test":
        return read_test(root)
    train = read_train(root)
    if split.role == "pretrain":
        return [*light_curves.without_copies(train), *read_test(root)]
    begin, end = PARTS[split.name]
    inside = [curve for curve in train if begin <= _place(curve.original) < end]
    return inside if split.targeted == "redshift" else light_curves.without_copies(inside)


def _place(name: str) -> float:
    """A number in [0, 1) that depends on the object alone."""
    return int(digest(["split", name])[:12], 16) / 16**12


def write_tiny(root: Path) -> None:
    """Synthetic flares whose colour is the class, in which every class has redshifted copies; the test set is farther away."""
    from repro.reading import flares

    for number, name in enumerate(TRAIN):
        found = [flares.make(f"plasticc_{100 * number + kind:09d}", kind, 0.1, number, kind) for kind in range(len(CLASSES))]
        light_curves.write(root / name, [one for curve in found for one in (curve, flares.farther(curve))])
    far = [flares.make(f"plasticc_{10_000 + number:09d}", number % len(CLASSES), 0.5, 10, number) for number in range(4 * len(CLASSES))]
    light_curves.write(root / TEST, [*far, flares.make("plasticc_000099999", 0, 0.5, 11)._replace(label=len(CLASSES))])


def take_tiny(source: Path, root: Path) -> None:
    """A few originals of each class with their copies, spread over the ten files, and a few test curves of each."""
    train = read_train(source)
    chosen = {curve.name for curve in _few(light_curves.without_copies(train))}
    kept = [curve for curve in train if curve.original in chosen]
    for number, name in enumerate(TRAIN):
        light_curves.write(root / name, kept[number :: len(TRAIN)])
    light_curves.write(root / TEST, _few(read_test(source)))


def _few(curves: list[LightCurve]) -> list[LightCurve]:
    """The first few of each class."""
    return [curve for label in range(len(CLASSES)) for curve in [one for one in curves if one.label == label][:FEW]]
