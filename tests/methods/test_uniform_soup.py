"""The uniform soup is the mean of every run's weights, as numpy has it."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_soups import Cooked, require_mean

SWEEP = ("base=ft", "ft.lr=1e-3,3e-3", "ft.epochs=2", "ft.keep_weights=selected")


@pytest.fixture(scope="module")
def cooked(tmp_path_factory: pytest.TempPathFactory) -> Cooked:
    return Cooked(tmp_path_factory.mktemp("soup"), *SWEEP)


def test_it_is_one_run_of_all_settings_and_seeds(cooked: Cooked) -> None:
    assert len(cooked.plan.asked) == 1 and len(cooked.parts) == 4
    assert {(part.run.seed, part.run.recipe.lr) for part in cooked.parts} == {(0, 1e-3), (0, 3e-3), (1, 1e-3), (1, 3e-3)}
    assert set(cooked.soup.extras["parts"]) == {part.key for part in cooked.parts}


def test_it_is_the_mean_of_the_selected_checkpoints(cooked: Cooked) -> None:
    parts = {part.key: cooked.selected(part) for part in cooked.parts}
    require_mean(cooked.weights(), [parts[key] for key in cooked.soup.extras["parts"]])
    assert any((a["head.weight"] != b["head.weight"]).any() for a in parts.values() for b in parts.values())


def test_the_last_checkpoints_can_be_mixed_instead(tmp_path: Path) -> None:
    cooked = Cooked(tmp_path, *SWEEP, "mix_at=last", seeds=(0,))
    parts = {part.key: load_file(cooked.store.folder(part.run) / "weights-epoch-2.safetensors") for part in cooked.parts}
    require_mean(cooked.weights(), [parts[key] for key in cooked.soup.extras["parts"]])


def test_a_soup_of_one_run_is_that_run(tmp_path: Path) -> None:
    cooked = Cooked(tmp_path, "base=flyp", seeds=(0,))
    (part,) = cooked.parts
    selected = cooked.selected(part)
    assert all(np.array_equal(value, selected[name]) for name, value in cooked.weights().items())
    best = max(part.checkpoints, key=lambda point: point.metrics["id_val"]["accuracy"])
    assert cooked.soup.checkpoint("final").metrics == best.metrics
    with (
        np.load(cooked.store.folder(cooked.soup.run) / "predictions.npz") as ours,
        np.load(cooked.store.folder(part.run) / "predictions.npz") as theirs,
    ):
        assert ours["final/photos"].tobytes() == theirs[f"{best.name}/photos"].tobytes()
