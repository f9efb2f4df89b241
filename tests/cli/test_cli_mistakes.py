"""Each mistake is three lines and exit code 2; nothing is lost, and no stack trace is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import fabricated
import pytest

import repro
from repro.__main__ import main as from_the_shell

TOP = Path(repro.__file__).parent.parent

MISTAKES = {
    "command": (("rnu",), "No such command 'rnu'", "did you mean 'run'?", "repro --help"),
    "option": (("run", "digits", "--sedes", "3"), "--sedes", "", "repro run --help"),
    "no benchmark": (("run",), "name a benchmark, or a table by --table", "one command runs one benchmark", "repro run digits"),
    "both": (("run", "digits", "--table", "lp-ft/2"), "a benchmark and a table were named", "one command", "repro run --table lp-ft/2"),
    "paper table": (("run", "--table", "lp-ft/3"), "there is no table 'lp-ft/3'", "did you mean 'lp-ft/2'?", "repro list tables"),
    "paper": (("run", "digits", "--paper", "lp-ft"), "there is no paper with recipes for digits 'lp-ft'", "", "repro run digits"),
    "benchmark": (("run", "digit"), "there is no benchmark 'digit'", "did you mean 'digits'?", "repro list"),
    "method": (("run", "digits", "-m", "lpft"), "there is no method 'lpft'", "did you mean 'lp-ft'?", "repro list methods"),
    "seeds": (("run", "digits", "--seeds", "three"), "--seeds three", "0,4 means those two", "--seeds 3"),
    "field": (("run", "digits", "--set", "lrr=1"), "no field 'lrr'", "did you mean 'lr'?", "repro list fields"),
    "value": (("run", "digits", "--set", "lr=fast"), "'fast' is not a value of lr", "number", "--set lr=0.001"),
    "no subcommand": (("data",), "Missing command", "", "repro data --help"),
    "empty value": (("run", "digits", "--backbone", ""), "--backbone is empty", "not set", "leave --backbone out"),
    "empty method": (("run", "digits", "-m", ""), "-m is empty", "not set", "leave -m out"),
    "empty after =": (("run", "cifar10.1", "--ood="), "--ood is empty", "not set", "leave --ood out"),
    "value of a key": (("run", "digits", "--set", "lr=inf"), "'inf' is not a value of lr", "finite", "--set lr=0.001"),
    "value with a line break": (("run", "digits", "--set", "lr=1\n2"), "is not a value of lr", "number", "--set lr=0.001"),
    "scope": (("run", "digits", "--set", "lpft.lr=1"), "no method 'lpft'", "did you mean 'lp-ft'?", "repro list methods"),
    "meaning": (("run", "digits", "--set", "lp.lr=1"), "lr means nothing to lp", "lp uses", "METHOD.lr"),
    "scope of no run": (
        ("run", "digits", "-m", "ft", "--set", "wise-ft.base=flyp"),
        "--set wise-ft.base=flyp: no run of wise-ft is planned",
        "the runs are of clip-pretrain, ft",
        "add --method wise-ft",
    ),
    "backbone": (
        ("run", "digits", "--backbone", "digit-clip"),
        "no backbone 'digit-clip'",
        "did you mean 'digits-clip'?",
        "repro list backbones",
    ),
    "weights": (("run", "digits", "--weights", "/no/such"), "cannot read the weights file /no/such", "No such file", "--weights FILE"),
    "option of another": (("run", "digits", "--root", "x"), "digits takes no --root", "", "repro run digits"),
    "all that is missing": (  # though runs are named by the weights, which are not there either
        ("run", "cifar10.1", "--ood", "v6"),
        "not here: cifar10 (170 MB), cifar10.1 (12.4 MB), moco moco_v2_800ep_pretrain.pth.tar",
        "to fetch",
        "repro data fetch cifar10 cifar10.1 && repro data fetch moco --only moco_v2_800ep_pretrain.pth.tar",
    ),
    "folder": (("run", "folder"), "folder needs --root", "", "repro run folder --root DIR"),
    "list": (("list", "method"), "there is no list 'method'", "did you mean 'methods'?", "repro list"),
    "table": (("table", "digit"), "there is no table 'digit'", "did you mean 'digits'?", "repro list tables"),
    "no results": (("table",), "there are no results yet", "looked in", "repro run digits"),
    "no results of": (("table", "folder", "--tiny"), "no results of folder on tiny subsets", "looked in", "repro run folder --tiny"),
    "rule": (("table", "--select", "idval"), "no selection rule 'idval'", "did you mean 'id_val'?", "repro table --help"),
    "format": (("table", "--format", "markdwon"), "no format 'markdwon'", "did you mean 'markdown'?", "repro table --help"),
    "unknown key": (("show", "abcd"), "no run's key starts with abcd", "looked in", "repro show"),
    "status of": (("status", "digit"), "there is no benchmark 'digit'", "did you mean 'digits'?", "repro list benchmarks"),
    "no key": (("show", "xyzzy"), "'xyzzy' is not a run's key", "hexadecimal", "repro show"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_three_lines_and_exit_code_2(mistake, name):
    arguments, what, why, cure = MISTAKES[name]
    lines = mistake(*arguments)
    assert what in lines[0] and why in lines[1] and cure in lines[2], lines


def test_a_broken_config_is_a_mistake(mistake, tmp_path):
    (tmp_path / "config.toml").write_text('rums = "x"')
    for arguments in ((), ("table",), ("run", "digits", "--dry-run")):
        assert "config.toml" in mistake(*arguments)[0]


def test_a_runs_folder_that_cannot_be_written_stops_the_run_before_it_starts(mistake, call, tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        code, out, err = call("--runs", place, "run", "digits", "--method", "scratch", "--seeds", "1")
        assert code == 2
        assert err.splitlines()[0] == f"error: cannot write to the runs folder {place}" and len(err.splitlines()) == 3
        assert "1 runs to do" in out, "the plan is printed first"
        assert call("--runs", place, "run", "digits", "--dry-run")[0] == 0
        assert mistake("--runs", place, "table")[0] == "there are no results yet"


def test_a_damaged_result_is_a_mistake_where_its_run_is_named(mistake, home_store):
    run, other = (fabricated.finish(home_store, fabricated.run("ft", seed, of=fabricated.of_digits())).run for seed in (0, 1))
    (home_store.folder(run) / "result.json").write_text("{")
    named = (
        ("show",),
        ("show", "--json"),
        ("diff", other.key),
        ("compare", other.key),
        ("compare", "ft"),
        ("rerun",),
        ("plot", "training"),
    )
    for words in named:
        what, _, cure = mistake(*words, run.key)
        assert what == f"{home_store.folder(run)}/result.json is damaged" and cure.startswith(f"rm -r {home_store.folder(run)}")


def test_an_output_that_cannot_be_written(mistake, home_store, tmp_path):
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits()))
    (tmp_path / "no").write_text("a file")
    assert mistake("table", "--out", tmp_path / "no" / "t.md")[0] == f"cannot write {tmp_path}/no/t.md"


def test_a_run_that_did_not_finish_cannot_be_shown(mistake, home_store):
    run = fabricated.run("ft", of=fabricated.of_digits())
    home_store.claim(run)
    assert mistake("show", run.key)[0].endswith("is not finished")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "UTF8"])
def test_whatever_the_locale_a_pipe_gets_every_sign(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "repro", "table", "lp-ft/2"], capture_output=True, cwd=TOP, env=environment)
    assert done.returncode == 0 and "ImageNet-R" in done.stdout.decode() and " – " in done.stdout.decode()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no terminals to make")
def test_a_terminal_of_another_encoding_gets_a_question_mark():
    above, below = os.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "repro", "run", "digits", "--dry-run"], stdout=below, stderr=subprocess.PIPE, cwd=TOP, env=environment
    )
    os.close(below)
    assert (done.returncode, done.stderr) == (0, b"") and os.read(above, 100).startswith(b"digits: 4 writers ? 4 unseen writers")
    os.close(above)


def from_a_shell_where(work, monkeypatch) -> int:
    """Exit code of a run whose work does that."""
    monkeypatch.setattr("repro.cli.running._work", work)
    monkeypatch.setattr(sys, "argv", ["repro", "run", "digits", "--method", "scratch"])
    with pytest.raises(SystemExit) as stop:
        from_the_shell()
    return stop.value.code


@pytest.mark.parametrize("as_made_by", ["Python", "what raises from it", "what is not written in Python"])
def test_ctrl_c_is_one_line_and_130_whatever_a_library_makes_of_it(capsys, monkeypatch, as_made_by):
    def interrupted(*arguments, **options):
        if as_made_by == "what is not written in Python":
            raise RuntimeError("while building a serializer: KeyboardInterrupt: ")
        if as_made_by == "what raises from it":
            raise RuntimeError("something else") from KeyboardInterrupt()
        raise KeyboardInterrupt

    assert from_a_shell_where(interrupted, monkeypatch) == 130
    assert capsys.readouterr().err.strip() == "interrupted: nothing is lost, the same command continues"


def test_another_error_is_not_taken_for_ctrl_c(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        from_a_shell_where(broken, monkeypatch)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_error(unbuffered):
    """As in `repro list fields | head -n 1`."""
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [sys.executable, "-m", "repro", "list", "fields"], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=TOP, env=environment
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_below_the_output_is_three_lines(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "repro", "list"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=TOP, env=environment
        )
    assert done.returncode == 2 and done.stderr.startswith("error: a disk is full\n  why: No space left on device")
    assert len(done.stderr.splitlines()) == 3


def _heed_ctrl_c() -> None:
    """What runs in the background ignores it, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_while_the_program_loads_is_one_line_whatever_a_library_makes_of_it(tmp_path):
    """A module that swallows everything stands for those that guard their imports so."""
    swallowing = "import os, signal\ntry: os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException: pass\nraise SystemExit('swallowed')\n"
    (tmp_path / "typer.py").write_text(swallowing)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TOP}"}
    done = subprocess.run(
        [sys.executable, "-m", "repro"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        preexec_fn=_heed_ctrl_c,
    )
    assert (done.returncode, done.stderr.strip()) == (130, "interrupted: nothing is lost, the same command continues")


def test_a_cure_names_the_same_places(mistake, tmp_path):
    """Without them the printed command would look in another folder."""
    *_, cure = mistake("--data", tmp_path / "my data", "data", "verify", "nothing-of-this-name")
    assert cure == f"repro --data '{tmp_path}/my data' data list"
    *_, cure = mistake(f"--runs={tmp_path}", "table", "digits")
    assert cure == f"repro --runs {tmp_path} run digits"
