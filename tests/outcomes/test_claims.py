"""A claim has one owner, whoever dies."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time

import fabricated
import pytest

from repro.outcomes import claims, processes
from repro.outcomes.claims import STALE_SECONDS, TORN_SECONDS
from repro.outcomes.store import Store, now

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
    """A claim by somebody else: by default of this machine and a dead process."""
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    owner = {**processes.here(), "pid": dead_pid(), "started": "1", "since": now(), "token": "theirs", **changes}
    (folder / "claim.json").write_text(json.dumps(owner))


def age(store: Store, run, seconds: float) -> None:
    """Another time on the claim, as a heartbeat leaves it."""
    then = time.time() - seconds
    os.utime(store.folder(run) / "claim.json", (then, then))


@pytest.fixture
def clock(monkeypatch):
    """Seconds that this process waited; `clock.wait(s)` lets them pass."""

    class Clock:
        at = 1000.0

        def wait(self, seconds: float) -> None:
            self.at += seconds

    made = Clock()
    monkeypatch.setattr(claims.time, "monotonic", lambda: made.at)
    return made


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


@pytest.mark.parametrize("released", [False, True], ids=["who has it", "who gave it back"])
def test_who_saw_a_dead_claim_late_does_not_take_the_new_owners(store, run, monkeypatch, released):
    """Two see the same dead claim; the second acts on what it saw after the first has taken over."""
    forge(store, run)
    first, seen = Store(store.root), []
    real = claims.Claims.gone

    def slow(self, owner):
        verdict = real(self, owner)
        if not seen:
            seen.append(verdict)
            folder = first.claim(run)  # the first, in the meantime
            if released:
                first.release(folder)
        return verdict

    monkeypatch.setattr(claims.Claims, "gone", slow)
    assert store.claim(run) is None
    assert seen == [True]
    assert store.busy(run) is not released
    assert not list(store.folder(run).glob(".*"))


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


ELSEWHERE = {
    "host": {"host": "elsewhere"},
    "kernel": {"boot": "another"},
    "container": {"space": "pid:[1]"},
    "older version": {"boot": None},
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_on_another_machine_only_the_heartbeat_counts(store, run, clock, kind):
    forge(store, run, **ELSEWHERE[kind])
    assert store.claim(run) is None
    for _ in range(3):
        clock.wait(STALE_SECONDS - 1)
        assert store.claim(run) is None
        age(store, run, clock.at)
        assert store.claim(run) is None, "its heart beat"
    clock.wait(STALE_SECONDS + 1)
    assert store.claim(run) is not None
    assert not list(store.folder(run).glob(".*"))


@pytest.mark.parametrize("ahead", [-(10**7), -3600, 0, 3600, 10**7], ids=lambda seconds: f"{seconds} s")
def test_clocks_may_differ(store, run, clock, monkeypatch, ahead):
    """Neither what another clock wrote nor a step of one's own makes a claim stale or keeps it."""
    forge(store, run, host="elsewhere")
    age(store, run, -ahead)
    assert store.claim(run) is None
    monkeypatch.setattr(claims.time, "time", lambda: -ahead)
    clock.wait(STALE_SECONDS - 1)
    assert store.claim(run) is None
    clock.wait(2)
    assert store.claim(run) is not None


def test_a_heart_that_beats_is_seen_whatever_its_clock_says(store, run, clock):
    """Beats that go backwards, as after a correction of the owner's clock."""
    forge(store, run, host="elsewhere")
    for beat in range(6):
        age(store, run, 100 * beat)
        assert store.claim(run) is None
        clock.wait(STALE_SECONDS - 1)


def test_each_looks_for_itself(store, run, clock):
    """A process that has just come knows nothing of how long another has looked."""
    forge(store, run, host="elsewhere")
    assert store.claim(run) is None
    clock.wait(STALE_SECONDS + 1)
    assert Store(store.root).claim(run) is None
    assert store.claim(run) is not None


@pytest.mark.parametrize("content", ["", '{"host": ', "null", "{}", "[1]", '{"host": 1, "pid": 2}'])
def test_a_claim_that_cannot_be_read_is_its_writers_for_a_few_seconds(store, run, clock, content):
    folder = store.folder(run)
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text(content)
    assert store.claim(run) is None
    clock.wait(TORN_SECONDS + 1)
    assert store.claim(run) is not None


def test_a_token_is_no_path(store, run):
    """A claim is somebody else's file: what it says cannot make one elsewhere."""
    forge(store, run, token="../../../out")
    assert store.claim(run) is not None
    assert not list(store.root.parent.rglob("*out*"))


def test_a_process_that_died_between_winning_and_writing_is_followed(store, run):
    """Its ticket stands for its claim, and it is taken over in turn."""
    forge(store, run)
    folder = store.folder(run)
    ticket = {**processes.here(), "pid": dead_pid(), "started": "1", "token": "next"}
    (folder / ".taken-theirs").write_text(json.dumps(ticket))
    (folder / ".taken-next").write_text(
        json.dumps({**ticket, "pid": os.getpid(), "started": processes.start_of(os.getpid()), "token": "last"})
    )
    assert store.claim(run) is None, "the last of them lives"
    (folder / ".taken-next").unlink()
    assert store.claim(run) is not None
    assert sorted(path.name for path in folder.iterdir()) == ["claim.json", "run.json"]


def test_who_was_taken_for_dead_notices(store, run):
    """A machine that slept: its run has another owner, whose claim it neither keeps alive nor gives away."""
    folder = store.claim(run)
    assert store.beat(folder)
    text = json.loads((folder / "claim.json").read_text())
    (folder / "claim.json").write_text(json.dumps({**text, "token": "another"}))
    stamp = (folder / "claim.json").stat().st_mtime_ns
    assert not store.beat(folder) and not store.claims.held(folder)
    store.release(folder)
    assert (folder / "claim.json").stat().st_mtime_ns == stamp


def test_a_file_system_without_hard_links(store, run, monkeypatch):
    def link(*arguments):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    folder = store.claim(run)
    assert Store(store.root).claim(run) is None
    store.release(folder)
    forge(store, run)
    assert store.claim(run) is not None
    assert sorted(path.name for path in folder.iterdir()) == ["claim.json", "run.json"]


def test_an_answer_that_nfs_lost_is_a_claim(store, run, monkeypatch):
    """The link was made, its answer lost; asked again, the server says that it is there."""
    real = os.link

    def link(source, target):
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link)
    assert store.claim(run) is not None


def test_deaths_are_counted_within_a_launch_while_the_run_does_not_get_on(store, run):
    def died(launch: str | None) -> int:
        again = Store(store.root, launch)
        folder = again.claim(run)
        counted = claims.deaths(folder)
        text = json.loads((folder / "claim.json").read_text())
        (folder / "claim.json").write_text(json.dumps({**text, "pid": dead_pid(), "started": "1"}))
        return counted

    assert [died("a"), died("a"), died("a")] == [0, 1, 2]
    (store.folder(run) / "checkpoint").mkdir()
    (store.folder(run) / "checkpoint" / "state.pt").write_bytes(b"further")
    assert [died("a"), died("a"), died("b"), died(None)] == [1, 2, 0, 0]


def test_a_beat_after_the_release_is_no_error(store, run):
    folder = store.claim(run)
    store.release(folder)
    assert not store.beat(folder)
    assert not (folder / "claim.json").exists()
