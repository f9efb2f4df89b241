"""Kills and interrupts of the real program: the same command again gives the numbers of an undisturbed run."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import hooked
import pytest
import tiny_digits

from repro.errors import UserError
from repro.outcomes.store import Store
from repro.planning.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 3
SETS = (f"epochs={EPOCHS}", "batch_size=10")
ARGUMENTS = ["run", "digits", "--tiny", "--method", "ft,lp-ft", "--seeds", "1", "--device", "cpu"]
STEPS, PAUSE = 10 * EPOCHS, 0.05
DONE_IN_SECONDS = 120
# The program as users start it, but with a pause per step, so that a signal finds it in the middle.
SLOWLY = """
import time
from repro.nn.training.loop import Trainer
step = Trainer._step
def slow(self, *arguments):
    step(self, *arguments)
    time.sleep({pause})
Trainer._step = slow
from repro.__main__ import main
main()
"""


def command(pause: float) -> list[str]:
    start = [sys.executable, "-c", SLOWLY.format(pause=pause)] if pause else [sys.executable, "-m", "repro"]
    return [*start, *ARGUMENTS, *(part for text in (*tiny_digits.PRETRAINING, *SETS) for part in ("--set", text))]


def start(home: Path, pause: float = 0.0) -> subprocess.Popen:
    environment = {**os.environ, "REPRO_HOME": str(home), "REPRO_CONFIG": str(home / "none.toml"), "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.Popen(command(pause), env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_to_the_end(home: Path) -> tuple[str, str]:
    process = start(home)
    out, err = process.communicate(timeout=DONE_IN_SECONDS)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, dict[str, dict[str, bytes]]]:
    plan = tiny_digits.plan("ft", "lp-ft", sets=SETS)
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("undisturbed"))
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    return plan, {run.key: tiny_digits.bytes_of(places, run) for run in plan.runs}


def wait_for(path: Path, process: subprocess.Popen) -> None:
    """Until `path` exists; the process must not end before."""
    deadline = time.monotonic() + DONE_IN_SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.005)


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_an_instant_and_run_again(undisturbed: tuple, tmp_path: Path, seed: int) -> None:
    plan, expected = undisturbed
    store = Store(tiny_digits.pretrained_home(tmp_path).runs)
    victim = next(run for run in plan.runs if run.method == ("ft", "lp-ft")[seed])
    process = start(tmp_path, pause=PAUSE)
    wait_for(store.folder(victim) / "claim.json", process)
    time.sleep(random.Random(seed).uniform(0.1, 0.95) * STEPS * PAUSE)  # anywhere between the claim and the last step
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert store.result(victim) is None and (store.folder(victim) / "claim.json").exists()
    run_to_the_end(tmp_path)
    assert {run.key: tiny_digits.bytes_of(tiny_digits.places_at(tmp_path), run) for run in plan.runs} == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_ctrl_c_or_sigterm_is_one_line_and_130_and_the_same_command_continues(undisturbed: tuple, tmp_path: Path, number: int) -> None:
    plan, expected = undisturbed
    store = Store(tiny_digits.pretrained_home(tmp_path).runs)
    victim = next(run for run in plan.runs if run.method == "ft")
    process = start(tmp_path, pause=PAUSE)
    wait_for(store.folder(victim) / "checkpoint" / "state.pt", process)
    time.sleep(3 * PAUSE)
    process.send_signal(number)
    _, err = process.communicate(timeout=DONE_IN_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in err
    told = [line for line in err.splitlines() if line.strip() and not line.startswith("  ")]  # lines of finished runs are indented
    assert told == ["interrupted: nothing is lost, the same command continues"]
    assert (store.folder(victim) / "checkpoint" / "state.pt").exists() and not store.busy(victim)
    out, _ = run_to_the_end(tmp_path)
    assert "lp-ft" in out
    assert {run.key: tiny_digits.bytes_of(tiny_digits.places_at(tmp_path), run) for run in plan.runs} == expected


def test_the_same_command_again_trains_nothing(undisturbed: tuple, tmp_path: Path) -> None:
    plan, _ = undisturbed
    tiny_digits.pretrained_home(tmp_path)
    first, _ = run_to_the_end(tmp_path)
    folders = [Store(tmp_path / "runs").folder(run) for run in plan.runs]
    before = {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}
    second, err = run_to_the_end(tmp_path)
    assert "0 runs to do" in second and err.strip() == ""
    assert {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()} == before
    assert first[first.index("method") :] == second[second.index("method") :]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_workers_checkpoint_when_the_command_is_told_to_stop(undisturbed: tuple, tmp_path: Path, number: int) -> None:
    """With real training in worker processes; the same command without workers continues what they began."""
    plan, expected = undisturbed
    store = Store(tiny_digits.pretrained_home(tmp_path).runs)
    victim = next(run for run in plan.runs if run.method == "ft")
    environment = {**os.environ, "REPRO_HOME": str(tmp_path), "REPRO_CONFIG": str(tmp_path / "none.toml"), "OMP_NUM_THREADS": "2"}
    environment |= {"PYTHONPATH": hooked.slowly(tmp_path / "hook", PAUSE), "COLUMNS": "200"}
    words = [*command(0), "--workers", "2"]
    process = subprocess.Popen(words, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(store.folder(victim) / "checkpoint" / "state.pt", process)
    process.send_signal(number)
    _, err = process.communicate(timeout=DONE_IN_SECONDS)
    assert process.returncode == 130 and err.strip().splitlines()[-1] == "interrupted: nothing is lost, the same command continues"
    assert (store.folder(victim) / "checkpoint" / "state.pt").exists() and not any(store.busy(run) for run in plan.runs)
    run_to_the_end(tmp_path)
    assert {run.key: tiny_digits.bytes_of(tiny_digits.places_at(tmp_path), run) for run in plan.runs} == expected


WRITES = {  # what writes → its calls that find room
    "repro.outcomes.claims._written": [0],
    "repro.outcomes.store.write_atomically": [0, 1],
    "repro.nn.training.saved._replace": [0, 2],
    "repro.nn.training.saved.save_weights": [0],
}


@pytest.mark.parametrize(("name", "at"), [(name, at) for name, calls in WRITES.items() for at in calls])
def test_a_disk_that_is_full_at_any_write(undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    """The run fails and says so, or the command stops; with room again the same command gives the numbers of an undisturbed one."""
    plan, expected = undisturbed
    places, calls = tiny_digits.pretrained_home(tmp_path), []
    module, _, function = name.rpartition(".")
    real = getattr(sys.modules[module], function)

    def full(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
        return real(*arguments)

    with monkeypatch.context() as patch:
        for user in [
            module,
            *(known for known in ("repro.planning.attempt", "repro.outcomes.claims") if hasattr(sys.modules[known], function)),
        ]:
            patch.setattr(f"{user}.{function}", full)
        try:
            failures = tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log())
            assert failures and all("No space left" in failure.error or "its parent" in failure.error for failure in failures)
        except (OSError, UserError) as error:
            assert "No space left" in str(error) or "not enough room" in str(error)
    assert len(calls) > at
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    assert {run.key: tiny_digits.bytes_of(places, run) for run in plan.runs} == expected
