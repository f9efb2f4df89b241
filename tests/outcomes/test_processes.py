"""A process is its machine, its number and its start: whoever has only one of them is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from repro.outcomes import processes

TOLD = (
    "import json, sys; from repro.outcomes.processes import this_process; print(json.dumps(this_process()), flush=True); sys.stdin.read()"
)


@pytest.fixture
def other():
    """A process, and what it says of itself; it ends when it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", TOLD]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process, json.loads(process.stdout.readline())
        process.kill()


def test_what_a_process_says_of_itself_is_what_others_see(other):
    process, said = other
    assert said == {**processes.here(), "pid": process.pid, "started": processes.start_of(process.pid)}
    assert said["pid"] != os.getpid() and int(said["started"]) >= int(processes.start_of(os.getpid()))
    assert processes.same_machine(said) and processes.alive(said)


def test_a_zombie_is_dead(other):
    """Nobody has waited for it, so that it still has its number."""
    process, said = other
    process.kill()
    while processes.start_of(process.pid) is not None:
        time.sleep(0.01)
    os.kill(process.pid, 0)
    assert not processes.alive(said)


def test_a_process_that_was_waited_for_is_gone(other):
    process, said = other
    process.kill()
    process.wait()
    assert processes.start_of(process.pid) is None and not processes.alive(said)


def test_the_number_alone_says_little():
    """It is given again; where no start is known, it counts."""
    own = processes.this_process()
    assert processes.alive(own) and processes.alive({**own, "started": None})
    assert not processes.alive({**own, "started": "1"})


def test_a_process_of_another_user_lives(monkeypatch):
    def kill(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    own = processes.this_process()
    assert processes.alive(own) and not processes.alive({**own, "started": "1"})


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": "another"}, {"boot": None}, {"space": "pid:[1]"}], ids=str)
def test_numbers_mean_nothing_elsewhere(change):
    assert not processes.same_machine({**processes.this_process(), **change})
