"""One attempt: what it records, and what becomes of it when another process takes the run over."""

from __future__ import annotations

import json
import time

import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import claims
from repro.outcomes.predicted import FIELD, LIKE, error
from repro.outcomes.store import Store
from repro.planning import attempt as attempting
from repro.planning.attempt import Work, attempt
from repro.planning.calibration import Calibration
from repro.preflight.device import Device

RUN = fabricated.run("scratch")


class Log:
    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattr__(self, name):
        return lambda *arguments: self.events.append(name)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_result_is_stored_and_the_run_given_back(store):
    log = Log()
    made = attempt(RUN, store, Work(lambda run, folder, on_step: fabricated.result(run), dict), log)
    assert store.result(RUN) == made and not store.busy(RUN)
    assert log.events == ["started", "finished"]


def test_what_was_predicted_is_recorded_and_the_next_run_is_predicted_from_this_one(store):
    told = {"device": "cuda:0", "device_name": "Made-Up 100", "threads": 1}
    calibration, log = Calibration((), Device("GPU", "Made-Up 100")), Log()

    def do(run, folder, on_step):
        return fabricated.result(run, environment=told, seconds={"total": 10.0 + run.seed}, peak_memory_bytes=10**9, extras={"seen": 1})

    made = [attempt(fabricated.run("scratch", seed), store, Work(do, dict, calibration), log) for seed in range(2)]
    assert made[0].extras == {"seen": 1}, "nothing was known"
    expected = {"seconds": 10.0, "peak_memory_bytes": 10**9, "from": LIKE, "memory_from": LIKE}
    assert made[1].extras == {"seen": 1, FIELD: expected} and made[1].key == fabricated.run("scratch", 1).key
    assert store.result(made[1].run) == made[1]
    assert error(made[1]) == pytest.approx(10 / 11 - 1)


def test_what_breaks_is_recorded_with_where(store):
    def do(run, folder, on_step):
        raise ArithmeticError("the solver broke")

    log = Log()
    failure = attempt(RUN, store, Work(do, lambda: {"device": "made up"}), log)
    assert failure.error == "ArithmeticError: the solver broke" and failure.environment["device"] == "made up"
    assert store.failure(store.folder(RUN)) == failure and not store.busy(RUN)
    assert log.events == ["started", "failed"]


def test_a_mistake_is_raised_and_not_recorded(store):
    def do(run, folder, on_step):
        raise UserError("what", "why", "cure")

    with pytest.raises(UserError):
        attempt(RUN, store, Work(do, dict), Log())
    assert store.failure(store.folder(RUN)) is None and not store.busy(RUN)


def lose(folder) -> None:
    """As if another process had taken the run over."""
    text = json.loads((folder / "claim.json").read_text())
    (folder / "claim.json").write_text(json.dumps({**text, "token": "another"}))


def test_who_lost_the_run_stores_nothing(store):
    def do(run, folder, on_step):
        lose(folder)
        return fabricated.result(run)

    log = Log()
    assert attempt(RUN, store, Work(do, dict), log) is None
    assert store.result(RUN) is None and store.busy(RUN), "it is the other's now"
    assert log.events == ["started"]


def test_who_lost_the_run_stops_at_its_next_step(store, monkeypatch):
    monkeypatch.setattr(claims, "FIRST_SECONDS", 0.01)
    steps = []

    def do(run, folder, on_step):
        lose(folder)
        while len(steps) < 1000:
            time.sleep(0.01)
            on_step(len(steps), 1000, "epoch 1/1")
            steps.append(1)

    assert attempt(RUN, store, Work(do, dict), Log()) is None
    assert len(steps) < 1000


def test_word_of_how_far_it_is(store, monkeypatch):
    monkeypatch.setattr(claims, "FIRST_SECONDS", 0.01)
    seen = []

    def do(run, folder, on_step):
        on_step(3, 10, "epoch 1/2")
        while not (found := store.progress(folder)):
            time.sleep(0.01)
        seen.append(found)
        return fabricated.result(run)

    attempt(RUN, store, Work(do, dict), Log())
    assert seen == [{"done": 3, "total": 10, "what": "epoch 1/2"}]
    assert sorted(path.name for path in store.folder(RUN).iterdir()) == ["result.json", "run.json"]


def test_a_run_on_which_processes_die_again_and_again_counts_as_failed(store):
    shared = Store(store.root, launch="a")
    folder = shared.claim(RUN)
    text = json.loads((folder / "claim.json").read_text())
    (folder / "claim.json").write_text(json.dumps({**text, "pid": 2**22 + 1, "deaths": attempting.MOST_DEATHS - 1}))
    failure = attempt(RUN, Store(store.root, launch="a"), Work(None, dict), Log())
    assert failure.error == "3 processes died on it without getting any further"
    assert attempt(RUN, store, Work(lambda run, folder, on_step: fabricated.result(run), dict), Log()).key == RUN.key
