"""`torchrun … -m repro run` as users type it: which runs are shared and what comes out; how it ends, in whatever way it does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import hooked
import numpy as np
import pytest
import tiny_digits
import torch

from repro import plugins, ranks
from repro.errors import UserError
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning.plan import Plan
from repro.types import Result, Run

ROOT = hooked.ROOT
ENDS_WITHIN = 120  # seconds; what hangs would do so for days
PAUSE = 0.4  # after a step, where a signal is to come in the middle
SETS = ("epochs=2", "batch_size=50", "lr=1e-3", "scratch.epochs=5", "judge_every=5")  # two steps in an epoch
SHARED, ALONE = ("scratch", "flyp"), ("lp", "coral")
RATES = ("ft.lr=1e30", "coral.epochs=1", "flyp.lr=1e-4")  # the first diverges


def start(home: Path, *words: str, path: str = str(ROOT)) -> subprocess.Popen:
    """`repro` with these words as two processes of a torchrun."""
    environment = {**os.environ, "REPRO_HOME": str(home), "REPRO_CONFIG": str(home / "none.toml"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "repro", *words]
    environment |= {"PYTHONPATH": path, "COLUMNS": "200"}
    return subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code, what it printed, its errors; of one that hangs the processes are killed."""
    try:
        out, err = process.communicate(timeout=ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise AssertionError(f"it hangs: {process.communicate()}") from None
    return process.returncode, out, err


def run_words(*methods: str, sets: tuple[str, ...] = SETS) -> list[str]:
    named = [part for text in (*tiny_digits.PRETRAINING, *sets) for part in ("--set", text)]
    return ["run", "digits", "--tiny", "--method", ",".join(methods), "--seeds", "1", "--device", "cpu", *named]


def run_of(plan: Plan, method: str) -> Run:
    return next(run for run in plan.runs if run.method == method)


def require_same(store: Store, other: Store, run: Run) -> tuple[Result, Result]:
    """What two trainings in single precision left, which differ by the order of their sums: losses to 1 %, one image in 100, logits to 0.05."""
    one, two = store.result(run), other.result(run)
    assert [point.name for point in one.checkpoints] == [point.name for point in two.checkpoints]
    for mine, theirs in zip(one.checkpoints, two.checkpoints, strict=True):
        assert theirs.train == pytest.approx(mine.train, rel=1e-2)
        assert theirs.metrics.keys() == mine.metrics.keys() and len(mine.metrics) >= 3
        for split, metrics in mine.metrics.items():
            assert theirs.metrics[split]["accuracy"] == pytest.approx(metrics["accuracy"], abs=0.011), split
    with np.load(store.folder(run) / "predictions.npz") as mine, np.load(other.folder(run) / "predictions.npz") as theirs:
        assert mine.files == theirs.files
        for name in mine.files:
            assert mine[name].shape == theirs[name].shape and np.abs(mine[name] - theirs[name]).max() < 0.05, name
    return one, two


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Places]:
    """The runs as one process does them."""
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("alone"))
    plan = tiny_digits.plan("ft", *ALONE, *SHARED, sets=(*SETS, *RATES))
    failures = tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log())
    assert [failure.run.method for failure in failures] == ["ft"]
    return plan, places


@pytest.fixture(scope="module")
def shared(alone: tuple[Plan, Places], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, str, str]]:
    """Where two processes did the same, from the same pretrained weights, and how that ended."""
    home = tmp_path_factory.mktemp("shared")
    tiny_digits.pretrained_home(home)
    return home, end(start(home, *run_words("ft", *ALONE, *SHARED, sets=(*SETS, *RATES))))


def test_what_can_be_shared_is_and_the_rest_is_done_by_the_first(alone: tuple, shared: tuple) -> None:
    plan, places = alone
    home, (_, out, err) = shared
    for method in (*SHARED, *ALONE):
        one, two = require_same(Store(places.runs), Store(home / "runs"), run_of(plan, method))
        assert (one.environment["processes"], two.environment["processes"]) == (1, 2 if method in SHARED else 1), method
    assert out.count("Accuracy in %") == 1 and err.count("scratch seed 0") == 1, "the first alone writes"


def test_a_loss_that_diverges_fails_its_run_and_the_next_goes_on(alone: tuple, shared: tuple) -> None:
    plan, places = alone
    home, (code, _, err) = shared
    failed, by_one = (Store(root).failure(Store(root).folder(run_of(plan, "ft"))) for root in (home / "runs", places.runs))
    assert "at step" in by_one.error and (failed.error, failed.details) == (by_one.error, by_one.details), "examples of both are named"
    assert code != 0 and "failed: ft seed 0" in err and "exitcode  : 1 " in err, "torchrun says that the first ended with 1"


def test_nothing_to_do_ends(shared: tuple) -> None:
    home, _ = shared
    code, out, err = end(start(home, *run_words(*SHARED, sets=(*SETS, *RATES[2:]))))
    assert code == 0 and "0 runs to do" in out and err == ""


