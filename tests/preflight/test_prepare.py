"""What a run needs: told with its size and the exact command, or fetched; nothing heavy is loaded before that."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys

import pytest
import toy_benchmark
from misbehaving_server import Behaviour

from repro import backbones, cli
from repro.backbones import Entry
from repro.cli import running
from repro.errors import UserError
from repro.paths import Places
from repro.planning.forecast import Forecast
from repro.preflight import prepare
from repro.types import Benchmark

CONTENT = random.Random(5).randbytes(200_000)


@pytest.fixture
def places(monkeypatch, tmp_path) -> Places:
    return toy_benchmark.use(monkeypatch, tmp_path)


@pytest.fixture
def offer(tmp_path, server):
    """Write a manifest whose file the server has; the route tells how often it was asked for."""

    def write(name: str, **options):
        route = server.add(f"/{name}", CONTENT)
        toy_benchmark.write_manifest(tmp_path / "manifests", name, CONTENT, server.url(f"/{name}"), **options)
        return route

    return write


@pytest.fixture
def worked(monkeypatch):
    """Plans that would have been worked off; torch cannot be imported."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "repro.run", None)
    plans = []
    monkeypatch.setattr(running, "_work", lambda plan, *_, **__: plans.append(plan) or [])
    return plans


def repro(home, *arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--home", str(home), *arguments])
    return stop.value.code


def name_weights(monkeypatch, weights: str, name: str = "small-net") -> None:
    entry = Entry(name, "timm", "resnet18", "", False, weights=weights)
    monkeypatch.setattr(backbones, "named", lambda: {name: entry})


def test_needs_and_weights_do_not_change_what_a_run_is_called(monkeypatch, places):
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    from repro import plugins

    described = plugins.benchmark("toy").describe({}, places)
    assert described.identity() == described.model_copy(update={"needs": ()}).identity()
    assert Benchmark.model_fields["needs"].default == ()


def test_what_ships_needs_nothing_and_names_no_unknown_weights(places, monkeypatch):
    monkeypatch.undo()
    from repro import plugins
    from repro.data import manifest

    assert plugins.benchmark("digits").describe({}, places).needs == ()
    for entry in backbones.named().values():
        if entry.weights:
            name, _, file = entry.weights.partition(":")
            assert manifest.load(name).file(file)


def test_missing_data_are_told_with_size_and_exact_command(monkeypatch, places, offer, worked, capsys):
    offer("first")
    offer("second", facts="bytes_approx = 3_000_000_000")
    toy_benchmark.offer_benchmark(monkeypatch, ("first", "second"))
    assert repro(places.home, "run", "toy") == 2
    out, err = capsys.readouterr()
    assert "missing: first (200 kB), second (~3.0 GB); ~3.0 GB to fetch to " in out
    home = f"--home {places.home}"
    assert err == (
        "error: not here: first (200 kB), second (~3.0 GB)\n"
        f"  why: looked in {places.data}; ~3.0 GB to fetch\n"
        f"  try: repro {home} data fetch first second (or the same command with --fetch)\n"
    )
    assert worked == []


def test_fetch_brings_them_then_goes_on(monkeypatch, places, offer, worked, capsys):
    route = offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    assert repro(places.home, "run", "toy", "--fetch") == 0
    assert (places.data / "first" / "x.bin").read_bytes() == CONTENT
    assert len(worked) == 1 and "x.bin  200 kB" in capsys.readouterr().err
    asked = len(route.requests)
    assert repro(places.home, "run", "toy") == 0  # now it is here
    assert len(worked) == 2 and len(route.requests) == asked
    assert "missing" not in capsys.readouterr().out


def test_a_failed_fetch_is_three_lines_and_no_run(monkeypatch, tmp_path, places, server, worked, capsys):
    server.add("/first", CONTENT, Behaviour(status=404))
    toy_benchmark.write_manifest(tmp_path / "manifests", "first", CONTENT, server.url("/first"))
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    assert repro(places.home, "run", "toy", "--fetch") == 2
    err = capsys.readouterr().err
    assert "answered 404" in err and "Traceback" not in err and len(err.strip().splitlines()) == 3
    assert worked == []


def test_dry_run_tells_and_fetches_nothing(monkeypatch, places, offer, worked, capsys):
    route = offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    assert repro(places.home, "run", "toy", "--dry-run", "--fetch") == 0
    assert "missing: first (200 kB)" in capsys.readouterr().out
    assert repro(places.home, "run", "toy", "--dry-run", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["missing"]
    assert (entry["name"], entry["bytes"], entry["here"]) == ("first", len(CONTENT), False)
    assert worked == [] and route.requests == [] and not places.data.exists()


def test_finished_runs_need_no_data(monkeypatch, places, offer, worked, capsys):
    offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    monkeypatch.setattr(running, "foresee", lambda made, store, calibrated, damaged: Forecast((), made.runs, None, 0))
    assert repro(places.home, "run", "toy") == 0
    assert "missing" not in capsys.readouterr().out


def test_what_comes_by_hand_is_told_in_steps_even_with_fetch(monkeypatch, places, offer, worked, capsys):
    route = offer("first")
    offer("private", extra='access = "manual"\nsteps = ["Ask its owner.", "Run: repro data add private DIR."]')
    toy_benchmark.offer_benchmark(monkeypatch, ("first", "private"))
    assert repro(places.home, "run", "toy", "--fetch") == 2
    err = capsys.readouterr().err
    assert "nobody but you may fetch private" in err
    assert "try: 1. Ask its owner. 2. Run: repro --home " in err and " data add private DIR.\n" in err
    assert worked == [] and route.requests == []
    assert repro(places.home, "run", "toy") == 2
    assert f"then: repro --home {places.home} data fetch first" in capsys.readouterr().err


def test_what_a_manifest_requires_is_needed_too(places, offer):
    offer("below")
    offer("above", extra='requires = ["below"]')
    assert [need.name for need in prepare.assess(("above",), None, places)] == ["below", "above"]


def test_a_need_without_manifest_is_a_mistake(places, offer):
    offer("first")
    with pytest.raises(UserError) as caught:
        prepare.assess(("frist",), None, places)
    assert "did you mean 'first'?" in caught.value.why


def test_sizes_add_up_in_words(places):
    def need(count, **fields):
        return prepare.Need(name="a", root=places.data, here=False, bytes=count, **fields)

    assert prepare.total([need(10**9), need(5 * 10**8)]) == "1.5 GB"
    assert prepare.total([need(10**9, approximate=True)]) == "~1.0 GB"
    assert prepare.total([need(10**9), need(None, unsized=1)]) == ">1.0 GB"
    assert prepare.total([need(None, unsized=2)]) == "an unknown number of bytes"
    assert prepare.listed([need(1000, unsized=2), need(None, unsized=1)]) == "a (>1.0 kB), a (size unknown)"


def test_commands_repeat_the_places_that_were_named(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_PACKS", str(tmp_path / "p"))
    folders = os.pathsep.join([str(tmp_path / "my data"), str(tmp_path / "shared")])
    assert prepare.command(Places.find(data=folders), "data fetch a") == f"repro --data '{folders}' data fetch a"


# the backbone's weights


def test_weights_of_known_hash_plan_before_they_are_here(monkeypatch, places, offer, worked, capsys):
    offer("family", kind="checkpoint")
    toy_benchmark.offer_benchmark(monkeypatch, (), backbone="small-net", methods=("ft",))
    name_weights(monkeypatch, "family:x.bin")
    assert repro(places.home, "run", "toy", "--dry-run") == 0
    assert "missing: family x.bin (200 kB)" in capsys.readouterr().out
    assert repro(places.home, "run", "toy") == 2
    assert f"try: repro --home {places.home} data fetch family --only x.bin (or" in capsys.readouterr().err
    assert repro(places.home, "run", "toy", "--fetch", "--seeds", "1") == 0
    (made,) = worked
    path = places.data / "family" / "x.bin"
    assert made.weights_file == str(path) and path.read_bytes() == CONTENT
    assert {run.backbone.weights for run in made.runs} == {hashlib.sha256(CONTENT).hexdigest()}


def test_weights_of_unknown_hash_are_fetched_before_the_plan(monkeypatch, places, offer, worked, capsys):
    offer("family", kind="checkpoint", facts=f"bytes = {len(CONTENT)}")
    toy_benchmark.offer_benchmark(monkeypatch, (), backbone="small-net", methods=("ft",))
    name_weights(monkeypatch, "family:x.bin")
    assert repro(places.home, "run", "toy") == 2
    assert "data fetch family --only x.bin" in capsys.readouterr().err
    assert repro(places.home, "run", "toy", "--dry-run", "--json") == 0, "a look at the plan needs no weights, but nobody knows its keys"
    told = json.loads(capsys.readouterr().out)
    assert {entry["key"] for entry in told["runs"]} == {None} and [need["file"] for need in told["missing"]] == ["x.bin"]
    assert repro(places.home, "run", "toy", "--fetch", "--seeds", "1") == 0
    assert worked[0].runs[0].backbone.weights == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(("weights", "methods"), [("random", ("ft",)), (None, ("scratch",))])
def test_weights_are_not_asked_for_where_none_are_used(monkeypatch, places, offer, worked, weights, methods):
    offer("family", kind="checkpoint")
    toy_benchmark.offer_benchmark(monkeypatch, (), backbone="small-net", methods=methods)
    name_weights(monkeypatch, "family:x.bin")
    assert repro(places.home, "run", "toy", *(["--weights", weights] if weights else [])) == 0
    assert worked[0].weights_file is None and worked[0].runs[0].backbone.weights is None


# the look before a long run


def test_a_full_disk_stops_a_long_run_before_it_starts(monkeypatch, places, offer, worked, capsys):
    route = offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    toy_benchmark.free_bytes(monkeypatch, 1_000_000)
    assert repro(places.home, "run", "toy", "--fetch") == 2
    err = capsys.readouterr().err
    assert "1.0 MB free" in err and "200 kB needed" in err and len(err.strip().splitlines()) == 3
    assert "try: free some space" in err and "repro --data DIR" in err
    assert worked == [] and route.requests == []


@pytest.mark.parametrize(("seconds", "code"), [(None, 2), (601.0, 2), (599.0, 0)])
def test_only_long_or_unknown_runs_are_looked_at(monkeypatch, places, offer, worked, seconds, code):
    offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    assert repro(places.home, "run", "toy", "--fetch") == 0
    toy_benchmark.free_bytes(monkeypatch, 1_000_000)
    monkeypatch.setattr(running, "foresee", lambda made, store, calibrated, damaged: Forecast(made.runs, (), seconds, 0))
    assert repro(places.home, "run", "toy") == code
    assert len(worked) == 2 - code // 2


def test_a_place_that_cannot_be_written_stops_it_too(monkeypatch, tmp_path, places, offer, worked, capsys):
    offer("first")
    toy_benchmark.offer_benchmark(monkeypatch, ("first",))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "file" / "runs"))
    assert repro(places.home, "run", "toy", "--fetch") == 2
    assert "try: name another folder: repro --runs DIR …, or set REPRO_RUNS" in capsys.readouterr().err
