"""A dataset becomes whole from any state, and what is said of it is true."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import small_manifests as small
from archives import read_tree, write_tar
from children import DONE, finish, start
from misbehaving_server import Behaviour, serving

from repro import paths
from repro.data import manifest
from repro.data.adopt import adopt, adopt_conversion
from repro.data.bundle import export, import_
from repro.data.holdings import disk_needed, ensure, needed, root_of, state
from repro.data.marker import read_marker
from repro.data.remove import remove
from repro.data.verify import verify
from repro.errors import UserError
from repro.paths import Places


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def places(server, tmp_path, monkeypatch):
    folder = small.write(tmp_path / "manifests", server)
    monkeypatch.setattr(paths, "manifests_dir", lambda: folder)
    monkeypatch.setenv("REPRO_CONFIG", str(tmp_path / "none.toml"))
    return Places.find(home=tmp_path / "home", data=tmp_path / "data")


def load(name):
    return manifest.load(name)


def asked(server) -> int:
    return sum(len(route.requests) for route in server.routes.values())


def unpacked(root) -> dict[str, bytes]:
    return read_tree(root / "inner/photos")


def test_ensure_fetches_unpacks_counts_and_marks_once(places, server):
    photos = load("photos")
    before = state(photos, places)
    assert (before.complete, before.root, before.missing, before.unsized) == (False, None, ("photos.zip", "notes.txt"), 1)
    assert before.bytes_to_fetch == photos.files[0].bytes and before.cure == "repro data fetch photos"
    assert disk_needed(photos, places) == 2 * photos.files[0].bytes
    seen = {}
    root = ensure(photos, places, on_progress=lambda name, done, total: seen.update({name: (done, total)}))
    assert root == places.data / "photos" == root_of("photos", places)
    assert unpacked(root) == small.TREE and (root / "inner/readme").read_bytes() == b"read me"
    assert seen["photos.zip"] == (photos.files[0].bytes,) * 2 and "unpack photos.tar.gz" in seen
    marker = read_marker(root)
    assert marker.manifest == manifest.digest(photos) and set(marker.files) == {"photos.zip", "notes.txt"}
    assert [finding["found"] for finding in marker.findings] == [3, 1, small.IMAGES]
    assert state(photos, places).complete and disk_needed(photos, places) == 0
    assert asked(server) == 2
    assert ensure(photos, places) == ensure(photos, places, check="full") == root and asked(server) == 2


def test_optional_files_come_only_when_named_and_stay(places, server):
    photos = load("photos")
    ensure(photos, places)
    assert not state(photos, places, optional=["extra.txt"]).complete
    root = ensure(photos, places, optional=["extra.txt"])
    assert (root / "extra.txt").is_file() and state(photos, places, optional=["extra.txt"]).complete
    ensure(photos, places, check="quick")
    assert "extra.txt" in read_marker(root).files and asked(server) == 3
    with pytest.raises(UserError, match=r"no file in photos 'extra.tx'"):
        ensure(photos, places, optional=["extra.tx"])


def test_what_a_dataset_requires_comes_first(places):
    assert [found.name for found in needed(["derived", "photos"])] == ["photos", "derived"]
    assert not state(load("derived"), places).complete
    ensure(load("derived"), places)
    assert state(load("derived"), places).complete and state(load("photos"), places).complete
    remove("photos", places)
    now = state(load("derived"), places)
    assert not now.complete and "requires photos" in now.detail and now.cure == "repro data fetch derived"
    assert verify(load("derived"), places).cure == "repro data fetch derived"


def test_one_file_of_a_checkpoint_family(places, server):
    nets = load("nets")
    root = ensure(nets, places, only=["small.pt"])
    assert [path.name for path in root.glob("*.pt")] == ["small.pt"] and state(nets, places, only=["small.pt"]).complete
    assert state(nets, places).missing == ("large.pt",)
    with pytest.raises(UserError, match="cannot be had in part"):
        ensure(load("photos"), places, only=["notes.txt"])


def test_the_git_blob_is_checked_where_it_is_the_only_hash(places, server):
    server.add("/notes.txt", b"one\ntwo\nthrea\n")
    with pytest.raises(UserError) as caught:
        ensure(load("photos"), places)
    assert "git_blob" in caught.value.why and not (places.data / "photos/notes.txt").exists()
    server.add("/notes.txt", small.NOTES)
    ensure(load("photos"), places)


def test_damage_is_seen_and_mended(places, server):
    photos = load("photos")
    root = ensure(photos, places)
    assert verify(photos, places, full=True).ok
    victim = next((root / "inner/photos/train").rglob("*.jpg"))
    victim.unlink()
    found = verify(photos, places)
    assert not found.ok and any(finding.found == small.IMAGES - 1 for finding in found.findings)
    assert found.cure == "repro data fetch photos"
    ensure(photos, places, check="quick")
    assert verify(photos, places).ok and asked(server) == 2, "unpacked anew, not fetched"
    notes = root / "notes.txt"
    notes.write_bytes(small.NOTES.replace(b"o", b"0"))
    assert verify(photos, places).ok, "the same size"
    found = verify(photos, places, full=True)
    assert not found.ok and found.cure == "repro data fetch photos --full"
    ensure(photos, places, check="full")
    assert verify(photos, places, full=True).ok and asked(server) == 3


def test_wrong_counts_leave_no_marker(places, tmp_path):
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace(f"n = {small.IMAGES}", "n = 7"))
    with pytest.raises(UserError) as caught:
        ensure(load("photos"), places)
    assert f"expected 7 examples, found {small.IMAGES}" in caught.value.why and "--full" in caught.value.cure
    assert read_marker(places.data / "photos") is None and not state(load("photos"), places).complete


def test_a_corrected_manifest_is_checked_again_without_a_fetch(places, server, tmp_path):
    ensure(load("photos"), places)
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace('kind = "dataset"', 'kind = "dataset"\nversion = "2"'))
    assert "other facts" in state(load("photos"), places).detail
    ensure(load("photos"), places)
    assert state(load("photos"), places).complete and asked(server) == 2


def test_killed_at_every_step_then_again(places, server, tmp_path):
    """As by kill -9: after each, what counts as complete is whole, and the same call ends well."""
    photos, killed = load("photos"), 0
    for step in range(0, 200, 9):
        data = tmp_path / f"killed{step}"
        at = Places.find(data=data)
        if finish(start(small.ensure_in_child, tmp_path / "manifests", data, "photos", die_at_step=step)) == DONE:
            break
        killed += 1
        assert not state(photos, at).complete or unpacked(data / "photos") == small.TREE
        ensure(photos, at)
        assert unpacked(data / "photos") == small.TREE and verify(photos, at, full=True).ok
        assert not [path for path in (data / "photos").rglob("*") if path.name.endswith((".part", ".unpacking", ".tmp"))]
        shutil.rmtree(data)
    assert killed >= 4


def test_two_processes_at_once(places, server, tmp_path):
    both = [start(small.ensure_in_child, tmp_path / "manifests", places.data, "derived") for _ in range(2)]
    assert [finish(process) for process in both] == [DONE, DONE]
    assert state(load("derived"), places).complete and asked(server) == 2


def test_no_network_is_a_sentence(places, server, tmp_path):
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace(server.url(""), "http://127.0.0.1:9"))
    with pytest.raises(UserError) as caught:
        ensure(load("photos"), places)
    assert "is this machine on the network" in caught.value.why and "repro data" in caught.value.cure


def test_a_password_in_a_mirror_is_used_and_forgotten(places, server, tmp_path):
    address = server.url("/").replace("//", "//me:s3cret@")
    server.add("/photos.zip", server.routes["/photos.zip"].content, Behaviour(cut=100), Behaviour(status=404))
    with pytest.raises(UserError) as caught:
        ensure(load("photos"), places, mirror=address)
    assert "s3cret" not in "".join(caught.value.lines())
    server.add("/photos.zip", server.routes["/photos.zip"].content)
    root = ensure(load("photos"), places, mirror=address)
    assert all("authorization" in request for request in server.routes["/photos.zip"].requests)
    kept = b"".join(path.read_bytes() for path in root.rglob("*.json"))
    assert b"127.0.0.1" in kept and b"s3cret" not in kept and b"me:" not in kept
    for wrong in (address + "a b", "ftp://me:s3cret@host/x"):
        with pytest.raises(UserError) as caught:
            ensure(load("nets"), places, mirror=wrong)
        assert "s3cret" not in "".join(caught.value.lines())


def test_several_data_folders(places, tmp_path, server):
    ensure(load("photos"), places)
    before = read_tree(places.data)
    both = Places.find(data=f"{tmp_path / 'own'}{os.pathsep}{places.data}")
    assert both.data_roots == (tmp_path / "own", places.data)
    assert root_of("photos", both) == ensure(load("photos"), both, check="full") == places.data / "photos"
    with pytest.raises(UserError, match="not removed"):
        remove("photos", both)
    root = ensure(load("photos"), both, optional=["extra.txt"])
    assert root == tmp_path / "own/photos" == root_of("photos", both), "what the shared folder lacks is made in one's own"
    assert read_tree(places.data) == before
    (tmp_path / "file").touch()
    unwritable = Places.find(data=f"{tmp_path / 'file/own'}{os.pathsep}{places.data}")
    assert state(load("photos"), unwritable).complete and verify(load("photos"), unwritable).ok
    with pytest.raises(UserError, match="cannot write to the data folder"):
        ensure(load("nets"), unwritable)


def test_by_hand(places, tmp_path):
    now = state(load("byhand"), places)
    assert now.by_hand and now.cure == "repro data add byhand PATH"
    with pytest.raises(UserError) as caught:
        ensure(load("byhand"), places)
    assert caught.value.cure == "1. Sign on paper. 2. Unpack it. Then: repro data add byhand PATH"
    theirs = tmp_path / "theirs"
    for name, content in small.TREE.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_bytes(content)
    adopted = adopt(load("byhand"), theirs, places)
    root = places.data / "byhand"
    assert adopted.state.complete and adopted.linked == ("train", "val") and (root / "train").is_symlink()
    assert ensure(load("byhand"), places, check="full") == root and adopt(load("byhand"), theirs / "train", places).state.complete
    victim = next((theirs / "train").rglob("*.jpg"))
    content = victim.read_bytes()
    victim.unlink()
    assert not verify(load("byhand"), places).ok
    other = Places.find(data=tmp_path / "other")
    with pytest.raises(UserError, match="not a whole byhand"):
        adopt(load("byhand"), theirs, other)
    assert not (other.data / "byhand/train").exists() and not state(load("byhand"), other).complete
    victim.write_bytes(content)
    remove("byhand", places)
    assert not root.exists() and read_tree(theirs) == small.TREE, "links are not followed"


def test_adopted_files_and_archives(places, server, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "photos.zip").write_bytes(server.routes["/photos.zip"].content)
    adopted = adopt(load("photos"), theirs, places)
    assert adopted.linked == ("photos.zip",) and adopted.state.missing == ("notes.txt",)
    (theirs / "renamed").write_bytes(small.NOTES + b"x")
    with pytest.raises(UserError, match="is no file of photos"):
        adopt(load("photos"), theirs / "renamed", places)
    (theirs / "notes.txt").write_bytes(small.NOTES + b"x")
    with pytest.raises(UserError) as caught:
        adopt(load("photos"), theirs / "notes.txt", places)
    assert "git_blob" in caught.value.why
    (theirs / "notes.txt").write_bytes(small.NOTES)
    assert adopt(load("photos"), theirs / "notes.txt", places).state.complete and asked(server) == 0
    assert (places.data / "photos/photos.zip").is_symlink() and sorted(path.name for path in theirs.iterdir()) == [
        "notes.txt",
        "photos.zip",
        "renamed",
    ]
    weights = tmp_path / "weights.pt"
    weights.write_bytes(small.WEIGHTS["small.pt"])
    (tmp_path / "small.pt").symlink_to(weights)
    adopt(load("nets"), tmp_path / "small.pt", places)
    assert state(load("nets"), places, only=["small.pt"]).complete


def test_an_unpacked_tree_without_its_plain_file(places, server, tmp_path):
    """What lacks is fetched into the dataset's own folder, never into the user's."""
    theirs = tmp_path / "theirs"
    ensure(load("photos"), Places.find(data=tmp_path / "first"))
    shutil.copytree(tmp_path / "first/photos/inner/photos", theirs / "inner/photos")
    before, requests = read_tree(theirs), asked(server)
    assert adopt(load("photos"), theirs, places).state.missing == ("notes.txt",)
    ensure(load("photos"), places)
    assert state(load("photos"), places).complete and read_tree(theirs) == before and asked(server) == requests + 1


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
        adopt_conversion(load("faces"), shards, places)
    assert state(load("faces"), places).missing == ("faces.tar",)
    samples = {f"{key}.{kind}": content for key in "ab" for kind, content in (("png", b"\x89PNG\r\n\x1a\n" + key.encode()), ("cls", b"1"))}
    write_tar(shards / "train-0.tar", samples)
    (done,), now = adopt_conversion(load("faces"), shards, places)
    assert done.examples == {"train": 2} and now.complete and (places.data / "faces/faces/train/1/a.png").is_file()
    (places.data / "faces/dataset.complete.json").unlink()  # as after a kill before the marker
    done, now = adopt_conversion(load("faces"), shards, places)
    assert done == [] and now.complete


def test_a_bundle_there_and_back(places, server, tmp_path):
    with pytest.raises(UserError, match="cannot be exported"):
        export(["photos"], places, tmp_path / "x.tar")
    ensure(load("derived"), places)
    ensure(load("nets"), places, only=["small.pt"])
    listing = export(["derived", "nets"], places, tmp_path / "x.tar")
    assert {name: list(files) for name, files in listing.datasets.items()} == {
        "photos": ["photos.zip", "notes.txt"],
        "derived": [],
        "nets": ["small.pt"],
    }
    there = Places.find(data=tmp_path / "there")
    requests = asked(server)
    assert import_(tmp_path / "x.tar", there) == ["photos", "derived", "nets"] and asked(server) == requests
    assert state(load("derived"), there).complete and unpacked(there.data / "photos") == small.TREE
    assert verify(load("photos"), there, full=True).ok and sorted(path.name for path in there.data.iterdir())[0] == ".importing.lock"
    with pytest.raises(UserError, match="is there already"):
        export(["nets"], places, tmp_path / "x.tar")


@pytest.mark.parametrize("fault", ["unnamed", "unknown", "outside", "bytes", "cut", "none"])
def test_a_bad_bundle_is_refused_whole(places, tmp_path, fault):
    ensure(load("nets"), places, only=["small.pt"])
    listing = export(["nets"], places, tmp_path / "x.tar").model_dump()
    content = dict(small.WEIGHTS)
    members = {"bundle.json": json.dumps(listing).encode(), "nets/small.pt": content["small.pt"]}
    if fault == "unnamed":
        members["nets/large.pt"] = b"not in the listing"
    if fault == "unknown":
        members["bundle.json"] = json.dumps({"datasets": {"nest": listing["datasets"]["nets"]}}).encode()
    if fault == "outside":
        members["nets/../../evil"] = b"x"
    if fault == "bytes":
        # Even a listing that says "other bytes, same content" does not get past the manifest's hash.
        wrong = listing["datasets"]["nets"]["small.pt"] | {"identical": False}
        members["bundle.json"] = json.dumps({"datasets": {"nets": {"small.pt": wrong}}}).encode()
        members["nets/small.pt"] = content["small.pt"][::-1]
    if fault == "none":
        del members["bundle.json"]
    bad = write_tar(tmp_path / "bad.tar", members)
    if fault == "cut":
        bad.write_bytes(bad.read_bytes()[:5000])
    there = Places.find(data=tmp_path / "there")
    with pytest.raises(UserError):
        import_(bad, there)
    assert not list(there.data.rglob("*.pt")) and not list(there.data.rglob("evil")) and not (tmp_path / "evil").exists()
