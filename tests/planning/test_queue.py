"""Pulling from the store: order, what others finish, what fails elsewhere, when to leave."""

from __future__ import annotations

import fabricated
import pytest

from repro.outcomes.store import Store
from repro.planning import queue
from repro.planning.queue import Queue, failures_of
from repro.types import Failure


class Told:
    """A listener that remembers, and does something when it is told to wait."""

    def __init__(self, on_wait=lambda: None) -> None:
        self.failures: list[Failure] = []
        self.waits: list[list[str]] = []
        self.on_wait = on_wait

    def failed(self, run, failure) -> None:
        self.failures.append(failure)

    def waiting(self, runs) -> None:
        self.waits.append([run.label for run in runs])
        self.on_wait()


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "POLL_SECONDS", 0.0)
    return Store(tmp_path)


LP = fabricated.run("lp")
CHILD = fabricated.run("lp-ft", parents={"head": LP.key})
OTHER = fabricated.run("scratch")


def fail(store, run, error="made up") -> None:
    folder = store.claim(run)
    store.fail(folder, fabricated.failure(run, error))
    store.release(folder)


def doing(store, done: list[str], broken=()):
    def attempt(run):
        if run.label in broken:
            return fabricated.failure(run)
        done.append(run.label)
        return fabricated.finish(store, run)

    return attempt


def test_parents_come_first_whatever_the_order(store):
    done: list[str] = []
    assert Queue([CHILD, OTHER, LP], store).work_off(doing(store, done), Told()) == []
    assert done == ["scratch seed 0", "lp seed 0", "lp-ft seed 0"]


def test_what_another_finished_meanwhile_is_not_attempted(store):
    done: list[str] = []
    pulled = Queue([OTHER, LP], store)
    fabricated.finish(store, LP)
    assert pulled.work_off(doing(store, done), Told()) == []
    assert done == ["scratch seed 0"]


def test_a_failure_elsewhere_is_not_tried_again_but_an_old_one_is(store):
    done, told = [], Told()
    fail(store, OTHER, "before")
    pulled = Queue([OTHER, LP, CHILD], store)
    fail(store, LP, "just now, elsewhere")
    failed = pulled.work_off(doing(store, done), told)
    assert done == ["scratch seed 0"]
    assert [failure.error for failure in failed] == ["just now, elsewhere", f"its parent lp seed 0 ({LP.key}) failed"]
    assert told.failures == failed


def test_who_comes_late_shares_what_failed_since_the_beginning(store):
    before = failures_of([OTHER, LP], store)
    assert before == {}
    fail(store, LP)
    done: list[str] = []
    assert [failure.key for failure in Queue([OTHER, LP], store, before).work_off(doing(store, done), Told())] == [LP.key]
    assert failures_of([OTHER, LP], store).keys() == {LP.key}


def test_it_leaves_when_all_that_is_left_is_with_others(store):
    told = Told()
    assert Queue([LP, OTHER], store).work_off(lambda run: None, told, stay=False) == []
    assert told.waits == []


def test_it_waits_for_the_parent_of_what_nobody_has(store):
    done: list[str] = []
    told = Told(lambda: fabricated.finish(store, LP))

    def attempt(run):
        return None if run is LP else doing(store, done)(run)

    assert Queue([LP, CHILD], store).work_off(attempt, told, stay=False) == []
    assert told.waits == [["lp seed 0"]] and done == ["lp-ft seed 0"]
