"""The digits benchmark: its sizes, its writers, its data hash, and that no image is in two roles."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from repro.benchmarks import digits
from repro.errors import UserError
from repro.paths import Places
from repro.settings import Recipe

SIZES = {"pretrain": 776 * 8, "unlabelled": 776, "train": 305, "id_val": 106, "id_test": 100, "writers": 510, "photos": 510}


@pytest.fixture(scope="module")
def benchmark():
    return digits.describe({}, None)


def test_sizes_writers_and_labels(benchmark):
    made = {split.name: digits.examples(benchmark, split) for split in benchmark.splits}
    sizes = {name: len(examples.sources) for name, examples in made.items()}
    assert sum(sizes[name] for name in ("train", "id_val", "id_test")) == 1287 - 776
    assert sizes == SIZES
    for split in benchmark.splits:
        assert set(made[split.name].labels) == (set(range(10)) if split.labelled else {-1})
    tuned, unseen = set(made["train"].groups["writer"]), set(made["writers"].groups["writer"])
    assert (tuned, unseen) == ({6, 7, 8, 9}, {10, 11, 12, 13})
    assert set(made["unlabelled"].groups["writer"]) == set(range(6))


def test_no_image_is_in_two_roles(benchmark):
    seen: dict[bytes, str] = {}
    for split in benchmark.splits:
        if split.name in ("train", "id_val", "id_test", "writers"):
            for image in digits.examples(benchmark, split).sources:
                assert seen.setdefault(image.tobytes(), split.name) == split.name


def test_images_are_the_bundled_digits(benchmark):
    """Downsampling what is shown gives back scikit-learn's 8 × 8 counts, nearly."""
    bunch = load_digits()
    images, labels, _ = digits._digits()
    small = images[..., 0].reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)) / 255 * 16
    assert np.array_equal(labels, bunch.target)
    assert np.abs(small - bunch.images).mean() < 1.0


def test_captions_name_the_digit(benchmark):
    made = digits.examples(benchmark, benchmark.split("pretrain"))
    assert len(made.captions) == 60
    for index in (0, 1000, 5000):
        for caption in made.caption_of[index]:
            assert digits.CLASSES[made.labels[index]] in made.captions[caption]


def test_photographs_differ_between_pretraining_and_test():
    assert digits.PRETRAIN_PHOTO != digits.OOD_PHOTO


def test_digits_are_pasted_over_the_photograph_of_pretraining_alone(benchmark):
    """Of the shift only the cause is known: no pixel of the test split's photograph is seen in training."""
    photos = digits.targets(benchmark, benchmark.split("train"), Recipe(targeted="paste-digits")).photos
    assert len(photos) == 1 and np.array_equal(photos[0], digits._photo(digits.PRETRAIN_PHOTO))
    assert min(photos[0].shape[:2]) >= 160
    assert not np.array_equal(photos[0], digits._photo(digits.OOD_PHOTO))
    assert benchmark.targeted == {"paste-digits": ()}


def test_examples_are_the_same_twice(benchmark):
    first, second = (digits._examples(benchmark.split("photos")) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first.sources, second.sources, strict=True))


def test_it_takes_no_options():
    with pytest.raises(UserError, match="digits takes no --root"):
        digits.describe({"root": "x"}, Places.find())
