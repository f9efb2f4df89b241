"""One host: it cuts, lies, stalls, redirects and refuses, and the bytes that come of it are right or none."""

from __future__ import annotations

import email.utils
import json
import time

import pytest
import requests
from fetched import CONTENT, HASTY, OTHER, UNKNOWN, assert_whole, failure, get, named, waits
from misbehaving_server import GOOD, Behaviour

from repro.data import transfer
from repro.data.line import TransferError
from repro.data.transfer import OVERLAP

pytestmark = pytest.mark.usefixtures("no_proxy")


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


def test_redirect(server, tmp_path):
    server.add("/x.bin", CONTENT, Behaviour(status=302, location="/there"))
    there = server.add("/there", CONTENT, Behaviour(cut=500_000), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert "range" in there.requests[1]
    server.add("/loop", CONTENT, Behaviour(status=302, location="/loop"))
    assert "redirects" in failure(named(server.url("/loop")), tmp_path / "loop").why


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
def test_retry_after_is_obeyed(server, tmp_path, form, monkeypatch):
    asked = waits(monkeypatch)
    told = "1" if form == "seconds" else email.utils.formatdate(time.time() + 1.5 + 0.5, usegmt=True)
    server.add("/x.bin", CONTENT, Behaviour(status=429, retry_after=told), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert len(asked) == 1 and asked[0] != HASTY.backoff
    assert asked == [1] if form == "seconds" else asked[0] < 2, "a date has no fractions, and it takes a moment until it is read"
    assert_whole(file, tmp_path)


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


def test_a_web_page_is_not_the_file(server, tmp_path):
    server.add("/x.bin", b"<html>please log in</html>", Behaviour(content_type="text/html; charset=utf-8"))
    assert "web page" in failure(named(server.url("/x.bin"), **UNKNOWN), tmp_path).why


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
