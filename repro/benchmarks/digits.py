"""Handwritten digits of scikit-learn, across writers and backgrounds: the embedded default, no download.

Real handwriting (the 1,797 images that scikit-learn bundles: the test half of UCI Optical Recognition of Handwritten Digits,
CC BY 4.0), made in the papers' image: a *broad* pretraining corpus of some writers in several styles with captions, a *narrow*
fine-tuning set of other writers on plain ground, and two shifts of its ID test: unseen writers (natural), and those writers over crops
of a photograph that pretraining never saw (constructed by us). Writer boundaries as published in the scikit-learn course (INRIA,
"Sample grouping"); 14 segments are taken for 14 writers.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from repro.errors import UserError
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    import numpy as np

    from repro.paths import Places
    from repro.reading.examples import Examples
    from repro.reading.targets import Photographs
    from repro.settings import Recipe

VERSION = 1
BOUNDARIES = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667, 1797)
PRETRAIN_WRITERS, TUNE_WRITERS, UNSEEN_WRITERS = range(0, 6), range(6, 10), range(10, 14)
PRETRAIN_PHOTO, OOD_PHOTO = "china.jpg", "flower.jpg"
PHOTO_COPIES = 6  # blended versions of each pretraining digit
SIDE = 32
TINY = 100
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
STYLES = {
    "plain": ("a scan of the digit {}", "the handwritten digit {} in white ink"),
    "inverted": ("an inverted scan of the digit {}", "the handwritten digit {} in dark ink"),
    "photo": ("a photograph with the digit {}", "the handwritten digit {} over a photograph"),
}
SPLITS = (
    Split(name="pretrain", role="pretrain", caption="6 writers, three styles, with captions"),
    Split(
        name="unlabelled",
        role="pretrain",
        caption="those 6 writers over the photograph of `photos`, without labels (constructed)",
        labelled=False,
    ),
    Split(name="train", role="train", caption="4 other writers, plain"),
    Split(name="id_val", role="id_val", caption="the same 4 writers"),
    Split(name="id_test", role="id_test", caption="the same 4 writers", column="ID"),
    Split(name="writers", role="ood_test", caption="4 unseen writers", column="OOD"),
    Split(name="photos", role="ood_test", caption="the unseen writers over an unseen photograph (constructed)", column="OOD"),
)


@cache
def _data_hash() -> str:
    """sha256 over the bundled files that the splits are made from; they are found without importing scikit-learn."""
    import importlib.util
    from pathlib import Path

    root = Path(importlib.util.find_spec("sklearn").origin).parent / "datasets"
    total = hashlib.sha256()
    for name in ("data/digits.csv.gz", f"images/{PRETRAIN_PHOTO}", f"images/{OOD_PHOTO}"):
        total.update((root / name).read_bytes())
    return total.hexdigest()


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options. `tiny` keeps the first TINY examples of every split."""
    if options:
        raise UserError(f"digits takes no --{next(iter(options))}", "its data come with scikit-learn", "repro run digits")
    return Benchmark(
        name="digits",
        version=VERSION,
        caption="Handwritten digits across writers and backgrounds",
        title="digits: 4 writers → 4 unseen writers, and those over a photograph",
        splits=SPLITS,
        classes=CLASSES,
        templates=tuple(template for style in STYLES.values() for template in style),
        data=_data_hash(),
        backbone="digits-clip",
        pretrained_by="clip-pretrain",
        targeted={"paste-digits": ()},
        domain="writer",
        methods=("zero-shot", "scratch", "lp", "ft", "lp-ft"),
        tiny=tiny,
        licence="CC BY 4.0 (digits); the two photographs as scikit-learn credits them",
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998; scikit-learn load_digits",
    )


@cache
def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 images (1797, 32, 32, 3) white on black, labels and writers (1797,)."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = np.round(bunch.images / 16 * 255).astype(np.uint8)
    large = np.stack([np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in small])
    writers = np.searchsorted(np.asarray(BOUNDARIES[1:]), np.arange(len(small)), side="right")
    return np.repeat(large[..., None], 3, axis=3), bunch.target.astype(np.int64), writers


