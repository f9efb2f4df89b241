"""Hosts that live, die, stall and refuse, as the preflight sees them: within seconds, in sentences, without a password."""

from __future__ import annotations

import random
import socket
import threading

import pytest
import toy_benchmark
from misbehaving_server import Behaviour, dead_url

from repro.data import manifest
from repro.data.holdings import ensure
from repro.data.line import Patience
from repro.paths import Places
from repro.preflight import doctor, prepare, reach

CONTENT = random.Random(6).randbytes(100_000)
QUICK = Patience(connect=1, read=0.3)


@pytest.fixture
def places(monkeypatch, tmp_path) -> Places:
    return toy_benchmark.use(monkeypatch, tmp_path)


@pytest.fixture
def write(tmp_path, places):
    def write(name: str, *urls: str, **options) -> None:
        toy_benchmark.write_manifest(tmp_path / "manifests", name, CONTENT, *urls, **options)

    return write


def states(diagnoses) -> list[str]:
    assert all(diagnosis.state == "ok" or diagnosis.cure for diagnosis in diagnoses)
    return [diagnosis.state for diagnosis in diagnoses]


def needed(places, *names: str) -> list[doctor.Diagnosis]:
    return reach.needed(prepare.assess(names, None, places), places, QUICK, deadline=3)


def test_a_living_host_is_asked_for_one_byte(places, write, server):
    route = server.add("/x.bin", CONTENT)
    write("one", server.url("/x.bin"))
    (found,) = needed(places, "one")
    assert (found.state, found.detail) == ("ok", "1 of 1 answer")
    assert [request["range"] for request in route.requests] == ["bytes=0-0"]


def test_a_dead_first_address_is_a_warning_that_names_the_next(places, write, server):
    server.add("/x.bin", CONTENT)
    write("one", dead_url(), server.url("/x.bin"))
    (found,) = needed(places, "one")
    assert found.state == "warn" and "1 of 2 answer" in found.detail and "cannot be reached" in found.detail
    assert f"data fetch one goes on to the next address, such as 127.0.0.1:{server.port}" in found.cure


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(status=404), "answered 404"),
        (Behaviour(status=403), "answered 403"),
        (Behaviour(status=500), "answered 500"),
        (Behaviour(content_type="text/html"), "a web page instead of the file"),
    ],
)
def test_an_address_without_the_file_fails_with_both_ways_out(places, write, server, behaviour, told):
    server.add("/x.bin", CONTENT, behaviour)
    server.add("/other", CONTENT)
    write("one", server.url("/x.bin"))
    (found,) = needed(places, "one")
    assert found.state == "fail" and told in found.detail and "1 of 1 files cannot be had (x.bin)" in found.detail
    assert found.cure == f"with a copy of your own: {prepare.command(places, 'data add one PATH')}"


def test_a_copy_with_other_bytes_is_offered_by_name(places, write, server):
    server.add("/x.bin", CONTENT, Behaviour(status=404))
    server.add("/other", CONTENT)
    write("one", server.url("/x.bin"), f'{server.url("/other")}", identical = false, note = "')
    (found,) = needed(places, "one")
    assert found.state == "fail" and f"data fetch one --mirror 127.0.0.1:{server.port}; or with a copy" in found.cure


def test_a_busy_host_is_alive(places, write, server):
    server.add("/x.bin", CONTENT, Behaviour(status=429, retry_after="60"))
    write("one", server.url("/x.bin"))
    assert states(needed(places, "one")) == ["ok"]


def test_stalling_hosts_are_left_within_the_time_out_and_all_at_once(places, write):
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:  # connects, and never says a word
        port = silent.getsockname()[1]
        names = "abcdefghijkl"
        for name in names:
            write(name, f"http://127.0.0.1:{port}/{name}")
        found = needed(places, *names)
    assert states(found) == ["fail"] * len(names)
    assert QUICK.read * len(names) > 3, "one after another the last would have reached the deadline"
    assert all("sent nothing for 0.3 s" in one.detail for one in found)


def test_a_hanging_name_lookup_ends_at_the_deadline(places, write, monkeypatch):
    ended = threading.Event()

    def hang(*_, **__):
        ended.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    write("one", "http://nowhere.example/x.bin")
    (found,) = reach.needed(prepare.assess(("one",), None, places), places, QUICK, deadline=0.3)
    ended.set()  # not before it was left
    assert found.state == "fail" and "did not answer within 0.3 s" in found.detail


def test_no_network_is_one_sentence_and_no_password_is_shown(places, write, monkeypatch):
    for name in ("one", "two"):
        write(name, "http://nowhere.invalid/x.bin")
    monkeypatch.setenv("http_proxy", dead_url().replace("http://", "http://me:secret@"))
    (found,) = needed(places, "one", "two")
    assert (found.subject, found.state) == ("network", "fail")
    assert "none of 1 host could be reached" in found.detail and "http_proxy is set" in found.detail
    assert "data import BUNDLE" in found.cure
    assert "secret" not in found.model_dump_json() and "me:" not in found.model_dump_json()


def test_hosts_are_not_asked_about_what_is_here_or_comes_by_hand(places, write, server):
    route = server.add("/x.bin", CONTENT)
    write("one", server.url("/x.bin"))
    write("private", server.url("/x.bin"), extra='access = "manual"\nsteps = ["Ask."]')
    ensure(manifest.load("one"), places)
    asked = len(route.requests)
    (found,) = needed(places, "one", "private")
    assert found.state == "ok" and "nothing needs to be fetched" in found.detail
    assert len(route.requests) == asked


def test_overview_asks_each_host_once(places, write, server):
    route = server.add("/x.bin", CONTENT)
    for name in ("one", "two"):
        write(name, server.url("/x.bin"))
    write("lost", dead_url())
    dead, living = reach.overview([manifest.load(name) for name in manifest.names()], places, QUICK)
    assert dead.state == "warn" and "the only host of lost" in dead.detail and "data add lost PATH" in dead.cure
    assert (living.state, living.detail) == ("ok", "1 of 2 hosts answer")
    assert len(route.requests) == 1


def test_overview_without_network_is_one_warning(places, write):
    write("one", dead_url())
    (found,) = reach.overview([manifest.load("one")], places, QUICK)
    assert (found.subject, found.state) == ("network", "warn") and found.cure
