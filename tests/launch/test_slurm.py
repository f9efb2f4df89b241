"""What is asked of Slurm, and what a task does, without a Slurm: a stand-in for sbatch writes down what it is given."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import fabricated
import pytest

from repro.errors import UserError
from repro.launch import launches, slurm
from repro.launch.slurm import Asked, Task, minutes_of
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning.plan import Plan

submitit = pytest.importorskip("submitit", reason="submitit is an extra")
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def places(tmp_path):
    return Places(home=tmp_path, data=tmp_path / "data", packs=tmp_path / "packs", runs=tmp_path / "runs", sources={})


def plan_of(count: int) -> Plan:
    runs = tuple(fabricated.run("scratch", seed) for seed in range(count))
    return Plan(benchmark=runs[0].benchmark, runs=runs, asked=tuple(run.key for run in runs))


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """sbatch, srun and scancel on PATH, that write their arguments down; sbatch keeps the script that it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, answer in (("sbatch", "Submitted batch job 17"), ("srun", ""), ("scancel", "")):
        script = f'#!/bin/sh\necho "$@" >> {folder}/{name}.calls\n[ {name} != sbatch ] || cat "$1" > {folder}/script\necho {answer}\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_five_hundred_runs_are_one_array_job(stand_in, places):
    launch = slurm.submit([plan_of(500)], 500, places, "auto", Asked(partition="long", gpus=2, minutes=600, array_limit=8))
    assert launch.slurm_job == "17" and launch.workers == 1000
    assert launches.read(launch.folder) == launch
    assert len((stand_in / "sbatch.calls").read_text().splitlines()) == 1
    asked = set(re.findall(r"^#SBATCH --(\S+)", (stand_in / "script").read_text(), re.M))
    assert {"array=0-499%8", "partition=long", "gpus-per-node=2", "time=600", "signal=USR2@120", "open-mode=append"} <= asked
    assert len(list((launch.folder / "slurm").glob("*.pkl"))) == 500


def test_no_more_tasks_than_runs_or_than_an_array_has(stand_in, places, monkeypatch):
    monkeypatch.setattr(slurm, "MOST_TASKS", 30)
    for runs, workers, tasks in ((20, None, 20), (40, None, 30), (20, 5, 5), (3, 5, 3)):
        launch = slurm.submit([plan_of(runs)], runs, places, "cpu", Asked(workers=workers))
        assert launch.workers == tasks
        assert f"--array=0-{tasks - 1}%{tasks}\n" in (stand_in / "script").read_text()


def test_more_options(stand_in, places):
    asked = Asked.parse(None, None, "1-0", None, ["account=lab", "mail-user=a@b.c d"], None)
    slurm.submit([plan_of(2)], 2, places, "auto", asked)
    script = (stand_in / "script").read_text()
    assert "#SBATCH --account=lab\n" in script and "#SBATCH --mail-user='a@b.c d'\n" in script and "#SBATCH --time=1440\n" in script


@pytest.mark.parametrize("text", ["account", "=x", "account=", "-x=y", "Account=x", "comment=a\n#SBATCH --wrap=id", "a b=c", "x=\x1b[2J"])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(UserError) as caught:
        Asked.parse(None, None, None, None, [text], None)
    assert "--set-slurm" in caught.value.what and "\n" not in caught.value.what


@pytest.mark.parametrize("partition", ["a b", "a\nb", "$(id)", ""])
def test_what_is_no_partition_is_refused(partition):
    with pytest.raises(UserError, match="partition"):
        Asked.parse(partition, None, None, None, [], None)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("4:00:00", 240), ("0:00:10", 1), ("2-0", 2880), ("1-12:30", 2190), ("1-00:00:01", 1441)],
)
def test_times_as_slurm_spells_them(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "4h", "1:2:3:4", "-5", "1-", "4:00:00\n"])
def test_what_is_no_time(text):
    with pytest.raises(UserError, match="--time"):
        minutes_of(text)


def test_numbers_below_one_are_refused():
    for gpus, limit in ((0, None), (None, 0)):
        with pytest.raises(UserError):
            Asked.parse(None, gpus, None, limit, [], None)