def _over_photo(digit: np.ndarray, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit blended over a random crop (48–160 px) of a photograph by absolute difference, so that ink shows on any ground."""
    import numpy as np
    from PIL import Image

    side = int(rng.integers(48, 161))
    top, left = (int(rng.integers(0, extent - side + 1)) for extent in photo.shape[:2])
    ground = np.asarray(Image.fromarray(photo[top : top + side, left : left + side]).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return np.abs(ground.astype(np.int16) - digit.astype(np.int16)).astype(np.uint8)


def _photo(name: str) -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return load_sample_image(name)


def targets(benchmark: Benchmark, split: Split, recipe: Recipe) -> Photographs:
    """For pasting digits over photographs: the one that pretraining has, never that of the test split."""
    from repro.reading.targets import Photographs

    return Photographs((_photo(PRETRAIN_PHOTO),))


def _tuning_part(split: str) -> np.ndarray:
    """Indices of the fine-tuning writers' images in one part: a seeded 60/20/20 split, stratified by digit."""
    import numpy as np

    _, labels, writers = _digits()
    parts = []
    for digit in range(10):
        found = np.flatnonzero((labels == digit) & np.isin(writers, list(TUNE_WRITERS)))
        found = found[np.random.default_rng([1, digit]).permutation(len(found))]
        cuts = np.round(np.array([0.6, 0.8]) * len(found)).astype(int)
        parts.append(dict(zip(("train", "id_val", "id_test"), np.split(found, cuts), strict=True))[split])
    return np.sort(np.concatenate(parts))


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split, in a fixed order."""
    whole = _examples(split)
    return whole.first(TINY) if benchmark.tiny else whole


def _examples(split: Split) -> Examples:
    import numpy as np

    from repro.reading.examples import Examples

    images, labels, writers = _digits()
    if split.name == "pretrain":
        return _pretraining()
    if split.name == "unlabelled":
        return _unlabelled()
    if split.role in ("train", "id_val", "id_test"):
        chosen = _tuning_part(split.name)
        return Examples(list(images[chosen]), labels[chosen], groups={"writer": writers[chosen]})
    chosen = np.flatnonzero(np.isin(writers, list(UNSEEN_WRITERS)))
    sources = list(images[chosen])
    if split.name == "photos":
        rng, photo = np.random.default_rng(2), _photo(OOD_PHOTO)
        sources = [_over_photo(image, photo, rng) for image in sources]
    return Examples(sources, labels[chosen], groups={"writer": writers[chosen]})


def _unlabelled() -> Examples:
    """Every digit of the pretraining writers over crops of the photograph that the last OOD split has: nobody's who is tested on."""
    import numpy as np

    from repro.reading.examples import Examples

    images, _, writers = _digits()
    chosen = np.flatnonzero(np.isin(writers, list(PRETRAIN_WRITERS)))
    rng, photo = np.random.default_rng(4), _photo(OOD_PHOTO)
    sources = [_over_photo(images[index], photo, rng) for index in chosen]
    return Examples(sources, np.full(len(chosen), -1, np.int64), groups={"writer": writers[chosen]})


def _pretraining() -> Examples:
    """Every digit of the pretraining writers: plain, inverted, and over crops of one photograph; two captions each."""
    import numpy as np

    from repro.reading.examples import Examples

    images, labels, writers = _digits()
    chosen = np.flatnonzero(np.isin(writers, list(PRETRAIN_WRITERS)))
    rng, photo = np.random.default_rng(3), _photo(PRETRAIN_PHOTO)
    captions = tuple(template.format(name) for style in STYLES.values() for template in style for name in CLASSES)
    sources, rows = [], []
    for style, copies in (("plain", 1), ("inverted", 1), ("photo", PHOTO_COPIES)):
        first = list(STYLES).index(style) * 2
        for _ in range(copies):
            for index in chosen:
                image = images[index]
                sources.append(image if style == "plain" else 255 - image if style == "inverted" else _over_photo(image, photo, rng))
                rows.append([(first + template) * 10 + labels[index] for template in range(2)])
    return Examples(sources, np.tile(labels[chosen], 2 + PHOTO_COPIES), captions, np.array(rows, np.int64))
