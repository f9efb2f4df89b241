"""Several hosts: which are asked, in which order, and what is said where none gave the file."""

from __future__ import annotations

import hashlib

import pytest
from fetched import CONTENT, HASTY, OTHER, assert_whole, dead_url, failure, get, named, waits
from misbehaving_server import Behaviour

from repro.data.fetch import fetch_file, fetch_files
from repro.data.line import Patience
from repro.data.manifest import File, Mirror
from repro.data.receipt import read_receipt
from repro.data.transfer import OVERLAP
from repro.errors import UserError

pytestmark = pytest.mark.usefixtures("no_proxy")


def test_resume_over_to_the_next_mirror(server, tmp_path):
    first = server.add("/first", CONTENT, Behaviour(cut=600_000), Behaviour(status=404))
    second = server.add("/second", CONTENT, Behaviour(etag='"elsewhere"'))
    file = named(server.url("/first"), server.url("/second"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert (first.sent, second.sent) == (600_000, len(CONTENT) - 600_000 + OVERLAP)
    assert "if-range" not in second.requests[0]


def test_mirror_without_a_known_hash_is_not_spliced_to_another(server, tmp_path):
    server.add("/first", OTHER, Behaviour(cut=600_000), Behaviour(status=404))
    second = server.add("/second", CONTENT)
    file = named(server.url("/first"), server.url("/second"), sha256=None, md5=None)
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert "range" not in second.requests[0]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"bytes": None, "md5": None},
        {"sha256": None},
        {"sha256": None, "md5": None, "sha256_prefix": "@"},
        {"sha256": None, "md5": None, "sha512_prefix": "@"},
    ],
)
def test_wrong_bytes_then_the_next_mirror(server, tmp_path, facts):
    facts = {name: hashlib.new(name[:6], CONTENT).hexdigest()[:8] if value == "@" else value for name, value in facts.items()}
    bad = server.add("/bad", OTHER)
    good = server.add("/good", CONTENT)
    told = failure(named(server.url("/bad"), **facts), tmp_path / "alone")
    assert "gave a file with" in told.why and len(bad.requests) == 1
    file = named(server.url("/bad"), server.url("/good"), **facts)
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert good.sent == len(CONTENT)


def test_mirror_with_other_bytes_is_asked_only_by_name(server, tmp_path):
    server.add("/official", CONTENT, Behaviour(status=404))
    copy = server.add("/copy", OTHER[:-5])
    file = named(server.url("/official"))
    file = file.model_copy(update={"mirrors": (*file.mirrors, Mirror(url=server.url("/copy"), identical=False))})
    told = failure(file, tmp_path)
    assert f"--mirror 127.0.0.1:{server.port} (other bytes" in told.cure and not copy.requests
    get(file, tmp_path, mirror=server.url("/copy"))
    assert_whole(file, tmp_path, OTHER[:-5])
    assert read_receipt(tmp_path / file.name).identical is False


def test_the_mirror_of_a_cure_serves_all_files_that_failed(server, tmp_path):
    files = []
    for name in ("x.bin", "y.bin"):
        server.add(f"/{name}", CONTENT)
        official, copy = Mirror(url=dead_url()), Mirror(url=server.url(f"/{name}"), identical=False)
        files.append(File(name=name, mirrors=(official, copy)))
    with pytest.raises(UserError) as caught:
        fetch_files(files, tmp_path, dataset="demo", patience=HASTY)
    mirror = caught.value.cure.partition("--mirror ")[2].split()[0]
    assert [path.read_bytes() for path in fetch_files(files, tmp_path, mirror=mirror, patience=HASTY)] == [CONTENT, CONTENT]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_lead_to_the_next_mirror_at_once(server, tmp_path, status):
    first = server.add("/first", CONTENT, Behaviour(status=status))
    server.add("/second", CONTENT)
    file = named(server.url("/first"), server.url("/second"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(first.requests) == 1


def test_too_long_a_wait_is_left_for_the_next_mirror(server, tmp_path):
    first = server.add("/first", CONTENT, Behaviour(status=503, retry_after="3600"))
    server.add("/second", CONTENT)
    file = named(server.url("/first"), server.url("/second"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(first.requests) == 1


def test_first_mirror_dead(server, tmp_path, monkeypatch):
    asked = waits(monkeypatch)
    server.add("/x.bin", CONTENT)
    file = named(dead_url(), server.url("/x.bin"))
    fetch_file(file, tmp_path, patience=Patience(backoff=30))
    assert asked == [], "a host that never answered is not waited for"
    assert_whole(file, tmp_path)


def test_no_network_gives_a_sentence(tmp_path, monkeypatch):
    asked = waits(monkeypatch)
    told = failure(named("http://host.invalid/x.bin", dead_url()), tmp_path)
    assert "network" in told.why and "host.invalid" in told.why and "repro data add demo PATH" in told.cure
    assert "Traceback" not in told.why and "urllib3" not in told.why and asked == []


def test_choice_of_mirror(server, tmp_path):
    server.add("/x.bin", CONTENT)
    server.add("/folder/x.bin", CONTENT)
    file = named("http://host.invalid/x.bin")
    for wrong, told in {"nowhere": "no mirror", "http://a b": "no address", "http://[x": "no address"}.items():
        error = failure(file, tmp_path, mirror=wrong)
        assert told in error.what and error.cure.startswith("repro data fetch demo; or with a copy")
    get(file, tmp_path / "a", mirror=server.url("/x.bin"))
    get(file, tmp_path / "b", mirror=server.url("/folder/"))
    get(named("http://host.invalid/x.bin", server.url("/x.bin")), tmp_path / "c", mirror="127.0.0.1")
    assert all((tmp_path / name / file.name).read_bytes() == CONTENT for name in "abc")
    with pytest.raises(UserError, match="one address for 2 files"):
        fetch_files([file, file.model_copy(update={"name": "y.bin"})], tmp_path / "d", mirror=server.url("/x.bin"))
    assert "by hand" in failure(named(), tmp_path / "e").cure
