"""A dataset becomes whole from any state, and what is said of it is true."""

from __future__ import annotations

import os
import shutil

import pytest
import small_manifests as small
from archives import read_tree
from children import DONE, finish, start
from misbehaving_server import Behaviour

from repro.data import manifest
from repro.data.holdings import disk_needed, ensure, needed, root_of, state
from repro.data.marker import read_marker
from repro.data.remove import remove
from repro.data.verify import verify
from repro.errors import UserError
from repro.paths import Places


@pytest.fixture
def places(server, tmp_path, monkeypatch):
    return small.installed(tmp_path, server, monkeypatch)


def unpacked(root) -> dict[str, bytes]:
    return read_tree(root / "inner/photos")


def test_ensure_fetches_unpacks_counts_and_marks_once(places, server):
    photos = manifest.load("photos")
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
    assert small.asked(server) == 2
    assert ensure(photos, places) == ensure(photos, places, check="full") == root and small.asked(server) == 2


def test_optional_files_come_only_when_named_and_stay(places, server):
    photos = manifest.load("photos")
    ensure(photos, places)
    assert not state(photos, places, optional=["extra.txt"]).complete
    root = ensure(photos, places, optional=["extra.txt"])
    assert (root / "extra.txt").is_file() and state(photos, places, optional=["extra.txt"]).complete
    ensure(photos, places, check="quick")
    assert "extra.txt" in read_marker(root).files and small.asked(server) == 3
    with pytest.raises(UserError, match=r"no file in photos 'extra.tx'"):
        ensure(photos, places, optional=["extra.tx"])


def test_what_a_dataset_requires_comes_first(places):
    assert [found.name for found in needed(["derived", "photos"])] == ["photos", "derived"]
    assert not state(manifest.load("derived"), places).complete
    ensure(manifest.load("derived"), places)
    assert state(manifest.load("derived"), places).complete and state(manifest.load("photos"), places).complete
    remove("photos", places)
    now = state(manifest.load("derived"), places)
    assert not now.complete and "requires photos" in now.detail and now.cure == "repro data fetch derived"
    assert verify(manifest.load("derived"), places).cure == "repro data fetch derived"


def test_one_file_of_a_checkpoint_family(places, server):
    nets = manifest.load("nets")
    root = ensure(nets, places, only=["small.pt"])
    assert [path.name for path in root.glob("*.pt")] == ["small.pt"] and state(nets, places, only=["small.pt"]).complete
    assert state(nets, places).missing == ("large.pt",)
    with pytest.raises(UserError, match="cannot be had in part"):
        ensure(manifest.load("photos"), places, only=["notes.txt"])


def test_the_git_blob_is_checked_where_it_is_the_only_hash(places, server):
    server.add("/notes.txt", b"one\ntwo\nthrea\n")
    with pytest.raises(UserError) as caught:
        ensure(manifest.load("photos"), places)
    assert "git_blob" in caught.value.why and not (places.data / "photos/notes.txt").exists()
    server.add("/notes.txt", small.NOTES)
    ensure(manifest.load("photos"), places)


def test_damage_is_seen_and_mended(places, server):
    photos = manifest.load("photos")
    root = ensure(photos, places)
    assert verify(photos, places, full=True).ok
    victim = next((root / "inner/photos/train").rglob("*.jpg"))
    victim.unlink()
    found = verify(photos, places)
    assert not found.ok and any(finding.found == small.IMAGES - 1 for finding in found.findings)
    assert found.cure == "repro data fetch photos"
    ensure(photos, places, check="quick")
    assert verify(photos, places).ok and small.asked(server) == 2, "unpacked anew, not fetched"
    notes = root / "notes.txt"
    notes.write_bytes(small.NOTES.replace(b"o", b"0"))
    assert verify(photos, places).ok, "the same size"
    found = verify(photos, places, full=True)
    assert not found.ok and found.cure == "repro data fetch photos --full"
    ensure(photos, places, check="full")
    assert verify(photos, places, full=True).ok and small.asked(server) == 3