def test_a_table_ends_and_is_printed_once(shared: tuple) -> None:
    home, _ = shared
    code, out, err = end(start(home, "table", "digits", "--tiny", "--format", "csv"))
    assert code == 0 and err == ""
    assert sum(",scratch," in line for line in out.splitlines()) == 4 and len(out.splitlines()) == len(set(out.splitlines()))


def test_a_mistake_is_three_lines_once(shared: tuple) -> None:
    home, _ = shared
    code, out, err = end(start(home, "run", "digits", "--tiny", "--method", "nothing-of-this-name"))
    assert code != 0 and out == ""
    assert len(re.findall(r"^error: .*\n  why: .*\n  try: repro list methods", err, re.M)) == err.count("error: ") == 1, err


def pid_of(rank: int, home: Path) -> int:
    """The process of the torchrun at `home` that has this rank."""
    wanted = {f"RANK={rank}".encode(), f"REPRO_HOME={home}".encode()}
    found = [path for path in Path("/proc").glob("[0-9]*/environ") if path.stat().st_uid == os.getuid() and wanted <= _words(path)]
    assert len(found) == 1, found
    return int(found[0].parent.name)


def _words(path: Path) -> set[bytes]:
    try:
        return set(path.read_bytes().split(b"\0"))
    except OSError:  # it ended meanwhile
        return set()


def checkpointed(process: subprocess.Popen, state: Path, since: int = 0) -> int:
    """Wait until the run in progress is saved anew; when that was."""
    deadline = time.monotonic() + ENDS_WITHIN
    while not state.exists() or state.stat().st_mtime_ns == since:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{state} never came"
        time.sleep(0.02)
    return state.stat().st_mtime_ns


def test_killed_told_to_stop_and_ended_by_one_process(alone: tuple, tmp_path: Path) -> None:
    """The second process is killed in the middle; the same command goes on until it is told to stop; one process does the rest."""
    plan, places = alone
    run, home = run_of(plan, "scratch"), tmp_path / "home"
    store = Store(tiny_digits.pretrained_home(home).runs)
    state, words = store.folder(run) / "checkpoint" / "state.pt", run_words("scratch")
    slowly = hooked.slowly(tmp_path / "hook", PAUSE)

    process = start(home, *words, path=slowly)
    began = checkpointed(process, state)
    os.kill(pid_of(1, home), signal.SIGKILL)
    code, _, err = end(process)
    assert code != 0 and store.result(run) is None and not store.busy(run)
    assert err.count("the same command again, which goes on from its last checkpoint") <= 1 and state.stat().st_mtime_ns == began
    steps = [torch.load(state, weights_only=True)["progress"]["step"]]

    process = start(home, *words, path=slowly)
    checkpointed(process, state, since=began)
    time.sleep(1.5 * PAUSE)
    process.send_signal(signal.SIGTERM)
    code, _, err = end(process)
    assert code != 0 and err.count("interrupted: nothing is lost, the same command continues") == 1, err
    assert store.result(run) is None and not (store.folder(run) / "claim.json").exists()
    steps.append(torch.load(state, weights_only=True)["progress"]["step"])
    assert 2 == steps[0] < 4 < steps[1] < 10

    only = Plan(benchmark=plan.benchmark, runs=(run,), asked=(run.key,))
    assert tiny_digits.execute(only, tiny_digits.places_at(home), tiny_digits.CPU, tiny_digits.Log()) == []
    require_same(Store(places.runs), store, run)


# in this process, as if it were the first


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("words", [("--workers", "2"), ("--slurm",)])
def test_workers_and_slurm_are_other_ways_to_use_several_processes(first: None, mistake, words: tuple[str, ...]) -> None:
    what, why, cure = mistake("run", "digits", "--tiny", *words)
    assert what == f"{words[0]} under torchrun" and "share each run" in why and cure == f"repro run … {' '.join(words)}, without torchrun"


def test_each_process_has_a_gpu_of_its_own(first: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="4 processes and 2 GPUs"):
        ranks.gathered(torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(UserError, match="--device cuda:1 under torchrun"):
        ranks.gathered(torch.device("cuda", 1))


ONE_PROCESS = (
    "autoft-search",
    "coral",
    "dann",
    "flyp-ce",
    "greedy-soup",
    "irm",
    "lp",
    "swav-pretrain",
    "uniform-soup",
    "wise-ft",
    "zero-shot",
)


def test_which_methods_are_shared() -> None:
    """Those that take steps whose loss is one of examples or of all their rows; the README names the others."""
    images = [name for name in plugins.names("methods") if "images" in plugins.declared(name).kinds]
    runs = tiny_digits.plan(*images, sets=("autoft.search_on=id_val",)).runs
    assert {run.method for run in runs if not ranks.spreads(run)} == set(ONE_PROCESS)
    assert {run.method for run in runs} == set(images) and len(images) >= 26
    section = re.search(r"### One run on several GPUs\n(.*?)\n##", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)[1]
    told = section[section.index("on one process") : section.index("so, too,")]
    assert set(re.findall(r"`([\w-]+)`", told)) == set(ONE_PROCESS)
