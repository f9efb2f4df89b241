"""AutoFT's search as a run: its record, the same every time, continued, killed, shared by processes."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import tiny_digits
from tiny_digits import CPU, Log, execute, job_of
from tiny_searches import bench_of, planned

from repro.nn import trials
from repro.nn.objectives import objective
from repro.outcomes.store import Store
from repro.outcomes.study import Study, Trial
from repro.paths import Places
from repro.planning.plan import Plan
from repro.types import Result

CONTEXT = multiprocessing.get_context("forkserver")


# the study


def searched(places: Places, plan: Plan) -> Result:
    assert execute(plan, places, CPU, Log()) == []
    return Store(places.runs).result(next(run for run in plan.runs if run.method == "autoft-search"))


def told(result: Result) -> list[dict]:
    return [Trial.model_validate(trial).model_dump(exclude={"seconds"}) for trial in result.extras["trials"]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Result]:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("done"))
    return places, searched(places, planned(trials=4))


def test_the_record_says_what_was_searched_where_and_what_was_best(done: tuple[Places, Result]) -> None:
    bench, extras = bench_of(done[0]), done[1].extras
    assert extras["search"]["examples"] == bench.rows.tolist()
    assert (extras["search"]["split"], extras["search"]["metric"], extras["search"]["workers"]) == ("id_val", "accuracy", 1)
    scores = [trial["score"] for trial in extras["trials"]]
    best = extras["best"]
    assert len(scores) == 4 and best["score"] == max(scores)
    assert best["trial"] == max(number for number, score in enumerate(scores) if score == max(scores)), "the later of equals"
    assert best["weights"]["ce"] == 1.0 and set(best["weights"]) == set(bench.terms)
    chosen = extras["trials"][best["trial"]]["settings"]
    assert {name: best[name] for name in ("lr", "weight_decay", "seed")} == {name: chosen[name] for name in ("lr", "weight_decay", "seed")}


def test_the_same_search_twice_is_bit_identical(done: tuple[Places, Result], tmp_path: Path) -> None:
    again = searched(tiny_digits.pretrained_home(tmp_path), planned(trials=4))
    assert told(again) == told(done[1]) and again.extras["best"] == done[1].extras["best"]


def test_a_larger_search_continues_the_first(done: tuple[Places, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    ran = []
    real = trials.Bench.score
    monkeypatch.setattr(trials.Bench, "score", lambda self, settings, number: ran.append(number) or real(self, settings, number))
    small = searched(places, planned(trials=2))
    larger = searched(places, planned(trials=4))
    assert ran == [0, 1, 2, 3], "none was run twice"
    assert small.key != larger.key and small.extras["search"]["study"] == larger.extras["search"]["study"]
    assert told(larger) == told(done[1]) and told(small) == told(done[1])[:2]


def work(home: str, most: int, pause: float) -> None:
    """A process of its own that runs the same command; with a pause after each trial."""
    real = trials.Bench.score

    def slow(self, settings, number):
        time.sleep(pause)
        return real(self, settings, number)

    trials.Bench.score = slow
    log = Log()
    log.waiting = lambda runs: None
    raise SystemExit(len(execute(planned(trials=most), tiny_digits.places_at(Path(home)), CPU, log)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_killed_at_an_instant_and_run_again(done: tuple[Places, Result], tmp_path: Path, seed: int) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    process = CONTEXT.Process(target=work, args=(str(tmp_path), 4, 0.3))
    process.start()
    deadline = time.monotonic() + 120
    while not list(places.runs.glob("*/studies/*/workers/*/claim.json")):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0.1, 1.0))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert told(searched(places, planned(trials=4))) == told(done[1])


def test_two_processes_share_a_search(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    workers = [CONTEXT.Process(target=work, args=(str(tmp_path), 8, 0.3)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
        assert worker.exitcode == 0
    result = searched(places, planned(trials=8))
    assert [trial["number"] for trial in result.extras["trials"]] == list(range(8))
    assert result.extras["search"]["workers"] == 2
    job = job_of(planned(trials=8), "autoft-search", places)
    study = Study(
        Store(places.runs).folder(job.run).parent / "studies" / trials.name_of(job), trials.space(job, objective.terms_of(job)), 0
    )
    assert len(study.finished(1000)) == 8, "and no trial beyond them"
