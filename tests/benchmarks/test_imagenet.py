"""ImageNet as a benchmark: the published splits, counted; predictions of R and A among their classes; the recipes of three papers."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from official_splits import describe, published

from repro.benchmarks import imagenet
from repro.data import manifest
from repro.datasets import imagenet_c, objectnet
from repro.errors import UserError
from repro.nn.inputs import packs
from repro.outcomes.metrics import evaluate
from repro.papers import rows
from repro.paths import Places
from repro.preflight import prepare
from repro.reading import imagenet as classes
from repro.reading import loading
from repro.reading.official import SYNTHETIC

COUNTS = {"train": 5, "id_val": 6, "v2": 4, "r": 3, "a": 2, "sketch": 3}


@pytest.fixture
def copy():
    """A few classes of every data set; labels 6 and 11 are in both R and A."""
    data, wnids = Places.find().data, classes.wnids()
    hand_made.imagenet(data / "imagenet", [wnids[10]], [wnids[2], wnids[10]], per_train=5, per_val=3)
    for name, labels in (
        ("imagenetv2", {2: 1, 10: 3}),
        ("imagenet-r", {6: 2, 11: 1}),
        ("imagenet-a", {11: 2}),
        ("imagenet-sketch", {2: 3}),
    ):
        hand_made.imagenet_shifted(data / name, name, labels)
    return data


def small(counts: dict[str, int | None] = COUNTS):
    """The benchmark with the counts of the copy."""
    benchmark = describe(imagenet)
    splits = tuple(split.model_copy(update={"count": counts.get(split.name), "per_class": None}) for split in benchmark.splits)
    return benchmark.model_copy(update={"splits": splits})


def test_what_is_declared_is_what_is_published():
    benchmark = describe(imagenet)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 1_281_167),
        "id_val": ("id_val", "ID", "accuracy", 50_000),
        "v2": ("ood_test", "OOD", "accuracy", 10_000),
        "r": ("ood_test", "OOD", "accuracy", 30_000),
        "a": ("ood_test", "OOD", "accuracy", 7500),
        "sketch": ("ood_test", "OOD", "accuracy", 50_889),
        "imagenet-c": ("ood_val", None, "accuracy", 750_000),
    }
    assert benchmark.needs == ("imagenet", "imagenetv2", "imagenet-r", "imagenet-a", "imagenet-sketch")
    assert (benchmark.backbone, len(benchmark.classes), len(benchmark.templates), benchmark.options) == ("clip-vit-b-16", 1000, 80, {})
    for split, name in (("v2", "matched-frequency"), ("r", "test"), ("a", "test"), ("sketch", "test")):
        counts = {count.split: count.n for count in manifest.load(imagenet.DATA_SETS[split]).counts}
        assert benchmark.split(split).count == counts[name]


def test_r_and_a_are_scored_among_their_classes():
    benchmark = describe(imagenet)
    assert {split.name: None if split.classes is None else len(split.classes) for split in benchmark.splits} == {
        "train": None, "id_val": None, "v2": None, "r": 200, "a": 200, "sketch": None, "imagenet-c": None,
    }  # fmt: skip
    logits = np.zeros((2, 1000), np.float32)
    logits[:, 0], logits[0, 6], logits[1, 11] = 9, 2, 1  # label 0 is in neither
    labels = np.array([6, 11])
    assert evaluate(benchmark, logits, labels, {}, classes=benchmark.split("r").classes) == {"accuracy": 1.0}
    assert evaluate(benchmark, logits, labels, {}, classes=benchmark.split("v2").classes) == {"accuracy": 0.0}


@pytest.mark.parametrize("name", COUNTS)
def test_other_counts_are_refused(copy, name):
    right = small()
    assert len(loading.load(right, right.split(name)).sources) == COUNTS[name]
    wrong = right.split(name).model_copy(update={"count": COUNTS[name] + 1})
    with pytest.raises(UserError, match=f"{name} of imagenet has {COUNTS[name]} examples"):
        loading.load(right, wrong)


def test_a_class_with_other_than_fifty_validation_images_is_named(copy):
    benchmark = small({})
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, benchmark.split("id_val").model_copy(update={"per_class": 50}))
    assert "great white shark (3), brambling (3)" in caught.value.what and "50 of each class" in caught.value.why
    assert caught.value.cure == f"repro data verify {' '.join(benchmark.needs)} --full"


def test_labels_are_imagenets_in_every_split(copy):
    benchmark = small()
    labels = {split.name: loading.load(benchmark, split).labels.tolist() for split in benchmark.splits if not split.apart}
    assert labels == {
        "train": [10] * 5,
        "id_val": [2, 2, 2, 10, 10, 10],
        "v2": [2, 10, 10, 10],
        "r": [6, 6, 11],
        "a": [11, 11],
        "sketch": [2, 2, 2],
    }
    assert loading.load(benchmark, benchmark.split("r")).sources[2].parent == copy / "imagenet-r/imagenet-r" / classes.wnids()[11]


def test_ood_names_what_else_is_wanted():
    some = imagenet.describe({"ood": "sketch,a"}, Places.find())
    assert [split.name for split in some.splits] == ["train", "id_val", "v2", "a", "sketch", "imagenet-c"] and some.options == {
        "ood": ("v2", "a", "sketch")
    }
    assert some.needs == ("imagenet", "imagenetv2", "imagenet-a", "imagenet-sketch") and some.identity() != describe(imagenet).identity()
    with pytest.raises(UserError, match="imagenet has no split 'objects'"):
        imagenet.describe({"ood": "objects"}, Places.find())


def on_demand(names: str, counts: dict[str, int | None]):
    """The benchmark with what is not there unless named, and other counts."""
    benchmark = imagenet.describe({"ood": names}, Places.find())
    splits = [
        split.model_copy(update={"count": counts[split.name], "per_class": None}) if split.name in counts else split
        for split in benchmark.splits
    ]
    return benchmark.model_copy(update={"splits": tuple(splits)})


def test_objectnet_is_there_where_it_is_named():
    benchmark = imagenet.describe({"ood": "objectnet,r"}, Places.find())
    assert benchmark.options == {"ood": ("v2", "r", "objectnet")}
    assert benchmark.needs == ("imagenet", "imagenetv2", "imagenet-r", "objectnet")
    assert list(published(benchmark).items())[-2:] == [
        ("objectnet", ("ood_test", "OOD", "accuracy", 18_574)),
        ("imagenet-c", ("ood_val", None, "accuracy", 750_000)),
    ]
    counts = {count.split: count.n for count in manifest.load("objectnet").counts}
    assert counts["images of the 113 folders shared with ImageNet"] == 18_574
    assert benchmark.split("imagenet-c").per_class * 1000 == benchmark.split("imagenet-c").count
    same = imagenet.describe({"ood": "sketch,a,r"}, Places.find())
    assert same == describe(imagenet) and same.options == {}


@pytest.fixture
def objects(monkeypatch):
    """A copy of ObjectNet with 3 folders of ImageNet's, with 6 classes, and one that is not; images within its borders."""
    monkeypatch.setattr(objectnet, "PUBLISHED", (3, 6))
    root = Places.find().data / "objectnet"
    return root, hand_made.objectnet(root, {"t-shirt": 2, "chair": 3, "alarm_clock": 2, "spoon": 4})


