"""bf16 and fp32 agree in accuracy on real images – scikit-learn's digits – within what another seed changes."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_digits

from repro.outcomes.store import Store

SEEDS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Precision → (seeds, splits) accuracies of LP-FT's last epoch."""
    places, found = tiny_digits.pretrained_home(tmp_path_factory.mktemp("precision")), {}
    for precision in ("fp32", "bf16"):
        plan = tiny_digits.plan("lp-ft", seeds=SEEDS, sets=("lp-ft.epochs=3", "lp-ft.lr=1e-4", f"lp-ft.precision={precision}"))
        assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
        results = [Store(places.runs).result(run) for run in plan.runs if run.method == "lp-ft"]
        assert {result.run.recipe.precision for result in results} == {precision} and len({result.key for result in results}) == len(SEEDS)
        last = [result.checkpoints[-1].metrics for result in results]
        found[precision] = np.array([[metrics[split]["accuracy"] for split in ("id_val", "id_test", "writers")] for metrics in last])
    return found


def test_the_mean_accuracies_agree_within_seed_noise(accuracies: dict[str, np.ndarray]) -> None:
    """|difference of means| ≤ 2 standard errors of it, of four seeds each; one image of 100 is the resolution."""
    full, reduced = accuracies["fp32"], accuracies["bf16"]
    error = np.sqrt((full.var(axis=0, ddof=1) + reduced.var(axis=0, ddof=1)) / len(SEEDS))
    assert (np.abs(full.mean(axis=0) - reduced.mean(axis=0)) <= np.maximum(2 * error, 0.01)).all(), (full, reduced)
    assert full.mean() > 0.3, "of guesses, 0.1, it would show nothing"


def test_precision_is_part_of_the_key() -> None:
    keys = {tiny_digits.plan("ft", sets=(f"ft.precision={precision}",)).asked for precision in ("fp32", "bf16", "fp16")}
    assert len(keys) == 3