def test_wrong_counts_leave_no_marker(places, tmp_path):
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace(f"n = {small.IMAGES}", "n = 7"))
    with pytest.raises(UserError) as caught:
        ensure(manifest.load("photos"), places)
    assert f"expected 7 examples, found {small.IMAGES}" in caught.value.why and "--full" in caught.value.cure
    assert read_marker(places.data / "photos") is None and not state(manifest.load("photos"), places).complete


def test_a_corrected_manifest_is_checked_again_without_a_fetch(places, server, tmp_path):
    ensure(manifest.load("photos"), places)
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace('kind = "dataset"', 'kind = "dataset"\nversion = "2"'))
    assert "other facts" in state(manifest.load("photos"), places).detail
    ensure(manifest.load("photos"), places)
    assert state(manifest.load("photos"), places).complete and small.asked(server) == 2


def test_killed_at_every_step_then_again(places, server, tmp_path):
    """As by kill -9: after each, what counts as complete is whole, and the same call ends well."""
    photos, killed = manifest.load("photos"), 0
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
    assert state(manifest.load("derived"), places).complete and small.asked(server) == 2


def test_no_network_is_a_sentence(places, server, tmp_path):
    path = tmp_path / "manifests/photos.toml"
    path.write_text(path.read_text().replace(server.url(""), "http://127.0.0.1:9"))
    with pytest.raises(UserError) as caught:
        ensure(manifest.load("photos"), places)
    assert "is this machine on the network" in caught.value.why and "repro data" in caught.value.cure


def test_a_password_in_a_mirror_is_used_and_forgotten(places, server, tmp_path):
    address = server.url("/").replace("//", "//me:s3cret@")
    server.add("/photos.zip", server.routes["/photos.zip"].content, Behaviour(cut=100), Behaviour(status=404))
    with pytest.raises(UserError) as caught:
        ensure(manifest.load("photos"), places, mirror=address)
    assert "s3cret" not in "".join(caught.value.lines())
    server.add("/photos.zip", server.routes["/photos.zip"].content)
    root = ensure(manifest.load("photos"), places, mirror=address)
    assert all("authorization" in request for request in server.routes["/photos.zip"].requests)
    kept = b"".join(path.read_bytes() for path in root.rglob("*.json"))
    assert b"127.0.0.1" in kept and b"s3cret" not in kept and b"me:" not in kept
    for wrong in (
        address + "a b",
        "ftp://me:s3cret@host/x",
        "http://me:s3cret@[x",
        "http://me:s3cret@host:x/",
        "http://me:s3cret@host:65536/",
    ):
        with pytest.raises(UserError) as caught:
            ensure(manifest.load("nets"), places, mirror=wrong)
        assert "s3cret" not in "".join(caught.value.lines())


def test_several_data_folders(places, tmp_path, server):
    ensure(manifest.load("photos"), places)
    before = read_tree(places.data)
    both = Places.find(data=f"{tmp_path / 'own'}{os.pathsep}{places.data}")
    assert both.data_roots == (tmp_path / "own", places.data)
    assert root_of("photos", both) == ensure(manifest.load("photos"), both, check="full") == places.data / "photos"
    with pytest.raises(UserError, match="not removed"):
        remove("photos", both)
    root = ensure(manifest.load("photos"), both, optional=["extra.txt"])
    assert root == tmp_path / "own/photos" == root_of("photos", both), "what the shared folder lacks is made in one's own"
    assert read_tree(places.data) == before
    (tmp_path / "file").touch()
    unwritable = Places.find(data=f"{tmp_path / 'file/own'}{os.pathsep}{places.data}")
    assert state(manifest.load("photos"), unwritable).complete and verify(manifest.load("photos"), unwritable).ok
    with pytest.raises(UserError, match="cannot write to the data folder"):
        ensure(manifest.load("nets"), unwritable)