def test_whatever_else_is_chosen_a_split_keeps_its_packs():
    resize, home = packs.Resize(side=8, mode="crop"), Places.find().packs
    usual, few = (imagenet.describe(options, Places.find()) for options in ({}, {"ood": "v2"}))
    assert usual.identity() != few.identity()
    folders = [[packs.folder_of(home, one, split, resize) for split in few.splits] for one in (few, usual)]
    assert folders[0] == folders[1] and len(set(folders[0])) == 4


def test_objectnet_is_scored_among_the_classes_of_its_folders(objects):
    _, inner = objects
    benchmark = on_demand("objectnet", {"objectnet": 7})
    split = benchmark.split("objectnet")
    assert split.classes == ((409, 530), (423, 559, 765), 610)
    made = loading.load(benchmark, split)
    assert made.labels.tolist() == [409, 409, 423, 423, 423, 610, 610] and made.border == 2
    assert {f"{path.parent.name}/{path.name}" for path in made.sources} == {name for name in inner if not name.startswith("spoon")}
    rng, folders = np.random.default_rng(0), {409: {409, 530}, 423: {423, 559, 765}, 610: {610}}
    labels = rng.choice(list(folders), 400)
    logits = rng.normal(size=(400, 1000)).astype(np.float32)
    inside = sorted(set().union(*folders.values()))
    right = [inside[int(row[inside].argmax())] in folders[label] for row, label in zip(logits, labels.tolist(), strict=True)]
    assert 0.2 < np.mean(right) < 0.6
    assert evaluate(benchmark, logits, labels, {}, classes=split.classes) == {"accuracy": np.mean(right)}


def test_objectnets_border_is_no_part_of_its_images(objects, tmp_path):
    _, inner = objects
    benchmark = on_demand("objectnet", {"objectnet": 7})
    made = loading.load(benchmark, benchmark.split("objectnet"))
    packs.build(tmp_path / "pack", made, packs.Resize(side=0, mode="limit"), lambda done: None)
    pack = packs.open_pack(tmp_path / "pack")
    expected = np.stack([inner[f"{path.parent.name}/{path.name}"] for path in made.sources])
    assert np.array_equal(pack.images.numpy(), expected) and pack.labels.tolist() == made.labels.tolist()


def test_mappings_that_changed_since_the_plan_are_told(objects):
    root, _ = objects
    benchmark = on_demand("objectnet", {"objectnet": 7})
    mapping = root / "objectnet-1.0/mappings/objectnet_to_imagenet_1k.json"
    mapping.write_text(mapping.read_text().replace("class 530, thing 530", "class 531, thing 531"))
    with pytest.raises(UserError, match="are not those that the run was planned with"):
        loading.load(benchmark, benchmark.split("objectnet"))
    mapping.unlink()
    with pytest.raises(UserError, match="cannot read"):
        loading.load(benchmark, benchmark.split("objectnet"))


