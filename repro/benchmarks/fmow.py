"""Land use over years and regions: FMoW of WILDS, trained before 2013, tested from 2016 on, judged by its worst region.

Train, id_val and id_test are images from before 2013, ood_val from 2013 to 2015, ood_test from 2016 on. FLYP, WiSE-FT and AutoFT report
accuracy on id_test and the lowest accuracy over five regions on ood_test; region Other does not count. AutoFT's FT keeps the epoch whose
worst region on id_val is best (cchoi1/auto-ft@594e6a2 autoft/src/models/utils.py:20-47); FLYP's code states no rule. LP-FT's experiment on
the same images is another one: fmow-geo.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.datasets import fmow
from repro.reading import official
from repro.types import Benchmark, Grouping, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
WORST = "worst_region"
SPLITS = (
    Split(name="train", role="train", caption="before 2013", count=76_863),
    Split(name="id_val", role="id_val", caption="before 2013", metric=WORST, count=11_483),
    Split(name="id_test", role="id_test", caption="before 2013", column="ID", count=11_327),
    Split(name="ood_val", role="ood_val", caption="2013 to 2015", metric=WORST, count=19_915),
    Split(name="ood_test", role="ood_test", caption="from 2016 on", column="OOD", metric=WORST, count=22_108),
)
YEARS = tuple(str(year) for year in range(fmow.FIRST_YEAR, fmow.LAST_YEAR + 1))


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("fmow", options)
    fields = {"backbone": "clip-vit-b-16"} | official.declare(("fmow",), SPLITS, places, tiny)
    return Benchmark(
        name="fmow",
        version=VERSION,
        caption="Land use over years and regions",
        title="FMoW (WILDS): before 2013 → from 2016 on, worst region",
        classes=fmow.CLASSES,
        templates=fmow.TEMPLATES,
        metrics=("accuracy", WORST),
        groupings=(Grouping(name="region", values=fmow.REGIONS, ignored=("Other",)), Grouping(name="year", values=YEARS)),
        domain="year",
        methods=("zero-shot", "lp", "ft", "lp-ft"),
        licence="FMoW Challenge Public License",
        citation="Christie et al. 2018, Functional Map of the World; Koh, Sagawa et al. 2021, WILDS",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split in the csv's order; groups: region and year."""
    root = Path(benchmark.roots["fmow"])
    frame = fmow.read(root)
    return fmow.as_examples(root, frame[frame["part"] == split.name])
