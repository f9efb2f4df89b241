"""Tiny subsets on disk: synthetic ones on demand, real ones out of a full copy."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from tiny_digits import places_at
from wilds_layouts import without_column

from repro import plugins
from repro.datasets import camelyon17
from repro.errors import UserError
from repro.paths import Places
from repro.reading import breeds, official, tiny
from repro.reading.loading import load


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_at(tmp_path / "home")


def described(places: Places):
    return plugins.benchmark("camelyon17").describe({}, places, True)


def test_loading_writes_the_synthetic_subset_once(places, monkeypatch):
    benchmark = described(places)
    folder = tiny.folder_of("camelyon17", places)
    assert benchmark.roots == {"camelyon17": str(folder)} and not folder.exists()
    first = load(benchmark, benchmark.split("train"))
    marker = json.loads((folder / "tiny.json").read_text())
    assert (marker["version"], marker["taken"]) == (camelyon17.VERSION, None)
    assert marker["files"] == len(list(folder.rglob("*"))) - len([p for p in folder.rglob("*") if p.is_dir()]) - 1
    monkeypatch.setattr(camelyon17, "write_tiny", lambda root: pytest.fail("it was here"))
    assert load(benchmark, benchmark.split("train")).sources == first.sources


def test_a_half_written_subset_is_never_read(places, monkeypatch):
    def break_off(root: Path) -> None:
        (root / "half").write_text("x")
        raise KeyboardInterrupt

    folder = tiny.folder_of("camelyon17", places)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(camelyon17, "write_tiny", break_off)
        tiny.ensure("camelyon17", folder)
    assert not folder.exists() and [path.name for path in folder.parent.iterdir()] == [".camelyon17.lock"]
    tiny.ensure("camelyon17", folder)
    assert (folder / "tiny.json").is_file()


def test_a_newer_version_of_the_drawing_replaces_the_older(places, monkeypatch):
    folder = tiny.folder_of("camelyon17", places)
    tiny.ensure("camelyon17", folder)
    before = described(places).data
    monkeypatch.setattr(camelyon17, "VERSION", camelyon17.VERSION + 1)
    assert described(places).data != before
    tiny.ensure("camelyon17", folder)
    assert json.loads((folder / "tiny.json").read_text())["version"] == camelyon17.VERSION


def test_a_real_subset_is_another_benchmark_in_keys_and_stays(places, tmp_path, monkeypatch):
    full = tmp_path / "full"
    full.mkdir()
    camelyon17.write_tiny(full)
    synthetic = described(places).data
    assert tiny.sources("camelyon17", full, places) == {"camelyon17": full}
    made = tiny.take("camelyon17", full, places)
    taken = described(places).data
    assert taken != synthetic and made.folder == tiny.folder_of("camelyon17", places)
    monkeypatch.setattr(camelyon17, "VERSION", camelyon17.VERSION + 1)
    monkeypatch.setattr(camelyon17, "write_tiny", lambda root: pytest.fail("the user's own subset would be lost"))
    tiny.ensure("camelyon17", made.folder)
    assert described(places).data == taken
    again = tiny.take("camelyon17", full, places)
    assert described(places).data == taken and again == made
    monkeypatch.undo()
    tiny.take("camelyon17", None, places)
    assert described(places).data == synthetic


def test_where_a_full_copy_is_looked_for(places, tmp_path):
    """At the root itself, at the official folder in it (one too low), at a folder that holds roots by name (one too high), by a link."""
    root = tmp_path / "data" / "camelyon17"
    root.mkdir(parents=True)
    camelyon17.write_tiny(root)
    (tmp_path / "link").symlink_to(root)
    for given in (root, root / "camelyon17_v1.0", tmp_path / "data"):
        assert tiny.sources("camelyon17", given, places) == {"camelyon17": root}
    assert tiny.sources("camelyon17", tmp_path / "link", places) == {"camelyon17": tmp_path / "link"}
    for given in (tmp_path / "nowhere", tmp_path, root / "camelyon17_v1.0" / "metadata.csv", None):
        with pytest.raises(UserError, match="there is no whole copy of camelyon17 in") as caught:
            tiny.sources("camelyon17", given, places)
        assert "camelyon17_v1.0/metadata.csv" in caught.value.why and "repro data tiny camelyon17 --from DIR" in caught.value.cure
    with pytest.raises(UserError, match="digits has no published data set"):
        tiny.sources("digits", None, places)


@pytest.mark.parametrize("name", ["imagenet", "cifar10", "cifar10.1", "stl10", "cifar10-c", "iwildcam", "fmow"])
def test_every_data_set_is_found_where_it_lies_by_name(places, tmp_path, name):
    (tmp_path / name).mkdir()
    plugins.dataset(name).write_tiny(tmp_path / name)
    benchmark = {"imagenet": "living17", "fmow": "fmow-geo"}.get(name, name if name == "iwildcam" else "cifar10.1")
    for other in tiny.data_sets(benchmark, places).keys() - {name}:
        (tmp_path / other).mkdir()
        plugins.dataset(other).write_tiny(tmp_path / other)
    assert tiny.sources(benchmark, tmp_path, places)[name] == tmp_path / name


def test_a_data_set_that_only_a_search_needs_may_be_absent(places, tmp_path):
    names = ("cifar10", "cifar10.1", "cifar10.2", "stl10")
    for name in names:
        (tmp_path / name).mkdir()
        plugins.dataset(name).write_tiny(tmp_path / name)
    assert tuple(tiny.sources("cifar10.1", tmp_path, places)) == names


@pytest.mark.parametrize("name", ["camelyon17", "iwildcam", "fmow"])
def test_a_full_copy_that_lacks_images_is_told_by_name_and_replaces_nothing(places, tmp_path, name):
    reader, full = plugins.dataset(name), tmp_path / "full"
    full.mkdir()
    reader.write_tiny(full)
    before = tiny.take(name, full, places)
    gone = sorted(path for path in full.rglob("*") if path.suffix in (".png", ".jpg"))
    for path in gone:
        path.unlink()
    with pytest.raises(UserError, match="images are not on disk: ") as caught:
        tiny.take(name, full, places)
    assert str(full) in caught.value.cure and "--from DIR" in caught.value.cure
    assert all(" and " not in part or "more" in part for part in caught.value.what.split(": ")[1].split(", "))
    tiny.check_whole(name, before.folder)
    assert [path.name for path in before.folder.parent.iterdir() if "unfinished" in path.name] == []


def test_a_full_copy_that_lacks_classes_is_told_by_name(places, tmp_path):
    """The target classes' training images are read by no benchmark."""
    plugins.dataset("imagenet").write_tiny(tmp_path)
    target = breeds.superclasses("living17")[0].target[0]
    source = breeds.superclasses("entity30")[0].source[0]
    shutil.rmtree(tmp_path / "train" / target)
    shutil.rmtree(tmp_path / "val" / source)
    tiny.take("imagenet", tmp_path, places)
    shutil.rmtree(tmp_path / "val" / target)
    with pytest.raises(UserError, match=f"1 folders of classes have no images: val/{target}"):
        tiny.take("imagenet", tmp_path, places)


