"""`repro run --workers`, `repro status`, `repro logs` and `repro cancel`, as users type them."""

from __future__ import annotations

import json
import subprocess
import sys

import fabricated
import pytest

from repro import paths
from repro.cli import main
from repro.launch import local
from repro.outcomes.store import Store

SCRATCH = ["run", "digits", "--tiny", "-m", "scratch", "--device", "cpu"]


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """What the program prints, and its exit code."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path))
    monkeypatch.setenv("REPRO_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setattr(local, "COMMAND", (sys.executable, "-m", "bench.noop_worker"))
    monkeypatch.setenv("PYTHONPATH", str(paths.tables_dir().parent))

    def call(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        said = capsys.readouterr()
        assert stop.value.code == code, said
        return said.out + said.err

    return call


def test_workers_do_the_runs_and_the_table_follows(say, tmp_path):
    said = say(*SCRATCH, "--seeds", "4", "--workers", "2")
    assert "2 workers: 2 on cpu" in said
    assert all(f"scratch seed {seed}" in said for seed in range(4))
    assert "50.0 ± 0.0" in said and said.index("2 workers") != -1
    assert "0 runs to do" in say(*SCRATCH, "--seeds", "4", "--workers", "2")


def test_a_failure_is_exit_code_1_and_shown(say, tmp_path, monkeypatch):
    monkeypatch.setenv("NOOP", json.dumps({"fail": ["scratch seed 1"]}))
    said = say(*SCRATCH, "--seeds", "3", "--workers", "2", code=1)
    assert "failed: scratch seed 1" in said and "ArithmeticError: made to fail" in said
    shown = say("status")
    assert "3 runs: 2 done, 1 failed" in shown and "ArithmeticError: made to fail" in shown
    key = shown.partition("repro logs ")[2].partition(";")[0]
    assert "started" in say("logs", key) and "noop_run.py" in say("logs", key)
    assert "ArithmeticError" in json.loads(say("status", "--json"))["failed"][0]["error"]


def test_nothing_yet(say):
    assert "nothing has been run yet" in say("status")
    assert "nothing is under way" in say("cancel", code=2)


def test_logs_of_a_run_in_the_foreground(say, tmp_path):
    store = Store(tmp_path / "runs")
    run = fabricated.run()
    folder = store.claim(run)
    told = say("logs", run.key[:6], code=2)
    assert "no worker has printed anything" in told and told.rstrip().endswith(f"try: repro show {run.key}")
    store.fail(folder, fabricated.failure(run))
    assert "Traceback: made up" in say("logs", run.key)


@pytest.mark.parametrize("option", [("--partition", "x"), ("--gpus", "1"), ("--time", "1"), ("--array-limit", "2"), ("--set-slurm", "a=b")])
def test_an_option_of_slurms_without_it_is_a_mistake(say, option):
    assert f"{option[0]} without --slurm" in say(*SCRATCH, *option, code=2)


def test_a_wrong_number_of_workers_is_a_mistake(say):
    assert "--workers many" in say(*SCRATCH, "--workers", "many", code=2)


def test_status_of_one_benchmark(say, tmp_path):
    store = Store(tmp_path / "runs")
    fabricated.finish(store, fabricated.run())
    fabricated.finish(store, fabricated.run("scratch", of=fabricated.of_digits()))
    assert "runs of digits: 1 done" in say("status") and "runs of made-up: 1 done" in say("status")
    assert "made-up" not in say("status", "digits")
    assert say("status", "folder") == "nothing of folder has been run yet\nnext: repro run folder\n"


def test_status_reads_no_result(say, tmp_path):
    """However many there are: their content is not looked at, nor is torch loaded."""
    folder = tmp_path / "runs" / "digits"
    for number in range(300):
        (folder / f"ft-s{number}-{number:020x}").mkdir(parents=True)
        (folder / f"ft-s{number}-{number:020x}" / "result.json").write_text("not read")
    assert "300 done" in say("status")
    script = "import sys\nfrom repro.cli import main\ntry: main(['status'])\nexcept SystemExit: pass\nprint('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
