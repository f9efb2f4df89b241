"""What nobody else's file, name or address may do here, check by check; the readers of archives have theirs in tests/data."""

from __future__ import annotations

import ast
import io
import os
import shutil
from collections import Counter
from pathlib import Path

import fabricated
import kept_predictions
import numpy as np
import pytest
import tiny_digits
import torch

import repro
from repro import plugins
from repro.data import manifest
from repro.data.fields import without_secrets
from repro.errors import UserError
from repro.launch import launches
from repro.nn.inputs import packs
from repro.nn.networks.weights import load_weights
from repro.outcomes.comparison import compare
from repro.outcomes.pairing import find
from repro.outcomes.store import Store, safe
from repro.papers import arrangement, reported
from repro.planning.attempt import Work, attempt
from repro.planning.plan import Plan

PACKAGE = Path(repro.__file__).parent
CALLS = [
    (path.relative_to(PACKAGE), node, ast.unparse(node.func))
    for path in sorted(PACKAGE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call)
]


class Malicious:
    """A pickle that leaves a file where it is executed."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path):
    """Must not exist at the end."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


# what is executed


def test_nothing_in_the_program_executes_what_it_reads():
    counted = Counter(name for _, _, name in CALLS)
    assert counted["torch.load"] >= 2 and counted["np.load"] >= 4 and counted["subprocess.run"] >= 5, "the walk sees calls"
    never = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pd.read_pickle", "yaml.load"}
    assert [(str(path), node.lineno, name) for path, node, name in CALLS if name in never] == []


def option(node: ast.Call, name: str) -> object:
    return next((getattr(word.value, "value", word.value) for word in node.keywords if word.arg == name), None)


def test_torch_reads_weights_only_and_numpy_no_objects():
    for path, node, name in CALLS:
        if name == "torch.load":
            assert option(node, "weights_only") is True, f"{path}:{node.lineno}"
        if name in ("np.load", "numpy.load"):
            assert option(node, "allow_pickle") in (None, False), f"{path}:{node.lineno}"


def test_an_unpickler_of_our_own_names_what_it_may_find():
    classes = [
        (path, node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any("Unpickler" in ast.unparse(base) for base in node.bases)
    ]
    assert len(classes) >= 1
    for path, node in classes:
        assert "find_class" in {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}, path


def test_other_programs_get_lists_of_arguments():
    seen = 0
    for path, node, name in CALLS:
        if name in {f"subprocess.{call}" for call in ("run", "Popen", "call", "check_call", "check_output")}:
            seen += 1
            assert option(node, "shell") is None, f"{path}:{node.lineno}"
            assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), f"{path}:{node.lineno}"
    assert seen >= 7


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.bin"])
def test_a_malicious_checkpoint_is_refused_by_name(tmp_path, mark, name):
    torch.save({"state_dict": Malicious(mark)}, tmp_path / name)
    with pytest.raises(UserError) as caught:
        load_weights(tmp_path / name)
    assert str(tmp_path / name) in caught.value.what and "would execute code" in caught.value.why


def test_a_malicious_state_of_a_run_is_set_aside(tmp_path, mark):
    """In a shared folder of runs: the run starts over instead."""
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("scratch")
    run = next(run for run in plan.runs if run.method == "scratch")
    folder = Store(places.runs).folder(run) / "checkpoint"
    folder.mkdir(parents=True)
    torch.save({"model": Malicious(mark)}, folder / "state.pt")
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    assert Store(places.runs).result(run) is not None


def test_malicious_predictions_are_refused_by_name(tmp_path, mark):
    store = Store(tmp_path / "runs")
    for method in ("ft", "lp-ft"):
        kept_predictions.finish(store, fabricated.run(method))
    path = store.folder(fabricated.run("ft")) / "predictions.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    objects = np.empty(1, dtype=object)
    objects[0] = Malicious(mark)
    np.savez(path, **{**content, "best/id_test": objects})
    with pytest.raises(UserError, match="is damaged") as caught:
        compare(store, find(store, "lp-ft", "ft"))
    assert str(path) in caught.value.what


