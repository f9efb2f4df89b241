"""A study of trials: the same every time, none lost and none doubled by kills, shared by workers, continued by a larger one."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import optuna
import pytest

from repro.errors import UserError
from repro.outcomes.study import Interval, Study, Trial, best, importances

SPACE = {
    "a": Interval(low=1e-4, high=10, log=True),
    "b": Interval(low=0, high=1),
    "seed": Interval(low=0, high=10, whole=True),
}
CONTEXT = multiprocessing.get_context("forkserver")
MOST = 14


def value(settings: dict[str, float]) -> float:
    """A toy objective whose best is at a = 1, b = 0."""
    return -((settings["a"] - 1) ** 2) - settings["b"]


def work(folder: Path, most: int = MOST, pause: float = 0.0, seed: int = 0, stop_in: int | None = None) -> None:
    """Take trials until there is none; with `stop_in` break in the middle of that trial."""
    study = Study(folder, SPACE, seed)
    with study.working():
        while (taken := study.take(most)) is not None:
            time.sleep(pause)
            if taken[0] == stop_in:
                return
            score = None if taken[0] % 6 == 4 else value(taken[1])
            study.tell(taken[0], score, score, pause)


def finished(folder: Path, most: int = MOST, seed: int = 0) -> list[dict]:
    """The trials without what depends on the clock."""
    return [trial.model_dump(exclude={"worker", "seconds"}) for trial in Study(folder, SPACE, seed).finished(most)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("study")
    work(folder)
    return finished(folder)


def test_the_same_study_twice_is_the_same(undisturbed: list[dict], tmp_path: Path) -> None:
    work(tmp_path)
    assert finished(tmp_path) == undisturbed
    assert [trial["number"] for trial in undisturbed] == list(range(MOST))
    assert len({trial["settings"]["a"] for trial in undisturbed}) == MOST


def test_another_seed_makes_another_study(undisturbed: list[dict], tmp_path: Path) -> None:
    work(tmp_path, seed=1)
    assert all(a["settings"] != b["settings"] for a, b in zip(finished(tmp_path, seed=1), undisturbed, strict=True))


def test_settings_are_within_their_intervals(undisturbed: list[dict]) -> None:
    for trial in undisturbed:
        for name, interval in SPACE.items():
            assert interval.low <= trial["settings"][name] <= interval.high
        assert trial["settings"]["seed"] == int(trial["settings"]["seed"])


def test_a_trial_that_was_left_is_run_again_under_its_number(undisturbed: list[dict], tmp_path: Path) -> None:
    work(tmp_path, stop_in=7)
    assert [trial["number"] for trial in finished(tmp_path)] == list(range(7))
    work(tmp_path)
    assert finished(tmp_path) == undisturbed


def test_ten_kills_lose_nothing_and_double_nothing(undisturbed: list[dict], tmp_path: Path) -> None:
    """kill -9 of a process that works on the study, ten times, each some time after it has begun a trial."""
    chance, had = random.Random(0), []
    for _ in range(10):
        process = CONTEXT.Process(target=work, args=(tmp_path, MOST, 0.04))
        process.start()
        while process.is_alive() and not any((tmp_path / "workers").glob("*/claim.json")):
            time.sleep(0.002)
        process.join(chance.uniform(0.0, 0.1))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        had.append([trial["number"] for trial in finished(tmp_path)])
        for claim in (tmp_path / "workers").glob("*/claim.json"):
            claim.rename(claim.with_suffix(".dead"))  # so that the next one's is seen
    assert all(before == after[: len(before)] for before, after in itertools.pairwise(had)), "a finished trial was lost"
    assert len({len(numbers) for numbers in had}) >= 3 and len(had[-1]) < MOST, "the kills fell between the first trial and the last"
    work(tmp_path)
    assert finished(tmp_path) == undisturbed


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_line_that_its_writer_was_killed_in_is_no_line(undisturbed: list[dict], tmp_path: Path, cut: int) -> None:
    work(tmp_path, stop_in=9)
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-cut])
    work(tmp_path)
    assert finished(tmp_path) == undisturbed


def test_two_workers_share_a_study(tmp_path: Path) -> None:
    workers = [CONTEXT.Process(target=work, args=(tmp_path, 20, 0.05)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    trials = Study(tmp_path, SPACE, 0).finished(20)
    assert [trial.number for trial in trials] == list(range(20))
    assert len({trial.worker for trial in trials}) == 2
    journal = (tmp_path / "journal.log").read_text()
    assert journal.count('"op_code":4') == 20, "each was made once"


def test_a_larger_study_continues_a_smaller_one(undisturbed: list[dict], tmp_path: Path) -> None:
    work(tmp_path, 5)
    assert finished(tmp_path) == undisturbed[:5]
    work(tmp_path)
    assert finished(tmp_path) == undisturbed
    assert finished(tmp_path, 5) == undisturbed[:5], "and the smaller one is still what it was"


def test_a_living_workers_trial_is_not_taken(tmp_path: Path) -> None:
    one, other = Study(tmp_path, SPACE, 0), Study(tmp_path, SPACE, 0)
    one.worker, other.worker = "one", "other"
    with one.working(), other.working():
        assert one.take(2)[0] == 0 and other.take(2)[0] == 1
        assert other.take(2)[0] == 1, "its own, which it left"
    with other.working():
        assert other.take(2)[0] == 0, "that of one who has gone"


def test_a_study_in_a_database_is_the_same(undisturbed: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_STUDIES", f"sqlite:///{tmp_path}/studies.db")
    work(tmp_path / "study", stop_in=3)
    work(tmp_path / "study")
    assert not (tmp_path / "study" / "journal.log").exists()
    assert finished(tmp_path / "study") == undisturbed


def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_STUDIES", "nosuch://place")
    with pytest.raises(UserError, match="REPRO_STUDIES: the database cannot be opened"):
        Study(tmp_path, SPACE, 0)


def trial(number: int, rank: float | None) -> Trial:
    return Trial(number=number, settings={"a": 1.0, "b": 0.5, "seed": 1}, score=rank, rank=rank)


def test_of_equal_trials_the_later_is_best_and_a_diverged_one_never() -> None:
    assert best([trial(0, 0.5), trial(1, 0.7), trial(2, 0.7), trial(3, None)]).number == 2
    assert best([trial(0, 0.5), trial(1, 0.4)]).number == 0
    with pytest.raises(RuntimeError, match="all 1 trials diverged"):
        best([trial(0, None)])


def test_what_matters_is_what_the_value_depends_on() -> None:
    chance = random.Random(0)
    drawn = [{"a": 10 ** chance.uniform(-4, 1), "b": chance.random(), "seed": float(chance.randint(0, 10))} for _ in range(60)]
    trials = [Trial(number=n, settings=each, score=each["b"], rank=each["b"]) for n, each in enumerate(drawn)]
    optuna.logging.set_verbosity(optuna.logging.INFO)
    found = importances(trials, SPACE)
    assert next(iter(found)) == "b" and found["b"] > 0.9 and sum(found.values()) == pytest.approx(1)
    assert importances(trials, SPACE) == found
    assert importances(trials[:1], SPACE) == {}
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING, "it told of a study beside the figure"
