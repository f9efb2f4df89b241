"""BREEDS: its lists are the published ones, and a split has the images that LP-FT's own loader would take."""

from __future__ import annotations

import json
import os

import hand_made
import pytest
from shared_folder import shared

from repro.errors import UserError
from repro.reading import breeds

SIZES = {"living17": (17, 2), "entity30": (30, 4)}


@pytest.mark.parametrize("name", SIZES)
def test_each_superclass_has_as_many_classes_on_either_side_and_shares_none(name):
    count, each = SIZES[name]
    found = breeds.superclasses(name)
    assert len(found) == len({superclass.name for superclass in found}) == count
    assert all(len(superclass.source) == len(superclass.target) == each for superclass in found)
    wnids = [wnid for superclass in found for side in ("source", "target") for wnid in superclass.wnids(side)]
    assert len(set(wnids)) == len(wnids) == 2 * count * each


@pytest.mark.parametrize("name", SIZES)
def test_lists_are_those_that_the_published_generator_drew(name):
    path = shared("data", "breeds_hierarchy", "breeds_rand_splits.json")
    if path is None:
        pytest.skip("the drawn lists are not here; REPRO_SHARED names their folder")
    drawn = json.loads(path.read_text())[name]
    assert len(drawn) == SIZES[name][0]
    for (full_name, entry), ours in zip(drawn.items(), breeds.superclasses(name), strict=True):
        assert full_name.split(",")[0] == ours.name
        for side in ("source", "target"):
            assert [leaf["wnid"] for leaf in entry[side]] == list(ours.wnids(side))


def test_the_first_superclass_of_living17_is_as_in_the_paper():
    first = breeds.superclasses("living17")[0]
    assert first == ("salamander", ("n01631663", "n01632777"), ("n01630670", "n01632458"))  # eft, axolotl → common newt, spotted salamander


@pytest.mark.parametrize(("name", "count"), [("living17", 1700), ("entity30", 6000)])
def test_counts_of_the_paper_are_declared(name, count):
    train, inside, outside = breeds.splits(name)
    assert (train.role, train.column, train.count) == ("train", None, None)
    assert (inside.name, inside.role, inside.column, inside.count) == ("id_val", "id_val", "ID", count)
    assert (outside.name, outside.role, outside.column, outside.count) == ("ood_test", "ood_test", "OOD", count)


def walked(folder, subclasses) -> list[tuple[str, int]]:
    """Paths and labels as LP-FT's loader collects them (unlabeled_extrapolation/datasets/breeds.py:40-61)."""
    return [
        (os.path.join(directory, name), label)
        for label, wnids in enumerate(subclasses)
        for wnid in wnids
        for directory, _, names in sorted(os.walk(folder / wnid))
        for name in sorted(names)
    ]


def test_images_and_labels_are_those_that_lp_ft_collects(tmp_path):
    found = breeds.superclasses("living17")
    source, target = ([wnid for entry in found for wnid in entry.wnids(side)] for side in ("source", "target"))
    hand_made.imagenet(tmp_path, source, source + target, 100, 50)
    for split, part, side in (("train", "train", "source"), ("id_val", "val", "source"), ("ood_test", "val", "target")):
        examples = breeds.examples("living17", tmp_path, split, whole=True)
        expected = walked(tmp_path / part, [entry.wnids(side) for entry in found])
        assert len(expected) == (3400 if split == "train" else 1700)
        assert [(str(path), label) for path, label in zip(examples.sources, examples.labels.tolist(), strict=True)] == expected


def test_only_a_whole_copy_must_have_as_many_images(tmp_path):
    source = [wnid for entry in breeds.superclasses("living17") for wnid in entry.source]
    hand_made.imagenet(tmp_path, source, source, 3, 2)
    assert len(breeds.examples("living17", tmp_path, "train", whole=False).labels) == 102
    with pytest.raises(UserError) as caught:
        breeds.examples("living17", tmp_path, "train", whole=True)
    assert caught.value.what.startswith(
        f"34 of 34 classes in {tmp_path / 'train'} have another number of images: n01631663 3, n01632777 3,"
    )
    assert caught.value.what.endswith(", …") and caught.value.why == "each should have at least 100, in a folder of its own"
