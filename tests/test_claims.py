"""A claim has one owner, whoever dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time

import fabricated
import pytest

from repro.outcomes import store as storing
from repro.outcomes.store import STALE_SECONDS, Store

PROCESSES = 8
ROUNDS = 12


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def run():
    return fabricated.run()


def dead_pid() -> int:
    """Of a process that has ended and been waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def forge(store: Store, run, **changes) -> None:
    """A claim by somebody else: by default of this host and a dead process."""
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    owner = {"host": socket.gethostname(), "pid": dead_pid(), "started": "1", "since": storing.now(), **changes}
    (folder / "claim.json").write_text(json.dumps(owner))


def age(store: Store, run, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(store.folder(run) / "claim.json", (then, then))


def _contend(root, barrier, answers, stale: int | None) -> None:
    """In each round: all at once, claim the round's run; say who got it. Owners keep their claims."""
    store = Store(root)
    for number in range(ROUNDS):
        run = fabricated.run(seed=number)
        barrier.wait()
        if stale is not None and barrier.wait() == 0:
            forge(store, run, pid=stale)
        barrier.wait()
        answers.put((number, os.getpid(), store.claim(run) is not None))
    barrier.wait()  # nobody leaves before all have claimed: a claim of a process that is gone may be taken


@pytest.mark.parametrize("stale", [False, True], ids=["free", "left by a dead process"])
def test_one_of_eight_processes_gets_each_run(tmp_path, stale):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(PROCESSES), context.Queue()
    pid = dead_pid() if stale else None
    processes = [context.Process(target=_contend, args=(tmp_path, barrier, answers, pid)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=60) for _ in range(PROCESSES * ROUNDS)]
    for process in processes:
        process.join(timeout=60)
    owners = {number: [pid for which, pid, claimed in got if which == number and claimed] for number in range(ROUNDS)}
    assert {number: len(pids) for number, pids in owners.items()} == dict.fromkeys(range(ROUNDS), 1)
    for number, (pid,) in owners.items():
        assert json.loads((Store(tmp_path).folder(fabricated.run(seed=number)) / "claim.json").read_text())["pid"] == pid


def test_who_saw_a_dead_claim_late_does_not_take_the_new_owners(store, run, monkeypatch):
    """Two see the same dead claim; the second acts on what it saw after the first has taken over."""
    forge(store, run)
    real, seen = storing._abandoned, []

    def slow(path):
        verdict = real(path)
        if not seen:
            seen.append(verdict)
            assert Store(store.root).claim(run) is not None  # the first, in the meantime
        return verdict

    monkeypatch.setattr(storing, "_abandoned", slow)
    assert store.claim(run) is None
    assert seen == [True]
    assert store.busy(run)


def test_a_claim_is_respected_while_its_process_lives_however_old(store, run):
    assert store.claim(run) is not None
    age(store, run, 10 * STALE_SECONDS)
    assert store.busy(run)
    assert store.claim(run) is None


def test_a_released_claim_is_free(store, run):
    folder = store.claim(run)
    store.release(folder)
    assert not store.busy(run)
    assert store.claim(run) == folder
    store.release(folder)
    store.release(folder)


def test_a_dead_process_is_taken_over_at_once(store, run):
    forge(store, run)
    assert not store.busy(run)
    folder = store.claim(run)
    assert json.loads((folder / "claim.json").read_text())["pid"] == os.getpid()
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) == ["claim.json", "run.json"]


def test_a_process_that_only_has_the_number_of_the_dead_one_does_not_count(store, run):
    forge(store, run, pid=os.getpid(), started="1")
    assert store.claim(run) is not None


def test_a_killed_owner_leaves_the_run_to_others(store, run):
    script = "import sys, fabricated; from pathlib import Path; from repro.outcomes.store import Store\n"
    script += "assert Store(Path(sys.argv[1])).claim(fabricated.run()); print('claimed', flush=True); sys.stdin.read()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "claimed\n"
    assert store.claim(run) is None
    process.kill()
    process.communicate()
    assert store.claim(run) is not None


def test_on_another_host_only_the_heartbeat_counts(store, run):
    forge(store, run, host="elsewhere", pid=os.getpid())
    assert store.claim(run) is None
    age(store, run, STALE_SECONDS + 5)
    store.beat(store.folder(run))
    assert store.claim(run) is None
    age(store, run, STALE_SECONDS + 5)
    assert store.claim(run) is not None


@pytest.mark.parametrize("content", ["", '{"host": ', "null", "{}", "[1]"])
def test_a_claim_that_cannot_be_read_is_its_writers_for_a_few_seconds(store, run, content):
    folder = store.folder(run)
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text(content)
    assert store.claim(run) is None
    age(store, run, 60)
    assert store.claim(run) is not None


def test_a_beat_after_the_release_is_no_error(store, run):
    folder = store.claim(run)
    store.release(folder)
    store.beat(folder)
    assert not (folder / "claim.json").exists()
