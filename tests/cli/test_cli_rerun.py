"""`repro rerun`: real runs of the digits benchmark's tiny subset, repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_digits
from tiny_digits import CPU, Log, execute, pretrained_home

from repro.nn.networks.weights import file_hash
from repro.nn.probes import logreg
from repro.outcomes import reruns
from repro.outcomes.finished import Finished, find
from repro.outcomes.store import Store, write_atomically

SAME = "identical: same run, same environment, and every number agrees bit for bit"


def home_with(folder: Path, method: str) -> Finished:
    """A home in which `method` and what it starts from are done."""
    plan = tiny_digits.plan(method)
    places = pretrained_home(folder)
    assert execute(plan, places, CPU, Log()) == []
    return find(Store(places.runs), plan.asked[-1])


def everything(folder: Path) -> dict[str, bytes]:
    """The bytes of each file below, but for what repetitions recorded, and packs' locks."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != reruns.FILE}


def test_without_check_nothing_is_done(call, tmp_path):
    original = home_with(tmp_path, "lp")
    before = everything(tmp_path)
    code, out, _ = call("--home", tmp_path, "rerun", original.result.key[:8], "--times", "3")
    assert code == 0 and out.startswith("would repeat lp seed 0 of digits: ") and " 3 × on cpu" in out
    assert f"next: repro --home {tmp_path} rerun {original.result.key} --check" in out
    assert everything(tmp_path) == before and reruns.recorded(original.folder) == ()


def test_a_repetition_agrees_bit_for_bit_and_leaves_the_original_alone(call, tmp_path):
    original = home_with(tmp_path, "lp-ft")
    before = everything(tmp_path)
    code, out, _ = call("--home", tmp_path, "rerun", original.result.key, "--check", "--times", "2")
    assert code == 0
    assert out.splitlines() == [SAME, SAME, "2 repetitions: 2 bit for bit as the original"]
    assert everything(tmp_path) == before
    made = reruns.recorded(original.folder)
    assert len(made) == 2 and all(one.difference.exact and one.environment == original.result.environment for one in made)
    assert call("--home", tmp_path, "show", original.result.key)[1].count(SAME) == 2


def perturb(original: Finished) -> None:
    """Let the stored run have three other predictions of id_test, by logits that are 50 higher, and the accuracy that goes with it."""
    point, path = original.reported(), original.folder / "predictions.npz"
    arrays = dict(np.load(path))
    logits, labels = arrays[f"{point.name}/id_test"].copy(), arrays["labels/id_test"]
    right = np.flatnonzero(logits.argmax(axis=1) == labels)[:3]
    logits[right, (labels[right] + 1) % 10] += 50
    assert (logits.argmax(axis=1) != labels)[right].all()
    arrays[f"{point.name}/id_test"] = logits
    np.savez(path, **arrays)
    lowered = {**point.metrics, "id_test": {"accuracy": point.metrics["id_test"]["accuracy"] - 3 / len(labels)}}
    points = [one.model_copy(update={"metrics": lowered}) if one == point else one for one in original.result.checkpoints]
    files = {**original.result.files, path.name: file_hash(path)}
    changed = original.result.model_copy(update={"checkpoints": tuple(points), "files": files})
    write_atomically(original.folder / "result.json", changed.model_dump_json())


def test_an_original_with_other_numbers_is_found_and_sized(call, tmp_path):
    original = home_with(tmp_path, "ft")
    perturb(original)
    code, out, _ = call("--home", tmp_path, "rerun", original.result.key, "--check", "--json")
    assert code == 0
    (found,) = json.loads(out)
    difference = found["difference"]
    assert difference["exact"] is False and difference["changes"] == []
    assert difference["verdict"].startswith("same key and environment, and the numbers differ: noise of 3 points at most (id_test)")
    moved = {shift["split"]: round(100 * (shift["second"] - shift["first"]), 6) for shift in difference["shifts"]}
    assert moved.pop("id_test") == 3.0 and set(moved.values()) == {0.0}
    outputs = {split["split"]: (round(split["largest"], 3), split["changed"]) for split in difference["outputs"]["splits"]}
    assert outputs.pop("id_test") == (50.0, 3) and set(outputs.values()) == {(0.0, 0)}
    assert reruns.recorded(original.folder)[0].model_dump(mode="json") == found


def test_a_repetition_that_breaks_is_recorded_and_exits_with_1(call, tmp_path, monkeypatch):
    original = home_with(tmp_path, "lp")

    def fit(*arguments: object) -> None:
        raise ArithmeticError("the solver broke")

    monkeypatch.setattr(logreg, "fit", fit)
    before = everything(tmp_path)
    code, out, _ = call("--home", tmp_path, "rerun", original.result.key, "--check")
    assert code == 1 and out == "the repetition broke: ArithmeticError: the solver broke\n"
    assert everything(tmp_path) == before
    assert [one.error for one in reruns.recorded(original.folder)] == ["ArithmeticError: the solver broke"]


def test_an_interrupted_repetition_leaves_nothing(tmp_path):
    original = home_with(tmp_path, "ft")
    before = everything(tmp_path)
    words = [sys.executable, "-m", "repro", "--home", tmp_path, "rerun", original.result.key, "--check", "--times", "1000"]
    process = subprocess.Popen(words, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".rerun-*/*/*/checkpoint")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert everything(tmp_path) == before and list(tmp_path.glob(".rerun-*")) == []


def test_a_run_that_cannot_be_repeated_is_a_mistake(mistake, tmp_path):
    original = home_with(tmp_path, "lp")
    for parent in original.parents().values():
        for path in parent.folder.glob("weights-*"):
            path.unlink()
    what, _, _ = mistake("--home", tmp_path, "rerun", original.result.key, "--check")
    assert "are not kept" in what
    assert mistake("--home", tmp_path, "rerun", "abcd", "--check")[0] == "no run's key starts with abcd"
    assert mistake("--home", tmp_path, "rerun", original.result.key, "--times", "0")[0].startswith("Invalid value for '--times'")


@pytest.mark.parametrize("threads", [1, 2])
def test_another_number_of_threads_is_said(call, tmp_path, threads):
    """The original's record is given another number of threads and another loss: the advice is to take as many."""
    original = home_with(tmp_path, "lp")
    perturb(original)
    changed = find(Store(tmp_path / "runs"), original.result.key).result
    changed = changed.model_copy(update={"environment": changed.environment | {"threads": threads}})
    write_atomically(original.folder / "result.json", changed.model_dump_json())
    out = call("--home", tmp_path, "rerun", original.result.key, "--check")[1]
    assert (f"next: OMP_NUM_THREADS={threads} repro rerun {original.result.key} --check" in out) == (threads == 2)
