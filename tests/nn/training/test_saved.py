"""Interrupted at any instant and continued, a run leaves the very bytes of an undisturbed one."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import fabricated
import numpy as np
import pytest
import tiny_digits
import torch
from tiny_digits import CPU, Log, bytes_of, execute, pretrained_home

from repro.errors import UserError
from repro.nn.inputs import packs
from repro.nn.training import progress, saved
from repro.outcomes.metrics import evaluate
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning.plan import Plan
from repro.types import Grouping, Run

SETS = ("epochs=3", "batch_size=32", "augment=shift", "lr=1e-3")
STEPS = 12  # four per epoch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Run, dict[str, bytes]]:
    plan, places = tiny_digits.plan("ft", sets=SETS), pretrained_home(tmp_path_factory.mktemp("undisturbed"))
    assert execute(plan, places, CPU, Log()) == []
    run = plan.runs[-1]
    left = bytes_of(places, run)
    assert {"checkpoints", "predictions.npz"} < left.keys() and any(name.startswith("weights-") for name in left)
    return plan, run, left


class Interrupting(Log):
    """Ctrl-C in step `at` of fine-tuning."""

    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def proceeded(self, run: Run, done: int, total: int, what: str) -> None:
        super().proceeded(run, done, total, what)
        if run.method == "ft" and what.startswith("epoch") and done == self.at:
            raise KeyboardInterrupt


def steps_taken(log: Log) -> list[int]:
    return [done for method, done, _, what in log.steps if method == "ft" and what.startswith("epoch")]


def finish(plan: Plan, places: Places) -> Log:
    log = Log()
    assert execute(plan, places, CPU, log) == []
    return log


def save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every step, whatever that costs."""
    monkeypatch.setattr(progress, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(progress, "SAVE_SHARE", 1e9)


@pytest.mark.parametrize("often", [True, False], ids=["state-every-step", "state-every-epoch"])
@pytest.mark.parametrize("at", [1, 3, 4, 6, 12])
def test_interrupted_after_any_step(undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, often: bool) -> None:
    plan, run, expected = undisturbed
    places = pretrained_home(tmp_path)
    save_often(monkeypatch) if often else monkeypatch.setattr(progress, "SAVE_SECONDS", 1e9)
    with pytest.raises(KeyboardInterrupt):
        execute(plan, places, CPU, Interrupting(at))
    store = Store(places.runs)
    assert store.result(run) is None and not store.busy(run)
    resumed = steps_taken(finish(plan, places))
    saved_until = (at - 1) if often else (at - 1) // 4 * 4  # the step's own state is written after the interruption
    assert resumed == list(range(saved_until + 1, STEPS + 1))
    assert bytes_of(places, run) == expected


def test_interrupted_again_and_again(undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, run, expected = undisturbed
    places = pretrained_home(tmp_path)
    save_often(monkeypatch)
    for at in (2, 5, 8, 9, 11):
        with pytest.raises(KeyboardInterrupt):
            execute(plan, places, CPU, Interrupting(at))
    finish(plan, places)
    assert bytes_of(places, run) == expected


WRITES = [  # (owner, function, which call, before or after it)
    (saved, "write_point", 1, "before"),
    (saved, "write_point", 2, "after"),
    (saved, "write_state", 2, "before"),
    (saved, "write_state", 3, "after"),
    (saved, "prune", 2, "before"),
    (saved, "prune", 3, "after"),
    (saved, "publish", 1, "before"),
    (saved, "publish", 1, "after"),
    (saved, "save_weights", 2, "after"),
    (Store, "finish", 1, "before"),
]


@pytest.mark.parametrize(("owner", "name", "call", "when"), WRITES, ids=[f"{when}-{name}-{call}" for _, name, call, when in WRITES])
def test_interrupted_between_the_writes_of_an_epochs_end(
    undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int, when: str
) -> None:
    plan, run, expected = undisturbed
    places, original, calls = pretrained_home(tmp_path), getattr(owner, name), []

    def interrupted(*args: object):
        calls.append(name)
        if len(calls) == call and when == "before":
            raise KeyboardInterrupt
        value = original(*args)
        if len(calls) == call and when == "after":
            raise KeyboardInterrupt
        return value

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            execute(plan, places, CPU, Log())
    assert Store(places.runs).result(run) is None
    finish(plan, places)
    assert bytes_of(places, run) == expected


def test_interrupted_in_an_epoch_after_one_that_is_not_judged(tmp_path: Path) -> None:
    """Losses of unjudged epochs are part of the state: the next checkpoint's averages include them."""
    plan = tiny_digits.plan("ft", sets=(*SETS, "judge_every=3"))
    whole, resumed = pretrained_home(tmp_path / "whole"), pretrained_home(tmp_path / "resumed")
    finish(plan, whole)
    with pytest.raises(KeyboardInterrupt):
        execute(plan, resumed, CPU, Interrupting(6))
    assert steps_taken(finish(plan, resumed)) == list(range(5, STEPS + 1))
    assert bytes_of(resumed, plan.runs[-1]) == bytes_of(whole, plan.runs[-1])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit_of_a_tensor(content: bytes) -> bytes:
    """In the middle of the largest part: torch.load itself would not notice."""
    position = len(content) // 2
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


@pytest.mark.parametrize("damage", [cut, flip_a_bit_of_a_tensor, lambda content: b"", lambda content: b"PK" + content[2:900]])
def test_a_damaged_state_starts_over_with_the_same_numbers(
    undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage
) -> None:
    plan, run, expected = undisturbed
    places = pretrained_home(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(plan, places, CPU, Interrupting(6))
    state = Store(places.runs).folder(run) / "checkpoint" / "state.pt"
    state.write_bytes(damage(state.read_bytes()))
    assert steps_taken(finish(plan, places)) == list(range(1, STEPS + 1))
    assert bytes_of(places, run) == expected


@pytest.mark.parametrize("damage", [cut, flip_a_bit_of_a_tensor, None], ids=["cut", "flipped", "gone"])
@pytest.mark.parametrize("kind", ["predictions", "weights"])
def test_a_kept_file_that_changed_starts_over_with_the_same_numbers(undisturbed: tuple, tmp_path: Path, kind: str, damage) -> None:
    plan, run, expected = undisturbed
    places = pretrained_home(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(plan, places, CPU, Interrupting(6))
    (kept, *_) = sorted((Store(places.runs).folder(run) / "checkpoint").glob(f"{kind}-*"))
    kept.write_bytes(damage(kept.read_bytes())) if damage else kept.unlink()
    assert steps_taken(finish(plan, places)) == list(range(1, STEPS + 1))
    assert bytes_of(places, run) == expected


def test_a_kept_file_that_changes_meanwhile_fails_the_run_and_the_next_starts_over(
    undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, run, expected = undisturbed
    places, publish = pretrained_home(tmp_path), saved.publish

    def spoiled(trainer):
        (kept, *_) = (trainer.folder / "checkpoint").glob("weights-*")
        kept.write_bytes(flip_a_bit_of_a_tensor(kept.read_bytes()))
        return publish(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(saved, "publish", spoiled)
        (failure,) = execute(plan, places, CPU, Log())
    assert "weights-epoch-" in failure.error and "is not what was written" in failure.error
    finish(plan, places)
    assert bytes_of(places, run) == expected


def test_only_checkpoints_that_a_rule_would_report_are_kept(undisturbed: tuple) -> None:
    _, _, left = undisturbed
    with np.load(io.BytesIO(left["predictions.npz"])) as arrays:
        names = {name.split("/")[0] for name in arrays.files} - {"labels", "groups"}
        splits = {name.split("/")[1] for name in arrays.files if name.startswith("epoch-3/")}
        assert arrays["epoch-3/photos"].shape == (100, 10) and arrays["labels/photos"].shape == (100,)
    assert "epoch-3" in names and len(names) <= 3
    assert splits == {"id_val", "id_test", "writers", "photos"}
    assert {f"weights-{name}.safetensors" for name in names} == {name for name in left if name.startswith("weights-")}


def test_all_metrics_follow_from_what_is_published(tmp_path: Path) -> None:
    """A run of a benchmark with groups leaves logits, labels and groups, each by its split's name."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(20, 2)).astype(np.float32)
    labels, groups = random.integers(0, 2, 20), {"region": random.integers(0, 3, 20)}
    judged = {"sketch": SimpleNamespace(pack=SimpleNamespace(labels=torch.from_numpy(labels), groups=groups))}
    trainer = SimpleNamespace(
        folder=tmp_path,
        judged=judged,
        keep=("epoch-1",),
        keep_weights=(),
        recipe=SimpleNamespace(keep_weights="none", judge="all"),
        progress=SimpleNamespace(files={}),
    )
    saved.write_point(trainer, "epoch-1", {"sketch": logits}, {})
    (published,) = saved.publish(trainer)
    benchmark = fabricated.benchmark(groupings=(Grouping(name="region", values=("Asia", "Africa", "Other"), ignored=("Other",)),))
    with np.load(published) as arrays:
        assert set(arrays.files) == {"epoch-1/sketch", "labels/sketch", "groups/sketch/region"}
        stored = evaluate(benchmark, arrays["epoch-1/sketch"], arrays["labels/sketch"], {"region": arrays["groups/sketch/region"]})
    assert stored == evaluate(benchmark, logits, labels, groups) and {"accuracy", "worst_region", "region=Other"} < stored.keys()


def test_a_file_system_without_second_names_gets_copies(undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, run, expected = undisturbed

    def refuse(*names: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr("os.link", refuse)
    places = pretrained_home(tmp_path)
    finish(plan, places)
    assert bytes_of(places, run) == expected


def test_a_run_that_was_begun_on_other_images_is_not_continued(undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after another decoder has packed them again; the cure starts the run over."""
    plan, run, expected = undisturbed
    places = pretrained_home(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(plan, places, CPU, Interrupting(5))
    (marker,) = places.packs.glob("*/train-*/pack.json")
    content = marker.read_text()
    known = json.loads(content)
    marker.write_text(json.dumps({**known, "content": known["content"][::-1]}))
    monkeypatch.setattr(packs, "_require_intact", lambda folder, pack: None)  # its bytes are still those of the old one
    with pytest.raises(UserError, match="its images are others now") as caught:
        execute(plan, places, CPU, Log())
    checkpoint = Store(places.runs).folder(run) / "checkpoint"
    assert caught.value.cure == f"rm -r {checkpoint}, then run the same command again" and checkpoint.is_dir()
    marker.write_text(content)
    assert steps_taken(finish(plan, places))[0] == 5  # the state is of the epoch before
    assert bytes_of(places, run) == expected
