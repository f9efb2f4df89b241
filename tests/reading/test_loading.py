"""What a benchmark hands over is checked against what it declares."""

import numpy as np
import pytest
from tiny_digits import places_at

from repro import plugins
from repro.errors import UserError
from repro.reading import loading
from repro.reading.examples import Examples
from repro.types import Grouping, Split


def toy(tmp_path, **fields):
    return plugins.benchmark("digits").describe({}, places_at(tmp_path)).model_copy(update=fields)


def examples(labels, **groups):
    images = [np.zeros((4, 4, 3), np.uint8)] * len(labels)
    return Examples(images, np.array(labels, np.int64), groups={name: np.array(values) for name, values in groups.items()})


SPLIT = Split(name="test", role="ood_test", count=3)
REGIONS = (Grouping(name="region", values=("Asia", "Europe")),)


def test_what_is_right_passes(tmp_path):
    loading.check(toy(tmp_path, groupings=REGIONS), SPLIT, examples([0, 9, 3], region=[0, 1, 1]))


@pytest.mark.parametrize(
    ("labels", "groups", "what", "why"),
    [
        ([0, 1], {"region": [0, 0]}, "test of digits has 2 examples", "the published split has 3"),
        ([0, 1, 10], {"region": [0, 0, 0]}, "test of digits has labels from 0 to 10", "the 10 classes 0 to 9"),
        ([0, -1, 1], {"region": [0, 0, 0]}, "test of digits has labels from -1 to 1", "the 10 classes 0 to 9"),
        ([0, 1, 2], {"region": [0, 1, 2]}, "test of digits has a region numbered 2", "there are 2: Asia, Europe"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, labels, groups, what, why):
    with pytest.raises(UserError) as caught:
        loading.check(toy(tmp_path, groupings=REGIONS, needs=("fmow",)), SPLIT, examples(labels, **groups))
    assert caught.value.what == what and why in caught.value.why
    assert caught.value.cure == "repro data verify fmow --full"


def test_each_class_that_occurs_must_have_as_many_examples_as_published(tmp_path):
    split = Split(name="test", role="ood_test", per_class=2)
    loading.check(toy(tmp_path), split, examples([4, 1, 4, 1]))
    with pytest.raises(UserError) as caught:
        loading.check(toy(tmp_path), split, examples([4, 1, 4, 1, 1, 7]))
    assert caught.value.what == "test of digits has another number of examples of one (3), seven (1)"
    assert caught.value.why == "the published split has 2 of each class"


def test_no_examples_is_a_mistake_where_no_count_is_declared(tmp_path):
    with pytest.raises(UserError, match="test of digits has no examples"):
        loading.check(toy(tmp_path), Split(name="test", role="ood_test"), examples([]))


def test_every_missing_image_is_counted_and_the_first_are_named(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "0.png").touch()
    sources = [folder / f"{number}.png" for number in range(9)]
    with pytest.raises(UserError) as caught:
        loading.check(toy(tmp_path), Split(name="test", role="ood_test"), Examples(sources, np.zeros(9, np.int64)))
    assert caught.value.what.startswith("8 of 9 images named by test are not on disk: ")
    assert str(folder / "1.png") in caught.value.what and str(folder / "6.png") not in caught.value.what
    assert caught.value.what.endswith("and 3 more")


def test_synthetic_pretraining_is_no_image_of_the_splits(tmp_path):
    benchmark = plugins.benchmark("camelyon17").describe({}, places_at(tmp_path), True)
    made = loading.load(benchmark, benchmark.splits[0])
    assert 0 < len(made.sources) <= 400 and set(made.labels) == {0, 1}
    assert made.captions == ("this is a photo of lymph node", "this is a photo of lymph node containing metastatic tumor tissue")
    assert [made.captions[row[0]].endswith("tissue") for row in made.caption_of] == [bool(label) for label in made.labels]
