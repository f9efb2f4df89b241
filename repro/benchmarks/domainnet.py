"""Sketches to photographs, paintings and clip art: DomainNet in SENTRY's 40 classes.

Trained on sketch's training list; ID is its test list, on which LP-FT selects, too, and OOD the mean of the other domains' test lists
(AnanyaKumar/transfer_learning@36fb2ef configs/adaptation/datasets_domainnet.yaml:6-69). No paper has prompts for it; the one here is
CLIP's plain one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.datasets import domainnet
from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
SPLITS = (
    Split(name="train", role="train", caption="sketch, training list", count=5537),
    Split(name="id_val", role="id_val", caption="sketch, test list; selected on and reported as ID by LP-FT", column="ID", count=2399),
    Split(name="real", role="ood_test", caption="photographs, test list", column="OOD", count=6943),
    Split(name="painting", role="ood_test", caption="paintings, test list", column="OOD", count=2909),
    Split(name="clipart", role="ood_test", caption="clip art, test list", column="OOD", count=1616),
)


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("domainnet", options)
    fields = {"backbone": "clip-rn50"} | official.declare(("domainnet",), SPLITS, places, tiny)
    return Benchmark(
        name="domainnet",
        version=VERSION,
        caption="Sketches to photographs, paintings and clip art",
        title="DomainNet (SENTRY's 40 classes): sketch → real, painting, clipart",
        classes=domainnet.CLASSES,
        templates=("a photo of {1}.",),
        methods=("lp", "ft", "lp-ft"),
        licence="fair-use notice, non-commercial research; MIT for SENTRY's lists",
        citation="Peng et al. 2019, DomainNet; Prabhu et al. 2021, SENTRY",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split in its list's order."""
    import numpy as np

    from repro.reading.examples import Examples

    root = Path(benchmark.roots["domainnet"])
    domain, part = {"train": ("sketch", "train"), "id_val": ("sketch", "test")}.get(split.name, (split.name, "test"))
    frame = domainnet.read(root, domain, part)
    return Examples([root / path for path in frame["path"]], frame["label"].to_numpy(np.int64))