def test_without_a_copy_objectnet_is_described_and_neither_read_nor_scored():
    benchmark = on_demand("objectnet", {})
    assert benchmark.split("objectnet").classes == ()
    with pytest.raises(UserError, match="cannot read") as caught:
        loading.load(benchmark, benchmark.split("objectnet"))
    assert "--ood v2,r,a,sketch" in caught.value.cure
    with pytest.raises(ValueError, match="not known which classes"):
        evaluate(benchmark, np.zeros((1, 1000), np.float32), np.zeros(1, np.int64), {}, classes=benchmark.split("objectnet").classes)


def test_who_lacks_objectnet_is_told_how_to_do_without():
    need = prepare.assess(["objectnet"], None, Places.find())
    with pytest.raises(UserError) as caught:
        prepare.require(need, Places.find())
    assert "repro data add objectnet DIR" in caught.value.cure and caught.value.cure.endswith("--ood v2,r,a,sketch leaves ObjectNet out.")


def test_imagenet_c_is_a_data_set_of_its_own():
    wnids = [classes.wnids()[label] for label in (2, 10)]
    hand_made.imagenet_c(Places.find().data / "imagenet-c", wnids, imagenet_c.CORRUPTIONS)
    benchmark = describe(imagenet)
    split = benchmark.split("imagenet-c").model_copy(update={"count": 1500})
    assert split.apart.name == "imagenet-c" and split not in benchmark.judged and "imagenet-c" not in benchmark.needs
    made = loading.load(benchmark, split)
    assert made.labels.tolist() == [2] * 750 + [10] * 750 and made.border == 0
    (made.sources[0].parent).rename(made.sources[0].parent.with_name("gone"))
    with pytest.raises(UserError, match="another number of examples of great white shark \\(700\\)"):
        loading.load(benchmark, split.model_copy(update={"count": 1450}))


def test_tiny_objects_and_corruptions_are_of_the_same_classes():
    tiny = imagenet.describe({"ood": "objectnet"}, Places.find(), True)
    objects = loading.load(tiny, tiny.split("objectnet"))
    assert tiny.split("objectnet").classes == ((1, 2, 3), (5, 6), 7, (8, 9, 10), 11, (13, 14))
    assert np.bincount(objects.labels, minlength=17)[[1, 5, 7, 8, 11, 13]].tolist() == [6, 4, 2, 6, 2, 4] and len(objects.labels) == 24
    assert np.bincount(loading.load(tiny, tiny.split("imagenet-c")).labels).tolist() == [15] * 17


def test_tiny_has_a_few_classes_with_labels_of_their_own():
    tiny = describe(imagenet, tiny=True)
    assert tiny.splits[0] == SYNTHETIC and (tiny.backbone, tiny.pretrained_by, tiny.needs) == ("digits-clip", "clip-pretrain", ())
    assert tiny.classes == classes.names(tiny=True) and len(tiny.classes) == 17 and tiny.templates == classes.templates()
    found = {split.name: np.bincount(loading.load(tiny, split).labels, minlength=17) for split in tiny.splits[1:]}
    assert {name: set(counts.tolist()) for name, counts in found.items()} == {
        "train": {6}, "id_val": {3}, "v2": {2}, "r": {0, 2}, "a": {0, 2}, "sketch": {2}, "imagenet-c": {15},
    }  # fmt: skip
    for name in ("r", "a"):
        assert tuple(np.flatnonzero(found[name])) == tiny.split(name).classes and len(tiny.split(name).classes) == 9


def test_recipes_are_those_of_the_papers():
    assert rows.papers_of("imagenet")[0] == "flyp"
    flyp, wise_ft, lp_ft = (rows.rows_of("imagenet", paper) for paper in ("flyp", "wise-ft", "lp-ft"))
    for row, lr in ((flyp["flyp"], 1e-5), (flyp["flyp-ce"], 1e-5), (wise_ft["ft"], 3e-5)):
        assert {"lr": lr, "weight_decay": 0.1, "epochs": 10, "batch_size": 512, "warmup_steps": 500}.items() <= row.recipe.items()
    assert wise_ft["ft"].recipe["clip_norm"] == 1.0 and "clip_norm" not in flyp["flyp"].recipe
    assert rows.paper_of("imagenet", "wise-ft").select == "last" and wise_ft["wise-ft"].recipe == {"base": "ft", "alphas": [0.5]}
    assert lp_ft["lp-sgd"].recipe["epochs"] == 5 and lp_ft["lp-sgd"].quick == {"lr": 0.1} and lp_ft["ft"].quick == {"lr": 1e-4}
    assert lp_ft["lp-ft"].recipe["lr"] == [1e-5, 3e-5, 1e-4] and not lp_ft["lp-ft"].quick
