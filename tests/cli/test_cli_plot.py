"""`repro plot`: what it takes, where it writes, what it says where there is nothing to draw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fabricated
import pytest

import repro

pytest.importorskip("matplotlib", reason="figures are an extra")


def epochs(*shares: float):
    return [
        fabricated.checkpoint(f"epoch-{number}", id_val=share, id_test=share, sketch=share - 0.1).model_copy(
            update={"epoch": number, "train": {"loss": 1 - share}}
        )
        for number, share in enumerate(shares, start=1)
    ]


@pytest.fixture
def stored(home_store, tmp_path, monkeypatch):
    """Two seeds of FT on a made-up benchmark that calls itself digits; files are written to the test's folder."""
    monkeypatch.chdir(tmp_path)
    return [
        fabricated.finish(home_store, fabricated.run("ft", seed=seed, of=fabricated.of_digits()), *epochs(0.5, 0.7, 0.6)) for seed in (0, 1)
    ]


def test_the_file_is_named_after_what_it_shows(call, stored, tmp_path):
    code, out, _ = call("plot", "robustness", "digits")
    assert code == 0
    assert out.splitlines()[0] == "robustness-digits.svg"
    assert "6 judged epochs" in out and "effective robustness" in out
    assert (tmp_path / "robustness-digits.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_the_suffix_says_the_format(call, stored, tmp_path, form):
    assert call("plot", "training", "--out", f"figure.{form}")[0] == 0
    assert (tmp_path / f"figure.{form}").stat().st_size > 1000


def test_runs_are_named_by_keys(call, stored):
    assert call("plot", "training", stored[1].key[:8], "--out", "one.svg")[0] == 0
    text = Path("one.svg").read_text()
    assert f"ft seed 1 ({stored[1].key[:8]})" in text and "ft seed 0" not in text
    assert "epoch (selected: 2)" in text
    assert call("plot", "training", stored[1].key[:8], "--select", "last", "--out", "one.svg")[0] == 0
    assert "epoch (selected: 3)" in Path("one.svg").read_text()


def test_tiny_runs_are_drawn_apart_and_say_so(call, stored, home_store):
    tiny = fabricated.run("ft", of=fabricated.of_digits(tiny=True))
    fabricated.finish(home_store, tiny, *epochs(0.5, 0.6))
    assert call("plot", "robustness", "--tiny")[1].startswith("robustness-digits-tiny.svg")
    assert "TINY" in Path("robustness-digits-tiny.svg").read_text()
    assert call("plot", "robustness", tiny.key, "--out", "key.svg")[0] == 0
    assert "TINY" in Path("key.svg").read_text()


def test_what_cannot_be_drawn_is_told_with_the_command_that_makes_it(mistake, stored):
    assert mistake("plot", "wise-ft", "digits")[2] == "repro run digits -m wise-ft"
    assert mistake("plot", "distortion", "digits")[2] == "repro run digits -m ft,lp-ft"
    assert mistake("plot", "groups", "digits")[0] == "digits has no groups"
    assert mistake("plot", "robustness", "fmow")[2] == "repro run fmow"
    assert mistake("plot", "robustness", "--tiny")[2] == "repro run digits --tiny"


@pytest.mark.parametrize(
    ("arguments", "what", "cure"),
    [
        (("robustnes",), "there is no kind of figure 'robustnes'", "repro plot --help"),
        (("training", "digit"), "there is no benchmark or key 'digit'", "repro list benchmarks, or repro show for keys"),
        (("training", "abcdef"), "no run's key starts with abcdef", "repro show"),
        (("training", "--select", "best"), "there is no selection rule 'best'", "repro plot --help"),
        (("training", "--out", "figure.gif"), "there is no figure format 'gif'", "repro plot KIND --out FILE.svg, FILE.pdf or FILE.png"),
    ],
)
def test_mistakes_are_told(mistake, stored, arguments, what, cure):
    told = mistake("plot", *arguments)
    assert (told[0], told[2]) == (what, cure)


def test_tiny_and_whole_runs_are_not_mixed(mistake, stored, home_store):
    tiny = fabricated.run("ft", of=fabricated.of_digits(tiny=True))
    fabricated.finish(home_store, tiny, *epochs(0.5, 0.6))
    assert mistake("plot", "training", tiny.key, stored[0].key)[1] == "they are comparable with nothing"


def test_an_unfinished_run_and_a_stage_have_no_figure(mistake, stored, home_store):
    unfinished = fabricated.run("lp", of=fabricated.of_digits())
    home_store.release(home_store.claim(unfinished))
    assert "is not finished" in mistake("plot", "training", unfinished.key)[0]
    stage = fabricated.finish(home_store, fabricated.run("clip-pretrain", of=fabricated.of_digits()))
    assert mistake("plot", "robustness", stage.key)[2] == "repro show"


def test_too_many_panels_are_refused(mistake, home_store):
    keys = [
        fabricated.finish(home_store, fabricated.run("ft", seed=seed, of=fabricated.of_digits()), *epochs(0.5)).key for seed in range(13)
    ]
    assert mistake("plot", "training", *keys)[0] == "that would be 13 panels"


def test_a_figure_of_stored_numbers_never_imports_torch(stored, tmp_path):
    script = "import sys\nfrom repro.cli import main\ntry:\n    main(['plot', 'robustness'])\nexcept SystemExit as stop:\n    print('CODE', stop.code, *sys.modules)"
    top = Path(repro.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(top), "REPRO_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    code, *loaded = done.stdout.splitlines()[-1].removeprefix("CODE ").split()
    assert code == "0" and "matplotlib" in loaded
    assert {"torch", "pandas", "sklearn", "scipy"} & set(loaded) == set()