def test_without_slurm_or_submitit_the_cure_is_named(places, monkeypatch):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="no sbatch here"):
        slurm.submit([plan_of(1)], 1, places, "cpu", Asked())
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError) as caught:
        slurm.submit([plan_of(1)], 1, places, "cpu", Asked())
    assert caught.value.cure == "pip install 'repro[slurm]'"


def test_what_sbatch_refuses_leaves_nothing(stand_in, places):
    (stand_in / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2\nexit 1\n")
    with pytest.raises(UserError) as caught:
        slurm.submit([plan_of(3)], 3, places, "cpu", Asked())
    assert caught.value.what == "Slurm refuses the job" and "invalid partition" in caught.value.why
    assert launches.every(places.runs) == []


def test_cancelling(stand_in, places):
    launch = slurm.submit([plan_of(3)], 3, places, "cpu", Asked())
    assert not launch.cancelled
    slurm.cancel(launch)
    assert launch.cancelled and (stand_in / "scancel.calls").read_text() == "17\n"


# what a task does; its workers' runs do nothing


@pytest.fixture
def task(places, monkeypatch):
    """A launch of six runs, a task of it with two workers, and what their runs do."""
    monkeypatch.setattr(slurm, "COMMAND", (sys.executable, "-m", "bench.noop_worker"))
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.02)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = signal.getsignal(signal.SIGTERM)

    def make(**how):
        monkeypatch.setenv("NOOP", json.dumps(how))
        launch = launches.create([plan_of(6)], places, 2, "cpu")
        return launch, Task(str(launch.folder), "cpu", 2)

    yield make
    signal.signal(signal.SIGTERM, before)


def worked(launch) -> Counter:
    labels = {run.key: run.label for plan in launch.plans() for run in plan.runs}
    return Counter(labels[key] for path in launch.folder.glob("worked-*") for key in path.read_text().split())


def test_a_task_works_until_nothing_is_left(task, places):
    launch, one = task(die=["scratch seed 2"])
    assert one(4) == "nothing is left to do"
    assert worked(launch) == Counter({f"scratch seed {seed}": 1 + (seed == 2) for seed in range(6)})
    assert sorted(path.name for path in launch.folder.glob("*.log")) == ["worker-4.0.log", "worker-4.1.log"]
    assert all(Store(places.runs).result(run) for run in launch.plans()[0].runs)


def test_a_worker_that_cannot_start_ends_the_task(task, monkeypatch):
    _, one = task()
    monkeypatch.setattr(slurm, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(RuntimeError, match="crashes again and again"):
        one(0)


@pytest.mark.parametrize("cancelled", [False, True])
def test_at_its_end_the_workers_stop_and_the_task_is_handed_back(task, places, cancelled):
    """As submitit calls it from its handler of SIGUSR2; a cancelled launch is not queued again."""
    launch, one = task(pause=60)
    again = []

    def announce() -> None:
        while len(list(places.runs.rglob("claim.json"))) < 2:
            time.sleep(0.02)
        if cancelled:
            launch.cancel()
        os.kill(os.getpid(), signal.SIGUSR2)

    class Left(Exception):
        pass

    def handle(number, frame):
        again.append(one.checkpoint(4))
        raise Left

    before = signal.signal(signal.SIGUSR2, handle)
    thread = threading.Thread(target=announce)
    thread.start()
    try:
        with pytest.raises(Left):
            one(4)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR2, before)
    assert not list(places.runs.rglob("claim.json"))
    if cancelled:
        assert again == [None]
    else:
        assert (again[0].function.folder, again[0].function.count, again[0].args) == (str(launch.folder), 2, (4,))
        assert again[0].function.processes == {}


def test_squeue_that_does_not_answer_is_no_queue(stand_in, monkeypatch):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    assert slurm.queue_of("17") is None
    monkeypatch.undo()
    script = stand_in / "squeue"
    script.write_text("#!/bin/sh\necho '17_1|RUNNING|None'\necho '17_2|PENDING|Resources|and more'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in}:{os.environ['PATH']}")
    assert slurm.queue_of("17") == [("17_1", "RUNNING", "None"), ("17_2", "PENDING", "Resources|and more")]
    script.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Invalid job id specified' >&2\nexit 1\n")
    assert slurm.queue_of("17") == []
