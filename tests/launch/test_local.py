"""Workers on this machine, whose runs do nothing: each run once, crashes, failures, signals, the display's words."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter

import fabricated
import pytest

from repro.errors import UserError
from repro.launch import launches, local
from repro.launch.devices import Seat
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning.plan import Plan

SEEDS = 12


class Log:
    """A watcher that remembers what it is told, by lane."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object, int]] = []

    def __getattr__(self, name):
        def remember(what, *more, lane=0):
            self.events.append((name, getattr(what, "label", what), lane))

        return remember

    def of(self, kind: str) -> list:
        return [what for name, what, _ in self.events if name == kind]


@pytest.fixture
def places(tmp_path):
    return Places(home=tmp_path, data=tmp_path / "data", packs=tmp_path / "packs", runs=tmp_path / "runs", sources={})


@pytest.fixture
def plan():
    lp = fabricated.run("lp")
    runs = [lp, *(fabricated.run("scratch", seed) for seed in range(SEEDS)), fabricated.run("lp-ft", parents={"head": lp.key})]
    return Plan(benchmark=lp.benchmark, runs=tuple(runs), asked=tuple(run.key for run in runs))


@pytest.fixture
def work(places, plan, monkeypatch):
    """Work the plan off with three workers that behave as told; returns the failures, the log, and how often each run was worked on."""
    monkeypatch.setattr(local, "COMMAND", (sys.executable, "-m", "bench.noop_worker"))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    monkeypatch.setenv("PYTHONPATH", root)

    def call(lanes: int = 3, log: Log | None = None, **how):
        monkeypatch.setenv("NOOP", json.dumps(how))
        launch, log = launches.create([plan], places, lanes, "cpu"), log or Log()
        failures = local.run_workers(launch, [Seat("cpu", 1)] * lanes, log)
        return failures, log, worked(launch)

    return call


def worked(launch) -> Counter:
    labels = {run.key: run.label for plan in launch.plans() for run in plan.runs}
    return Counter(labels[key] for path in launch.folder.glob("worked-*") for key in path.read_text().split())


def test_every_run_once(work, plan, places):
    failures, log, times = work(pause=0.05)
    assert failures == []
    assert times == Counter({run.label: 1 for run in plan.runs})
    assert sorted(log.of("finished")) == sorted(run.label for run in plan.runs)
    assert {lane for _, _, lane in log.events} == {0, 1, 2}, "all of them are heard"
    order = log.of("finished")
    assert order.index("lp seed 0") < order.index("lp-ft seed 0")
    assert all(Store(places.runs).result(run) for run in plan.runs)


def test_a_workers_crash_does_not_stop_the_others_and_its_run_is_done(work, plan):
    failures, log, times = work(pause=0.02, die=["scratch seed 3"])
    assert failures == []
    assert log.of("crashed") == ["scratch seed 3"]
    assert times == Counter({run.label: 1 + (run.label == "scratch seed 3") for run in plan.runs})


def test_a_run_that_kills_every_worker_fails_alone(work, plan):
    failures, log, times = work(die=["scratch seed 3"], dies=100)
    assert [failure.run.label for failure in failures] == ["scratch seed 3"]
    assert failures[0].error == "3 processes died on it without getting any further"
    assert times["scratch seed 3"] == 3 and len(log.of("crashed")) == 3
    assert len(log.of("finished")) == len(plan.runs) - 1


def test_a_failure_is_told_once_and_not_tried_by_the_others(work, plan, places):
    failures, log, times = work(fail=["lp seed 0"])
    assert sorted(failure.run.label for failure in failures) == ["lp seed 0", "lp-ft seed 0"]
    assert sorted(log.of("failed")) == ["lp seed 0", "lp-ft seed 0"]
    assert times["lp seed 0"] == 1 and times["lp-ft seed 0"] == 0
    assert len(log.of("finished")) == SEEDS
    failures, _, times = work()
    assert failures == [] and times == Counter({"lp seed 0": 1, "lp-ft seed 0": 1}), "the same command tries again"


def test_ctrl_c_stops_all_and_gives_their_runs_back(work, plan, places):
    class Interrupting(Log):
        def proceeded(self, run, done, total, what, lane=0):
            if done > 5 and not self.of("interrupted"):
                self.events.append(("interrupted", run.label, lane))
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(local.Stopped):
        work(log=Interrupting(), pause=30)
    store = Store(places.runs)
    assert not any(store.busy(run) or store.result(run) for run in plan.runs)
    assert not list(places.runs.rglob("claim.json"))


def test_another_commands_run_is_waited_for(work, plan, places):
    store = Store(places.runs)
    folder = store.claim(plan.runs[1])

    def finish() -> None:
        time.sleep(1.5)
        store.finish(folder, fabricated.result(plan.runs[1]))
        store.release(folder)

    other = threading.Thread(target=finish)
    other.start()
    failures, log, times = work(lanes=2)
    other.join()
    assert failures == [] and times[plan.runs[1].label] == 0
    assert len(log.of("finished")) == len(plan.runs) - 1


def test_workers_that_cannot_start_are_told_with_their_log(work, monkeypatch):
    monkeypatch.setattr(local, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(UserError) as caught:
        work(lanes=2)
    assert "14 runs are not done" in caught.value.what and ".launches" in caught.value.why


def test_workers_end_with_the_command(places, plan, tmp_path):
    """Even where it is killed: nobody works on unseen."""
    import subprocess

    script = (
        "import sys, pickle\nfrom pathlib import Path\nfrom repro.launch import launches, local\nfrom repro.launch.devices import Seat\n"
        "local.COMMAND = (sys.executable, '-m', 'bench.noop_worker')\n"
        "class Log:\n  def __getattr__(self, name): return lambda *a, **k: print(name, flush=True)\n"
        "local.run_workers(launches.read(Path(sys.argv[1])), [Seat('cpu', 1)] * 2, Log())\n"
    )
    launch = launches.create([plan], places, 2, "cpu")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": root, "NOOP": json.dumps({"pause": 60})}
    parent = subprocess.Popen([sys.executable, "-c", script, str(launch.folder)], stdout=subprocess.PIPE, text=True, env=environment)
    while parent.stdout.readline().strip() != "proceeded":
        pass
    held = list(places.runs.rglob("claim.json"))
    pids = [json.loads(path.read_text())["pid"] for path in held]
    assert 1 <= len(pids) <= 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(path.exists() for path in held) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(path.exists() for path in held), "given back"
