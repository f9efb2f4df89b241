"""The user's own data: what is read off the folder, how it is split, and each way in which it can be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.benchmarks import folder
from repro.errors import UserError
from repro.paths import Places
from repro.types import Benchmark

CLASSES = ("cat", "dog", "hen")


def make_tree(root: Path, domains: tuple[str, ...] = ("photo", "sketch"), per_class: int = 10) -> Path:
    """Noise images, each different, as <domain>/<class>/<number>.png."""
    rng = np.random.default_rng(0)
    for domain in domains:
        for name in CLASSES:
            (root / domain / name).mkdir(parents=True)
            for number in range(per_class):
                Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(root / domain / name / f"{number}.png")
    return root


def describe(root: Path, identity: str = "photo", ood: str = "sketch", tiny: bool = False) -> Benchmark:
    return folder.describe({"root": str(root), "id": identity, "ood": ood}, Places.find(), tiny)


def sources(benchmark: Benchmark, split: str) -> list[Path]:
    return list(folder.examples(benchmark, benchmark.split(split)).sources)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree")


def test_the_id_domain_is_split_by_class_and_the_ood_domain_is_whole(tree: Path):
    benchmark = describe(tree)
    assert benchmark.classes == CLASSES
    assert [split.name for split in benchmark.splits] == ["train", "id_val", "id_test", "sketch"]
    for split, each in (("train", 6), ("id_val", 2), ("id_test", 2), ("sketch", 10)):
        made = folder.examples(benchmark, benchmark.split(split))
        assert np.bincount(made.labels).tolist() == [each] * 3
        assert [path.parent.name for path in made.sources] == [CLASSES[label] for label in made.labels]
    parts = [set(sources(benchmark, split)) for split in ("train", "id_val", "id_test")]
    assert len(set.union(*parts)) == 30 == sum(map(len, parts))


def test_copies_of_an_image_fall_into_one_part(tree: Path):
    first = sources(describe(tree), "id_test")[0]
    for number in range(5):
        shutil.copy(first, first.with_name(f"copy{number}.png"))
    benchmark = describe(tree)
    where = {
        split for split in ("train", "id_val", "id_test") for path in sources(benchmark, split) if path.read_bytes() == first.read_bytes()
    }
    assert len(where) == 1


def test_copies_in_another_class_fall_into_the_same_part(tree: Path):
    cats = {split: sources(describe(tree), split) for split in folder.PARTS}
    for paths in cats.values():
        for path in paths:
            if path.parent.name == "cat":
                shutil.copy(path, tree / "photo" / "hen" / f"cat-{path.name}")
    folder._hashes.cache_clear()
    benchmark = describe(tree)
    contents = {split: {path.read_bytes() for path in sources(benchmark, split)} for split in folder.PARTS}
    assert not contents["train"] & contents["id_test"] and not contents["train"] & contents["id_val"]
    assert {path for path in sources(benchmark, "train") if path.parent.name == "cat"} == {
        path for path in cats["train"] if path.parent.name == "cat"
    }


def test_the_key_knows_content_and_not_the_place(tree: Path, tmp_path: Path):
    moved = shutil.copytree(tree, tmp_path / "elsewhere")
    assert describe(moved).identity() == describe(tree).identity()
    (changed := next(moved.rglob("*.png"))).write_bytes(next(tree.rglob("sketch/hen/9.png")).read_bytes())
    folder._hashes.cache_clear()
    assert describe(moved).data != describe(tree).data, changed


def test_the_order_of_the_ood_domains_is_no_part_of_the_key(tmp_path: Path):
    tree = make_tree(tmp_path / "tree", ("photo", "sketch", "clay"))
    one, other = describe(tree, ood="sketch,clay"), describe(tree, ood="clay,sketch")
    assert one.identity() == other.identity()
    assert [split.name for split in one.splits][-2:] == ["sketch", "clay"]


def test_the_split_follows_content_and_not_names(tree: Path, tmp_path: Path):
    before = {path.read_bytes() for path in sources(describe(tree), "id_test")}
    for path in sorted((tree / "photo").rglob("*.png")):
        path.rename(path.with_name(f"renamed-{path.name}"))
    folder._hashes.cache_clear()
    assert {path.read_bytes() for path in sources(describe(tree), "id_test")} == before


def test_hidden_files_and_other_kinds_are_no_images(tree: Path):
    (tree / "photo" / "cat" / ".hidden.png").write_bytes(b"")
    (tree / "photo" / "cat" / "notes.txt").write_text("no image")
    assert len(sources(describe(tree), "train")) == 18


def test_tiny_takes_a_few_images_of_each_class(tmp_path: Path):
    tree = make_tree(tmp_path / "tree", per_class=20)
    tiny = describe(tree, tiny=True)
    assert tiny.tiny and len(sources(tiny, "sketch")) == 3 * folder.TINY
    assert tiny.identity() != describe(tree).identity()


@pytest.mark.parametrize(
    ("break_it", "what", "why"),
    [
        (lambda root: shutil.rmtree(root), "cannot read the folder", "No such file"),
        (lambda root: [shutil.rmtree(path) for path in root.iterdir()], "has no domains", "<domain>/<class>/<image>"),
        (lambda root: [shutil.rmtree(path) for path in (root / "photo").iterdir()], "has no class folders", "at least two classes"),
        (lambda root: shutil.rmtree(root / "sketch" / "hen"), "the classes of sketch are not those of photo", "it lacks hen"),
        (lambda root: (root / "sketch" / "owl").mkdir(), "the classes of sketch are not those of photo", "it alone has owl"),
        (lambda root: [path.unlink() for path in (root / "sketch" / "hen").iterdir()], "has no images", ".png"),
    ],
)
def test_a_folder_that_is_wrong_is_named(tree: Path, break_it, what: str, why: str):
    break_it(tree)
    with pytest.raises(UserError) as caught:
        describe(tree)
    assert what in caught.value.what and why in caught.value.why and caught.value.cure


def test_a_domain_to_validate_on_is_shown_beside_the_others_and_never_tested_on(tmp_path: Path):
    options = {"root": str(make_tree(tmp_path / "tree", ("photo", "sketch", "clay"))), "id": "photo", "ood": "sketch"}
    plain, chosen = (folder.describe({**options, **more}, Places.find()) for more in ({}, {"ood_val": "clay"}))
    assert [(split.name, split.role, split.headline) for split in chosen.splits[3:]] == [
        ("sketch", "ood_test", True),
        ("clay", "ood_val", False),
    ]
    assert len(sources(chosen, "clay")) == 30
    assert plain.options == {"id": "photo", "ood": ["sketch"]} and chosen.options["ood_val"] == "clay"
    for wrong, what in (("sketch", "is also tested on"), ("photo", "names the ID domain"), ("clys", "has no domain 'clys'")):
        with pytest.raises(UserError, match=what):
            folder.describe({**options, "ood_val": wrong}, Places.find())


@pytest.mark.parametrize(
    ("identity", "ood", "what"),
    [
        ("foto", "sketch", "no domain 'foto'"),
        ("photo", "sketsh", "no domain 'sketsh'"),
        ("photo", "photo", "names the ID domain"),
        ("photo", ",", "no domain is named"),
    ],
)
def test_wrong_domains_are_named(tree: Path, identity: str, ood: str, what: str):
    with pytest.raises(UserError) as caught:
        describe(tree, identity, ood)
    assert what in caught.value.what


@pytest.mark.parametrize("name", folder.PARTS)
def test_an_ood_domain_cannot_bear_the_name_of_a_part_of_the_id_domain(tree: Path, name: str):
    (tree / "sketch").rename(tree / name)
    with pytest.raises(UserError, match=f"cannot be called '{name}'"):
        describe(tree, "photo", name)
    assert describe(tree, name, "photo").options["id"] == name


def test_an_ood_image_that_is_a_copy_of_an_id_image_is_named(tree: Path):
    shutil.copy(tree / "photo" / "cat" / "3.png", tree / "sketch" / "hen" / "4.png")
    with pytest.raises(UserError, match=r"1 OOD images are copies of images of photo, the first sketch/hen/4\.png of photo/cat/3\.png"):
        describe(tree)


@pytest.mark.parametrize("per_class", [1, 3])
def test_too_few_different_images_to_split_are_said_beforehand(tmp_path: Path, per_class: int):
    with pytest.raises(UserError, match="too few images to split") as caught:
        describe(make_tree(tmp_path / "tree", per_class=per_class))
    assert "at least 4 different" in caught.value.why


@pytest.mark.parametrize("per_class", range(folder.FEWEST, 30))
def test_the_fewest_images_reach_every_part(per_class: int):
    parts = folder._parts([[f"{label}-{number}" for number in range(per_class)] for label in range(2)])
    assert set(parts.values()) == set(folder.PARTS) and len(parts) == 2 * per_class


@pytest.mark.parametrize(
    ("changed", "cure"),
    [
        ({"id": "foto"}, "for example --id photo"),
        ({"id": "xyz"}, "for example --id clay"),
        ({"ood": "sketsh,clay"}, "for example --ood sketch,clay"),
        ({"ood": "xyz"}, "for example --ood clay,sketch"),
        ({"ood": "photo"}, "for example --ood clay,sketch"),
        ({"ood": "photo,clay"}, "for example --ood clay"),
        ({"ood_val": "photo"}, "for example --ood-val clay"),
        ({"ood": "sketch,clay", "ood_val": "photo"}, "put a folder for another domain beside clay"),
    ],
)
def test_the_cure_of_a_wrong_domain_is_one_that_works(tmp_path: Path, changed: dict[str, str], cure: str):
    options = {"root": str(make_tree(tmp_path / "tree", ("photo", "sketch", "clay"))), "id": "photo", "ood": "sketch"} | changed
    with pytest.raises(UserError) as caught:
        folder.describe(options, Places.find())
    assert caught.value.cure == cure
    if cure.startswith("for example"):
        option, domains = cure.removeprefix("for example --").split()
        assert folder.describe({**options, option.replace("-", "_"): domains}, Places.find()).name == "folder"
