"""Living-17: the splits of the paper out of ImageNet's layout, and each way in which a copy can be wrong."""

from __future__ import annotations

import shutil

import hand_made
import numpy as np
import pytest
from tiny_digits import places_at

from repro.benchmarks import living17
from repro.errors import UserError
from repro.papers import rows
from repro.reading import breeds
from repro.reading.loading import load

SOURCE, TARGET = ([wnid for entry in breeds.superclasses("living17") for wnid in entry.wnids(side)] for side in ("source", "target"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    hand_made.imagenet(folder, SOURCE, SOURCE + TARGET)
    return folder


@pytest.fixture
def places(tmp_path, whole):
    """A home whose ImageNet has links for classes, so that a test may put another folder in the place of one."""
    places = places_at(tmp_path)
    for part in ("train", "val"):
        (places.data / "imagenet" / part).mkdir(parents=True)
        for folder in (whole / part).iterdir():
            (places.data / "imagenet" / part / folder.name).symlink_to(folder)
    return places


def wrong(places, split: str) -> tuple[str, str, str]:
    benchmark = living17.describe({}, places)
    with pytest.raises(UserError) as caught:
        load(benchmark, benchmark.split(split))
    return caught.value.lines()


def own_copy(places, part: str, wnid: str):
    """The class's folder, to be changed."""
    link = places.data / "imagenet" / part / wnid
    target = link.resolve()
    link.unlink()
    return shutil.copytree(target, link)


def test_the_benchmark_is_as_the_paper_has_it(places):
    benchmark = living17.describe({}, places)
    assert (len(benchmark.classes), benchmark.classes[0], benchmark.classes[8], benchmark.needs) == (17, "salamander", "dog", ("imagenet",))
    assert [(split.name, split.role, split.column, split.count) for split in benchmark.splits] == [
        ("train", "train", None, None),
        ("id_val", "id_val", "ID", 1700),
        ("ood_test", "ood_test", "OOD", 1700),
    ]
    assert benchmark.roots == {"imagenet": str(places.data / "imagenet")}


def test_a_whole_copy_gives_the_splits(places):
    benchmark = living17.describe({}, places)
    for split, part, wnids, each in (("train", "train", SOURCE, 200), ("id_val", "val", SOURCE, 100), ("ood_test", "val", TARGET, 100)):
        examples = load(benchmark, benchmark.split(split))
        assert np.bincount(examples.labels).tolist() == [each] * 17
        assert {path.parent for path in examples.sources} == {places.data / "imagenet" / part / wnid for wnid in wnids}


def test_a_missing_class_is_named(places):
    (places.data / "imagenet" / "val" / TARGET[5]).unlink()
    what, why, cure = wrong(places, "ood_test")
    assert what == f"1 of 34 classes in {places.data / 'imagenet' / 'val'} have another number of images: {TARGET[5]} 0"
    assert (why, cure) == ("each should have exactly 50, in a folder of its own", "repro data verify imagenet --full")
    assert len(load(living17.describe({}, places), living17.describe({}, places).split("id_val")).labels) == 1700


def test_49_and_51_images_of_a_class_are_told(places):
    next(own_copy(places, "val", SOURCE[0]).iterdir()).unlink()
    (own_copy(places, "val", SOURCE[3]) / "ILSVRC2012_val_00099999.JPEG").touch()
    assert wrong(places, "id_val")[0].endswith(f"have another number of images: {SOURCE[0]} 49, {SOURCE[3]} 51")


def test_99_training_images_of_a_class_are_too_few_and_101_are_not(places):
    next(own_copy(places, "train", SOURCE[7]).iterdir()).unlink()
    (own_copy(places, "train", SOURCE[8]) / f"{SOURCE[8]}_99999.JPEG").touch()
    what, why, _ = wrong(places, "train")
    assert what.endswith(f"have another number of images: {SOURCE[7]} 99") and why.startswith("each should have at least 100")


def test_no_copy_at_all_names_every_class(tmp_path):
    assert wrong(places_at(tmp_path), "train")[0].startswith("34 of 34 classes")


def test_the_tiny_subset_holds_every_class_and_no_count(tmp_path):
    benchmark = living17.describe({}, places_at(tmp_path), True)
    sizes = {split.name: np.bincount(load(benchmark, split).labels).tolist() for split in benchmark.splits if split.role != "pretrain"}
    assert sizes == {"train": [12] * 17, "id_val": [6] * 17, "ood_test": [6] * 17}


def test_options_of_other_benchmarks_are_refused(tmp_path):
    with pytest.raises(UserError, match="living17 takes no --ood"):
        living17.describe({"ood": "v6"}, places_at(tmp_path))


@pytest.mark.parametrize(("name", "ft", "lp_ft"), [("living17", 1e-3, 1e-4), ("entity30", 1e-3, 3e-5)])
def test_recipes_are_those_of_the_paper(name, ft, lp_ft):
    found = rows.rows_of(name)
    assert rows.paper_of(name, None).methods == ("lp", "ft", "lp-ft") and found["lp"].recipe["lp_features"] == "train"
    assert {(row.recipe["augment"], row.recipe["pack_side"]) for row in found.values() if row.paper == "lp-ft"} == {("rrc_flip", 0)}
    for method, winner in (("ft", ft), ("lp-ft", lp_ft)):
        recipe = found[method].recipe
        assert len(recipe["lr"]) == 6 and winner in recipe["lr"] and found[method].quick == {"lr": winner}
        assert (recipe["epochs"], recipe["batch_size"], recipe["std"]) == (20, 64, [0.228, 0.224, 0.225])