def test_a_full_disk_is_told_and_leaves_nothing(places, monkeypatch):
    def fill(root: Path) -> None:
        (root / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(camelyon17, "write_tiny", fill)
    folder = tiny.folder_of("camelyon17", places)
    with pytest.raises(UserError, match=r"not enough room on the disk of .* for the tiny subset of camelyon17"):
        tiny.ensure("camelyon17", folder)
    assert [path.name for path in folder.parent.iterdir()] == [".camelyon17.lock"]


@pytest.mark.parametrize("benchmark", ["living17", "camelyon17", "cifar10.1"])
def test_a_file_that_is_gone_from_a_subset_is_named_with_the_command_that_makes_it_again(places, benchmark):
    described = plugins.benchmark(benchmark).describe({}, places, True)
    load(described, described.split("train"))
    folder = Path(next(iter(described.roots.values())))
    gone = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "tiny.json")[3]
    gone.unlink()
    with pytest.raises(UserError, match=r"1 of the .* files of the tiny subset of") as caught:
        load(described, described.split("id_val"))
    assert str(gone) in caught.value.what and f"repro data tiny {benchmark} --synthetic" in caught.value.cure


def test_what_is_wrong_with_a_table_of_a_subset_is_mended_by_making_it_again(places):
    described = plugins.benchmark("camelyon17").describe({}, places, True)
    load(described, described.split("train"))
    without_column(tiny.folder_of("camelyon17", places) / "camelyon17_v1.0" / "metadata.csv", "tumor")
    with pytest.raises(UserError, match="lacks the column tumor") as caught:
        load(described, described.split("train"))
    assert caught.value.cure.startswith("repro data tiny camelyon17 --synthetic")


def test_full_and_tiny_never_share_a_key(places):
    full = plugins.benchmark("camelyon17").describe({}, places)
    small = described(places)
    assert full.data != small.data and full.identity() != small.identity()
    assert full.needs == ("camelyon17",) and small.needs == ()
    assert [split.count for split in small.splits] == [None] * 8
    assert [split.count for split in full.splits] == [302_436, 33_560, 34_904, 85_054, 1_799_247, 600_030, 600_030]
    assert small.splits[0] == official.SYNTHETIC and (small.backbone, small.pretrained_by) == ("digits-clip", "clip-pretrain")


def test_a_mirror_or_a_hash_found_later_changes_no_key(monkeypatch):
    before = official.content("camelyon17")
    known = official.manifest.load("camelyon17")
    found = known.model_copy(update={"files": tuple(file.model_copy(update={"sha256": "0" * 64, "mirrors": ()}) for file in known.files)})
    monkeypatch.setattr(official.manifest, "load", lambda name: found)
    assert official.content("camelyon17") == before
    fewer = known.model_copy(update={"counts": known.counts[1:]})
    monkeypatch.setattr(official.manifest, "load", lambda name: fewer)
    assert official.content("camelyon17") != before
