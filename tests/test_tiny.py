"""Tiny subsets on disk: synthetic ones on demand, real ones out of a full copy."""

import json
from pathlib import Path

import pytest
from tiny_digits import places_at

from repro import official, plugins, tiny
from repro.datasets import camelyon17
from repro.errors import UserError
from repro.loading import load
from repro.paths import Places


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
    (tmp_path / "data" / "camelyon17").mkdir(parents=True)
    assert tiny.sources("camelyon17", tmp_path / "data", places) == {"camelyon17": tmp_path / "data" / "camelyon17"}
    assert tiny.sources("camelyon17", None, places) == {"camelyon17": places.data / "camelyon17"}
    with pytest.raises(UserError, match="there is no folder"):
        tiny.sources("camelyon17", tmp_path / "nowhere", places)
    with pytest.raises(UserError, match="digits has no published data set"):
        tiny.sources("digits", None, places)


def test_full_and_tiny_never_share_a_key(places):
    full = plugins.benchmark("camelyon17").describe({}, places)
    small = described(places)
    assert full.data != small.data and full.identity() != small.identity()
    assert full.needs == ("camelyon17",) and small.needs == ()
    assert [split.count for split in small.splits] == [None] * 5
    assert [split.count for split in full.splits] == [302_436, 33_560, 34_904, 85_054]
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
