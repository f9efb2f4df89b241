"""A bundle brings what a fetch would have brought, and nothing that no manifest names."""

from __future__ import annotations

import json

import pytest
import small_manifests as small
from archives import read_tree, write_tar

from repro.data import manifest
from repro.data.bundle import export, import_
from repro.data.holdings import ensure, state
from repro.data.verify import verify
from repro.errors import UserError
from repro.paths import Places


@pytest.fixture
def places(server, tmp_path, monkeypatch):
    return small.installed(tmp_path, server, monkeypatch)


def test_a_bundle_there_and_back(places, server, tmp_path):
    with pytest.raises(UserError, match="cannot be exported"):
        export(["photos"], places, tmp_path / "x.tar")
    ensure(manifest.load("derived"), places)
    ensure(manifest.load("nets"), places, only=["small.pt"])
    listing = export(["derived", "nets"], places, tmp_path / "x.tar")
    assert {name: list(files) for name, files in listing.datasets.items()} == {
        "photos": ["photos.zip", "notes.txt"],
        "derived": [],
        "nets": ["small.pt"],
    }
    there = Places.find(data=tmp_path / "there")
    requests = small.asked(server)
    assert import_(tmp_path / "x.tar", there) == ["photos", "derived", "nets"] and small.asked(server) == requests
    assert state(manifest.load("derived"), there).complete and read_tree(there.data / "photos/inner/photos") == small.TREE
    assert (
        verify(manifest.load("photos"), there, full=True).ok and sorted(path.name for path in there.data.iterdir())[0] == ".importing.lock"
    )
    with pytest.raises(UserError, match="is there already"):
        export(["nets"], places, tmp_path / "x.tar")


@pytest.mark.parametrize("fault", ["unnamed", "unknown", "outside", "bytes", "cut", "none"])
def test_a_bad_bundle_is_refused_whole(places, tmp_path, fault):
    ensure(manifest.load("nets"), places, only=["small.pt"])
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
