"""The fetch engine against hosts that cut, lie, stall, redirect, refuse and die."""

from __future__ import annotations

import email.utils
import hashlib
import json
import random
import socket
import threading
import time

import pytest
import requests
from misbehaving_server import GOOD, Behaviour, serving

from repro.data import transfer
from repro.data.fetch import fetch_file, fetch_files
from repro.data.line import Patience, TransferError
from repro.data.manifest import File, Mirror
from repro.data.receipt import check_file, read_receipt
from repro.data.transfer import OVERLAP
from repro.errors import UserError

CONTENT = random.Random(3).randbytes(1_000_003)
OTHER = random.Random(4).randbytes(1_000_003)
HASTY = Patience(connect=2, read=0.3, tries=3, backoff=0.01, longest_wait=2)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def dead_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/x.bin"


def named(*urls: str, identical: bool = True, **facts) -> File:
    facts = {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "md5": hashlib.md5(CONTENT).hexdigest()} | facts
    return File(name="sub/x.bin", mirrors=tuple(Mirror(url=url, identical=identical) for url in urls), **facts)


UNKNOWN = {"bytes": None, "sha256": None, "md5": None}


def get(file: File, root, **options):
    return fetch_file(file, root, dataset="demo", patience=HASTY, **options)


def assert_whole(file: File, root, content: bytes = CONTENT) -> None:
    path = root / file.name
    assert path.read_bytes() == content
    receipt = read_receipt(path)
    assert (receipt.bytes, receipt.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert check_file(file, root, full=True).ok
    assert sorted(entry.name for entry in path.parent.iterdir()) in (
        ["x.bin", "x.bin.complete.json"],
        ["x.bin", "x.bin.complete.json", "x.bin.lock"],
    )


def failure(file: File, root, **options) -> UserError:
    with pytest.raises(UserError) as caught:
        get(file, root, **options)
    assert all(line and "\n" not in line for line in caught.value.lines())
    assert not (root / file.name).exists() and read_receipt(root / file.name) is None
    return caught.value


@pytest.mark.parametrize("tenth", range(10))
def test_cut_at_every_tenth_then_resumed(server, tmp_path, tenth):
    cut = len(CONTENT) * tenth // 10
    route = server.add("/x.bin", CONTENT, Behaviour(cut=cut))
    file = named(server.url("/x.bin"))
    told = failure(file, tmp_path)
    assert "127.0.0.1" in told.why and "repro data" in told.cure
    before, route.behaviours, route.sent = route.sent, [GOOD], 0
    assert before >= cut
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert route.sent == len(CONTENT) - max(0, cut - OVERLAP)


def test_cut_again_and_again_within_one_call(server, tmp_path):
    route = server.add("/x.bin", CONTENT, *(Behaviour(cut=len(CONTENT) * tenth // 10) for tenth in range(1, 10)), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(route.requests) == 10 and route.sent <= len(CONTENT) + 9 * OVERLAP
    assert route.requests[5]["if-range"] == '"1"'


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


def test_server_without_range(server, tmp_path):
    route = server.add("/x.bin", CONTENT, Behaviour(cut=700_000, ignore_range=True), Behaviour(ignore_range=True))
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert "range" in route.requests[1] and route.sent == 700_000 + len(CONTENT)


def test_file_changed_between_two_requests(server, tmp_path):
    server.add("/x.bin", OTHER, Behaviour(cut=700_000), Behaviour(content=CONTENT, etag='"2"'))
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    assert_whole(file, tmp_path)


def test_file_changed_and_if_range_ignored(server, tmp_path):
    """Without validators only the compared overlap can tell that the rest is of another file."""
    server.add("/x.bin", OTHER, Behaviour(cut=700_000, etag=None), Behaviour(content=CONTENT, etag=None))
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    assert_whole(file, tmp_path)


@pytest.mark.parametrize("lie", [-1000, 1000])
def test_wrong_length(server, tmp_path, lie):
    liar = server.add("/liar", CONTENT, Behaviour(length=len(CONTENT) + lie))
    server.add("/good", CONTENT)
    assert "are right" in failure(named(server.url("/liar")), tmp_path / "alone").why
    file = named(server.url("/liar"), server.url("/good"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(liar.requests) == 2


def test_length_longer_than_the_body_and_nothing_known(server, tmp_path):
    server.add("/x.bin", CONTENT, Behaviour(length=len(CONTENT) + 1000))
    told = failure(named(server.url("/x.bin"), **UNKNOWN), tmp_path)
    assert "kept" in told.why


def test_no_length_and_nothing_known_is_no_file(server, tmp_path):
    server.add("/x.bin", CONTENT, Behaviour(without_length=True))
    assert "how long" in failure(named(server.url("/x.bin"), **UNKNOWN), tmp_path).why
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)


def test_chunked_without_length(server, tmp_path):
    server.add("/x.bin", CONTENT, Behaviour(chunked=True, cut=500_000, etag='"1"'), Behaviour(chunked=True))
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    assert_whole(file, tmp_path)


def test_part_longer_than_a_file_of_unknown_length(server, tmp_path):
    long = Behaviour(chunked=True, etag=None, content=CONTENT + OTHER, cut=len(CONTENT) + 300_000)
    server.add("/x.bin", CONTENT, long, Behaviour(chunked=True, etag=None, ignore_range=True))
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    assert_whole(file, tmp_path)


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


def test_spoiled_part_restarts_once_from_the_first_byte(server, tmp_path):
    """The end agrees, so that only the hash can tell; then the same mirror is asked once more, for everything."""
    spoiled = OTHER[:300_000] + CONTENT[300_000:]
    route = server.add("/x.bin", CONTENT, Behaviour(content=spoiled, cut=700_000), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert ["range" in asked for asked in route.requests] == [False, True, False]


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


def test_redirect(server, tmp_path):
    server.add("/x.bin", CONTENT, Behaviour(status=302, location="/there"))
    there = server.add("/there", CONTENT, Behaviour(cut=500_000), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert "range" in there.requests[1]
    server.add("/loop", CONTENT, Behaviour(status=302, location="/loop"))
    assert "redirects" in failure(named(server.url("/loop")), tmp_path / "loop").why


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_lead_to_the_next_mirror_at_once(server, tmp_path, status):
    first = server.add("/first", CONTENT, Behaviour(status=status))
    server.add("/second", CONTENT)
    file = named(server.url("/first"), server.url("/second"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(first.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_hiccups_are_waited_out(server, tmp_path, status):
    route = server.add("/x.bin", CONTENT, Behaviour(status=status), Behaviour(status=status), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(route.requests) == 3
    broken = server.add("/broken", CONTENT, Behaviour(status=status))
    assert str(status) in failure(named(server.url("/broken")), tmp_path / "broken").why
    assert len(broken.requests) == HASTY.tries


def test_416_means_that_the_part_is_too_long(server, tmp_path):
    server.add("/x.bin", OTHER + OTHER, Behaviour(cut=1_500_000, etag=None), Behaviour(content=CONTENT, etag=None))
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    assert_whole(file, tmp_path)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(server, tmp_path, form):
    told = "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    server.add("/x.bin", CONTENT, Behaviour(status=429, retry_after=told), GOOD)
    file = named(server.url("/x.bin"))
    began = time.monotonic()
    get(file, tmp_path)
    assert 0.9 <= time.monotonic() - began < 4
    assert_whole(file, tmp_path)


def test_too_long_a_wait_is_left_for_the_next_mirror(server, tmp_path):
    first = server.add("/first", CONTENT, Behaviour(status=503, retry_after="3600"))
    server.add("/second", CONTENT)
    file = named(server.url("/first"), server.url("/second"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert len(first.requests) == 1


@pytest.mark.parametrize("number", ["²", "9" * 5000, "-1", "1e3"])
def test_numbers_that_are_none_are_no_trace(server, tmp_path, number):
    server.add("/busy", CONTENT, Behaviour(status=429, retry_after=number), GOOD)
    file = named(server.url("/busy"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    answer = requests.Response()
    answer.status_code, answer.headers = 206, {"Content-Range": f"bytes {number}-/{number}"}
    assert transfer._total(answer) is None
    with pytest.raises(TransferError, match="another range"):
        transfer.judge_status(answer, 5)


def test_stall_times_out_and_resumes(server, tmp_path):
    route = server.add("/x.bin", CONTENT, Behaviour(stall=400_000), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert route.requests[1]["range"] == f"bytes={400_000 - OVERLAP}-"
    server.add("/never", CONTENT, Behaviour(stall=0))
    assert "stalled" in failure(named(server.url("/never")), tmp_path / "never").why


def test_first_mirror_dead(server, tmp_path):
    server.add("/x.bin", CONTENT)
    file = named(dead_url(), server.url("/x.bin"))
    began = time.monotonic()
    fetch_file(file, tmp_path, patience=Patience(backoff=30))
    assert time.monotonic() - began < 5, "a host that never answered is not waited for"
    assert_whole(file, tmp_path)


def test_no_network_gives_a_sentence(tmp_path):
    began = time.monotonic()
    told = failure(named("http://host.invalid/x.bin", dead_url()), tmp_path)
    assert "network" in told.why and "host.invalid" in told.why and "repro data add demo PATH" in told.cure
    assert "Traceback" not in told.why and "urllib3" not in told.why and time.monotonic() - began < 5


def test_a_web_page_is_not_the_file(server, tmp_path):
    server.add("/x.bin", b"<html>please log in</html>", Behaviour(content_type="text/html; charset=utf-8"))
    assert "web page" in failure(named(server.url("/x.bin"), **UNKNOWN), tmp_path).why


def test_approximate_size_finds_a_stub(server, tmp_path):
    server.add("/x.bin", b"stub")
    assert "about 1,000,000" in failure(named(server.url("/x.bin"), **(UNKNOWN | {"bytes_approx": 1_000_000})), tmp_path).why


def test_first_hash_is_recorded_and_binds_ever_after(server, tmp_path):
    route = server.add("/x.bin", CONTENT)
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    (tmp_path / file.name).write_bytes(OTHER)
    assert check_file(file, tmp_path).ok and not check_file(file, tmp_path, full=True).ok
    (tmp_path / file.name).unlink()
    route.content = OTHER
    with pytest.raises(UserError) as caught:
        get(file, tmp_path)
    assert "first complete fetch" in caught.value.why and "repro data remove demo" in caught.value.cure
    route.content = CONTENT
    get(file, tmp_path)
    assert_whole(file, tmp_path)


def test_what_is_here_is_not_fetched_again(server, tmp_path):
    route = server.add("/x.bin", CONTENT)
    file = named(server.url("/x.bin"))
    (tmp_path / "sub").mkdir()
    (tmp_path / file.name).write_bytes(CONTENT)
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    get(file, tmp_path)
    assert not route.requests
    corrected = file.model_copy(update={"sha256": "0" * 64, "md5": None})
    assert "disagrees with the manifest" in check_file(corrected, tmp_path).detail


def test_several_at_once_with_progress_and_one_failure(server, tmp_path):
    files = []
    for number in range(6):
        content = CONTENT[number * 1000 :]
        server.add(f"/{number}", content, Behaviour(status=404) if number in (2, 4) else Behaviour(cut=300_000), GOOD)
        facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files.append(File(name=f"{number}.bin", mirrors=(Mirror(url=server.url(f"/{number}")),), **facts))
    seen: dict[str, list[int]] = {}
    lock = threading.Lock()

    def note(name: str, done: int, total: int | None) -> None:
        with lock:
            seen.setdefault(name, []).append(done)

    with pytest.raises(UserError) as caught:
        fetch_files(files, tmp_path, dataset="demo", parallel=3, on_progress=note, patience=HASTY)
    assert "2 of 6" in caught.value.what, caught.value.lines()
    assert "2.bin" in caught.value.why and "4.bin" in caught.value.why
    assert [check_file(file, tmp_path).ok for file in files] == [True, True, False, True, False, True]
    assert seen["0.bin"] == sorted(seen["0.bin"]) and seen["0.bin"][-1] == files[0].bytes
    assert fetch_files(files, tmp_path, dataset="demo", patience=HASTY) == [tmp_path / file.name for file in files]


def test_interrupt_ends_the_threads_and_loses_nothing(server, tmp_path):
    slow = server.add("/x.bin", CONTENT, Behaviour(stall=500_000))
    server.add("/y.bin", CONTENT, Behaviour(stall=500_000))
    file = named(server.url("/x.bin"))

    def interrupt(name: str, done: int, total: int | None) -> None:
        if name == file.name and done == 500_000:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch_files([file, named(server.url("/y.bin")).model_copy(update={"name": "y.bin"})], tmp_path, on_progress=interrupt)
    assert time.monotonic() - began < 5
    assert (tmp_path / "sub/x.bin.part").stat().st_size == 500_000
    slow.behaviours, slow.sent = [GOOD], 0
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert slow.sent == len(CONTENT) - 500_000 + OVERLAP


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


def test_token_goes_to_its_own_host_only(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(transfer, "TOKEN_HOSTS", ("127.0.0.1",))
    assert transfer.token_for("http://127.0.0.1/x") is None and transfer.token_for("https://elsewhere.org/x") is None
    prepared = requests.Request("GET", "https://127.0.0.1/x", auth=transfer.token_for("https://127.0.0.1/x")).prepare()
    assert prepared.headers["Authorization"] == "Bearer hf_secret"
    # A redirect as from the hub to its storage host: the token stays behind.
    monkeypatch.setattr(transfer, "token_for", lambda url: transfer.HubToken())
    hub = server.add("/x.bin", CONTENT, Behaviour(status=302, location=server.url("/store").replace("127.0.0.1", "localhost")))
    store = server.add("/store", CONTENT, Behaviour(status=403))
    told = failure(named(server.url("/x.bin")), tmp_path)
    assert hub.requests[0]["authorization"] == "Bearer hf_secret" and "authorization" not in store.requests[0]
    assert "hf_secret" not in json.dumps(told.lines())
