"""What the user has is linked, never copied, changed or followed on removal."""

from __future__ import annotations

import re
import shutil

import pytest
import small_manifests as small
from archives import read_tree, write_tar

from repro.data import manifest
from repro.data.adopt import adopt, adopt_conversion
from repro.data.holdings import ensure, state
from repro.data.remove import remove
from repro.data.verify import verify
from repro.errors import UserError
from repro.paths import Places


@pytest.fixture
def places(server, tmp_path, monkeypatch):
    return small.installed(tmp_path, server, monkeypatch)


def test_by_hand(places, tmp_path):
    now = state(manifest.load("byhand"), places)
    assert now.by_hand and now.cure == "repro data add byhand PATH"
    with pytest.raises(UserError) as caught:
        ensure(manifest.load("byhand"), places)
    assert caught.value.cure == "1. Sign on paper. 2. Unpack it. Then: repro data add byhand PATH"
    theirs = tmp_path / "theirs"
    for name, content in small.TREE.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_bytes(content)
    adopted = adopt(manifest.load("byhand"), theirs, places)
    root = places.data / "byhand"
    assert adopted.state.complete and adopted.linked == ("train", "val") and (root / "train").is_symlink()
    assert (
        ensure(manifest.load("byhand"), places, check="full") == root
        and adopt(manifest.load("byhand"), theirs / "train", places).state.complete
    )
    victim = next((theirs / "train").rglob("*.jpg"))
    content = victim.read_bytes()
    victim.unlink()
    assert not verify(manifest.load("byhand"), places).ok
    other = Places.find(data=tmp_path / "other")
    (other.data / "byhand/val").mkdir(parents=True)
    with pytest.raises(UserError, match="in the way"):
        adopt(manifest.load("byhand"), theirs, other)
    assert not (other.data / "byhand/train").is_symlink(), "linked before the clash was found"
    (other.data / "byhand/val").rmdir()
    with pytest.raises(UserError, match="not a whole byhand"):
        adopt(manifest.load("byhand"), theirs, other)
    assert not (other.data / "byhand/train").exists() and not state(manifest.load("byhand"), other).complete
    victim.write_bytes(content)
    remove("byhand", places)
    assert not root.exists() and read_tree(theirs) == small.TREE, "links are not followed"


def test_adopted_files_and_archives(places, server, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "photos.zip").write_bytes(server.routes["/photos.zip"].content)
    adopted = adopt(manifest.load("photos"), theirs, places)
    assert adopted.linked == ("photos.zip",) and adopted.state.missing == ("notes.txt",)
    (theirs / "renamed").write_bytes(small.NOTES + b"x")
    with pytest.raises(UserError, match="is no file of photos"):
        adopt(manifest.load("photos"), theirs / "renamed", places)
    (theirs / "notes.txt").write_bytes(small.NOTES + b"x")
    with pytest.raises(UserError) as caught:
        adopt(manifest.load("photos"), theirs / "notes.txt", places)
    assert "git_blob" in caught.value.why
    (theirs / "notes.txt").write_bytes(small.NOTES)
    assert adopt(manifest.load("photos"), theirs / "notes.txt", places).state.complete and small.asked(server) == 0
    assert (places.data / "photos/photos.zip").is_symlink() and sorted(path.name for path in theirs.iterdir()) == [
        "notes.txt",
        "photos.zip",
        "renamed",
    ]
    weights = tmp_path / "weights.pt"
    weights.write_bytes(small.WEIGHTS["small.pt"])
    (tmp_path / "small.pt").symlink_to(weights)
    adopt(manifest.load("nets"), tmp_path / "small.pt", places)
    assert state(manifest.load("nets"), places, only=["small.pt"]).complete


def test_what_came_first_binds_what_is_added_later(places, tmp_path):
    """Where the manifest knows no hash."""
    path = tmp_path / "manifests/photos.toml"
    path.write_text(re.sub(r"git_blob = .*", "", path.read_text()))
    ensure(manifest.load("photos"), places)
    (tmp_path / "notes.txt").write_bytes(small.NOTES[::-1])
    with pytest.raises(UserError) as caught:
        adopt(manifest.load("photos"), tmp_path / "notes.txt", places)
    assert "first complete fetch" in caught.value.why and "repro data remove photos, then add again" in caught.value.cure
    assert (places.data / "photos/notes.txt").read_bytes() == small.NOTES
    remove("photos", places)
    assert adopt(manifest.load("photos"), tmp_path / "notes.txt", places).linked == ("notes.txt",)


def test_an_unpacked_tree_without_its_plain_file(places, server, tmp_path):
    """What lacks is fetched into the dataset's own folder, never into the user's."""
    theirs = tmp_path / "theirs"
    ensure(manifest.load("photos"), Places.find(data=tmp_path / "first"))
    shutil.copytree(tmp_path / "first/photos/inner/photos", theirs / "inner/photos")
    before, requests = read_tree(theirs), small.asked(server)
    assert adopt(manifest.load("photos"), theirs, places).state.missing == ("notes.txt",)
    ensure(manifest.load("photos"), places)
    assert state(manifest.load("photos"), places).complete and read_tree(theirs) == before and small.asked(server) == requests + 1


def test_a_copy_in_another_packing(places, server, tmp_path):
    (tmp_path / "manifests/faces.toml").write_text(
        'name = "faces"\nkind = "dataset"\ntitle = "Faces"\ncaption = "x"\nlayout = { required = ["faces/train"] }\n'
        '[[files]]\nname = "faces.tar"\nunpack = "tar"\n'
        '[[counts]]\nsplit = "train"\nn = 2\nconfidence = "verified"\n'
        'rule = { kind = "files", path = "faces/train", suffixes = [".png"] }\n'
        '[[converted]]\nurl = "https://one.example/"\npacking = "webdataset"\nconverter = "class-folders"\n'
        'into = { train = "faces/train" }\nsuffix = ".png"\n'
    )
    shards = tmp_path / "shards"
    shards.mkdir()
    with pytest.raises(UserError, match=r"no \.tar files"):
        adopt_conversion(manifest.load("faces"), shards, places)
    assert state(manifest.load("faces"), places).missing == ("faces.tar",)
    samples = {f"{key}.{kind}": content for key in "ab" for kind, content in (("png", b"\x89PNG\r\n\x1a\n" + key.encode()), ("cls", b"1"))}
    write_tar(shards / "train-0.tar", samples)
    (done,), now = adopt_conversion(manifest.load("faces"), shards, places)
    assert done.examples == {"train": 2} and now.complete and (places.data / "faces/faces/train/1/a.png").is_file()
    (places.data / "faces/dataset.complete.json").unlink()  # as after a kill before the marker
    done, now = adopt_conversion(manifest.load("faces"), shards, places)
    assert done == [] and now.complete


def test_where_nothing_of_it_is_the_folder_of_its_name_below_is_suggested(places, tmp_path):
    theirs = tmp_path / "my data"
    for below, cure in ((False, "repro data list byhand"), (True, f"repro data add byhand '{theirs}/byhand'")):
        (theirs / "byhand" if below else theirs).mkdir()
        with pytest.raises(UserError) as caught:
            adopt(manifest.load("byhand"), theirs, places)
        looked_for = caught.value.why.removeprefix("looked for ").split(", ")
        assert caught.value.cure == cure and len(looked_for) == len(set(looked_for)) > 0
