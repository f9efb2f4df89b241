"""What is read off the store and the launches: states, how far, what went wrong, what was printed."""

from __future__ import annotations

import json
from collections import Counter

import fabricated
import pytest

from repro.launch import launches, standing
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning.plan import Plan


@pytest.fixture
def places(tmp_path):
    return Places(home=tmp_path, data=tmp_path / "data", packs=tmp_path / "packs", runs=tmp_path / "runs", sources={})


@pytest.fixture
def store(places):
    return Store(places.runs)


def launch_of(places, *runs):
    return launches.create([Plan(benchmark=runs[0].benchmark, runs=runs, asked=())], places, 1, "cpu")


def test_every_state(places, store):
    done, running, failed, unfinished, _ = runs = [fabricated.run("scratch", seed) for seed in range(5)]
    fabricated.finish(store, done)
    store.claim(running)
    store.fail(store.claim(failed), fabricated.failure(failed, "ValueError: first line\nsecond line"))
    store.release(store.folder(failed))
    store.release(store.claim(unfinished))
    launch_of(places, *runs)
    seen = list(standing.look(store))
    assert {one.label: one.state for one in seen} == {
        "scratch seed 0": "done",
        "scratch seed 1": "running",
        "scratch seed 2": "failed",
        "scratch seed 3": "unfinished",
    }
    (found,) = standing.standings(store, seen)
    assert found.states == Counter(standing.STATES) and found.queue is None
    assert standing.error_of(next(one for one in seen if one.state == "failed")) == "ValueError: first line"


def test_where_and_how_far(places, store):
    run = fabricated.run("scratch")
    folder = store.claim(run)
    (one,) = standing.look(store)
    assert standing.working(store, one, standing.time_of(store.root))["progress"] is None
    store.proceed(folder, 3, 10, "epoch 1/2")
    doing = standing.working(store, one, standing.time_of(store.root))
    assert doing["progress"] == {"done": 3, "total": 10, "what": "epoch 1/2"}
    assert doing["host"] == json.loads((folder / "claim.json").read_text())["host"] and 0 <= doing["heard"] < 60


def test_a_dead_claim_is_unfinished(store):
    folder = store.claim(fabricated.run())
    text = json.loads((folder / "claim.json").read_text())
    (folder / "claim.json").write_text(json.dumps({**text, "pid": 2**22 + 1}))
    assert [one.state for one in standing.look(store)] == ["unfinished"]


def test_what_was_printed_about_a_run_alone(places, store):
    one, two = fabricated.run("scratch", 0), fabricated.run("scratch", 1)
    launch = launch_of(places, one, two)
    launch.log_of("0").write_text(
        f"2026 {one.key} started: x\nwarning of a library\n2027 {one.key} failed: E\n  trace\n2028 {two.key} started: y\n2029 {two.key} finished\n"
    )
    launch.log_of("1").write_text(f"2025 {one.key} started: x\nstopped by a signal\n")
    found = standing.logged(store, one.key)
    assert [(log.name, part.splitlines()[-1]) for log, part in found] == [
        ("worker-1.log", "stopped by a signal"),
        ("worker-0.log", "  trace"),
    ]
    assert "warning of a library" in found[1][1]
    assert [part.count("\n") for _, part in standing.logged(store, two.key)] == [1]


def test_plans_come_back_as_they_were(places):
    lp = fabricated.run("lp")
    plan = Plan(benchmark=lp.benchmark, runs=(lp, fabricated.run("lp-ft", parents={"head": lp.key})), asked=(lp.key,), skipped={"a": "b"})
    tiny = Plan(benchmark=fabricated.benchmark(tiny=True), runs=(fabricated.run(of=fabricated.benchmark(tiny=True)),), asked=())
    launch = launches.create([plan, tiny], places, 3)
    assert launch.plans() == [plan, tiny]
    assert launches.read(launch.folder) == launch and launches.every(places.runs) == [launch]
    assert [run.key for run in launch.plans()[0].runs] == list(launch.keys[:2])
    text = (launch.folder / "plans.json").read_text()
    assert text.count('"made-up"') == 2, "each benchmark stands once"


def test_a_launch_that_cannot_be_read_is_left_out(places):
    launch = launch_of(places, fabricated.run())
    (launch.folder / "launch.json").write_text("{")
    assert launches.every(places.runs) == []
    with pytest.raises(Exception, match="holds no launch"):
        launches.read(launch.folder)
