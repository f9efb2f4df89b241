"""Land use across continents: FMoW as LP-FT uses it, trained in the Americas, tested in Africa and Europe.

All images are from before 2013. The authors' `val` is the naming of wilds before 1.2, where it meant these years and not 2013 to 2015
(AnanyaKumar/transfer_learning@36fb2ef configs/adaptation; p-lambda/wilds@4726775 wilds/datasets/fmow_dataset.py:67, 137-139). Images of the
Americas in it select and are the ID column; the paper's OOD column is taken to be Africa, which the authors list first, Europe stands
beside it. The head has all 62 classes, of which two have no training image in the Americas. Prompts are those of fmow; LP-FT has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.datasets import fmow
from repro.errors import UserError
from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
SPLITS = (
    Split(name="train", role="train", caption="the Americas, before 2013", count=20_973),
    Split(name="id_val", role="id_val", caption="the Americas, before 2013: selected on and reported", column="ID", count=6_562),
    Split(name="africa", role="ood_test", caption="Africa, before 2013", column="OOD", count=803),
    Split(name="europe", role="ood_test", caption="Europe, before 2013", column="OOD", headline=False, count=7_732),
)
ROWS = {"train": ("train", "Americas"), "id_val": ("id_val", "Americas"), "africa": ("id_val", "Africa"), "europe": ("id_val", "Europe")}


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("fmow-geo", options)
    fields = {"backbone": "moco-tp-resnet50"} | official.declare(("fmow",), SPLITS, places, tiny)
    return Benchmark(
        name="fmow-geo",
        version=VERSION,
        caption="Land use across continents",
        title="FMoW (LP-FT): the Americas → Africa, Europe",
        classes=fmow.CLASSES,
        templates=fmow.TEMPLATES,
        methods=("lp", "ft", "lp-ft"),
        licence="FMoW Challenge Public License",
        citation="Christie et al. 2018, Functional Map of the World; Koh, Sagawa et al. 2021, WILDS; Kumar et al. 2022",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split in the csv's order; groups: region and year."""
    root = Path(benchmark.roots["fmow"])
    frame = fmow.read(root)
    part, region = ROWS[split.name]
    rows = frame[(frame["part"] == part) & (frame["region"] == fmow.REGIONS.index(region))]
    if split.name == "train" and len(rows) == split.count:
        _check_absent(sorted(set(range(len(fmow.CLASSES))) - set(rows["y"])))
    return fmow.as_examples(root, rows)


def _check_absent(absent: list[int]) -> None:
    """The authors' head has rows made by hand for exactly two classes (recipe field `lp_absent_bias`)."""
    if absent != list(fmow.NOT_IN_AMERICAS):
        raise UserError(
            f"the Americas' training images lack the classes {', '.join(fmow.CLASSES[label] for label in absent) or 'none'}",
            f"published: {', '.join(fmow.CLASSES[label] for label in fmow.NOT_IN_AMERICAS)}",
            "repro data verify fmow --full",
        )