@pytest.mark.parametrize("file", ["labels.npy", "shapes.npy", "caption_of.npy"])
def test_a_malicious_pack_is_refused_by_name(tmp_path, mark, file):
    from image_files import examples, noise

    packs.build(tmp_path / "pack", examples([noise(9, 9)]), packs.Resize(side=8, mode="crop"), lambda done: None)
    stream = io.BytesIO()
    objects = np.empty(1, dtype=object)
    objects[0] = Malicious(mark)
    np.save(stream, objects, allow_pickle=True)
    assert b"executed" in stream.getvalue()
    (tmp_path / "pack" / file).write_bytes(stream.getvalue())
    with pytest.raises(UserError, match="is damaged") as caught:
        packs.open_pack(tmp_path / "pack")
    assert str(tmp_path / "pack") in caught.value.what


# names that lead elsewhere

OUTSIDE = ["../x", "..", "/etc/passwd", "a/../../x", "..\\x", "x\x00y", "%2e%2e/x", "~root"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(
    "read",
    [manifest.load, plugins.benchmark, plugins.method, plugins.dataset, arrangement.load, reported.load],
    ids=lambda read: read.__qualname__,
)
def test_a_name_is_one_of_those_that_there_are(read, name):
    with pytest.raises(UserError):
        read(name)


@pytest.mark.parametrize("name", [*OUTSIDE, ".", "", "a b", "C:x", "...", ".hidden"])
def test_a_runs_folder_is_below_the_store(tmp_path, name):
    """Whatever a benchmark or a method calls itself, in a record that somebody else wrote."""
    run = fabricated.run(of=fabricated.benchmark(name=name)).model_copy(update={"method": name})
    folder = Store(tmp_path).folder(run)
    assert Path(os.path.normpath(folder)) == folder and folder.parent.parent == tmp_path
    assert not safe(name).startswith(".")


@pytest.mark.parametrize("name", ["../20260101.000000.abcdef", "20260101.000000.abcdef/..", "x", ".."])
def test_a_launch_is_only_looked_for_under_its_own_kind_of_name(tmp_path, name):
    plan = Plan(benchmark=fabricated.benchmark(), runs=(fabricated.run(),), asked=())
    places = tiny_digits.places_at(tmp_path)
    launch = launches.create([plan], places, 1)
    assert launch.folder.parent == places.runs / launches.FOLDER
    shutil.copytree(launch.folder, launch.folder.parent / name.strip("./").replace("/", "_") / "x")
    assert [found.id for found in launches.every(places.runs)] == [launch.id]


# secrets

TOKEN, PASSWORD = "hf_TopSecretToken", "TopSecretPassword"


@pytest.fixture
def secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("WANDB_API_KEY", TOKEN[::-1])
    monkeypatch.setenv("https_proxy", f"http://me:{PASSWORD}@proxy.example:3128")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            f"Cannot connect to proxy http://me:{PASSWORD}@proxy.example:3128/: refused",
            "Cannot connect to proxy http://proxy.example:3128/: refused",
        ),
        (f"header Authorization: Bearer {TOKEN} was refused", "header Authorization: Bearer … was refused"),
        (f"key {TOKEN[::-1]}", "key …"),
        ("GET https://a.example/x?X-Amz-Signature=abc123&n=1 failed", "GET https://a.example/x?X-Amz-Signature=…&n=1 failed"),
        ("mail me@example.org about https://a.example/x@2", "mail me@example.org about https://a.example/x@2"),
    ],
)
def test_what_may_be_kept_of_a_message(secrets, said, kept):
    assert without_secrets(said) == kept


class Silent:
    def __getattr__(self, name):
        return lambda *arguments: None


def test_no_secret_reaches_what_a_run_leaves(tmp_path, secrets):
    def do(run, folder, on_step):
        raise ConnectionError(f"proxy http://me:{PASSWORD}@proxy.example:3128 refused Bearer {TOKEN}")

    store, run = Store(tmp_path / "runs"), fabricated.run("scratch")
    failure = attempt(run, store, Work(do, dict), Silent())
    assert "proxy.example:3128" in failure.error
    assert attempt(fabricated.run("ft"), store, Work(lambda run, folder, on_step: fabricated.result(run), dict), Silent())
    launches.create([Plan(benchmark=run.benchmark, runs=(run,), asked=())], tiny_digits.places_at(tmp_path), 1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert not any(secret in path.read_text() for secret in (TOKEN, TOKEN[::-1], PASSWORD)), path


def test_the_environment_of_a_result_names_no_variable(secrets):
    from repro.preflight import environment

    described = str(environment.describe())
    assert TOKEN not in described and PASSWORD not in described
