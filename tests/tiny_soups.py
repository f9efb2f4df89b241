"""Soups on the digits' tiny subset, and their parts as files."""

from pathlib import Path

import numpy as np
import tiny_digits
from safetensors.numpy import load_file

from repro.outcomes.store import Store
from repro.types import Result


class Cooked:
    """A plan with a soup in it, worked off."""

    def __init__(self, folder: Path, *sets: str, method: str = "uniform-soup", seeds: tuple[int, ...] = (0, 1)):
        self.places, self.plan = tiny_digits.pretrained_home(folder), tiny_digits.plan(method, seeds=seeds, sets=sets)
        self.store = Store(self.places.runs)
        failures = tiny_digits.execute(self.plan, self.places, tiny_digits.CPU, tiny_digits.Log())
        assert [failure.error for failure in failures] == []
        self.soup: Result = self.store.result(self.plan.run(self.plan.asked[0]))
        self.parts = [self.store.result(run) for run in self.plan.runs if run.method == self.soup.run.recipe.base]

    def selected(self, part: Result) -> dict[str, np.ndarray]:
        """The weights of a run's first best checkpoint on ID validation."""
        best = max(part.checkpoints, key=lambda point: point.metrics["id_val"]["accuracy"]).name
        return load_file(self.store.folder(part.run) / f"weights-{best}.safetensors")

    def weights(self) -> dict[str, np.ndarray]:
        return load_file(self.store.folder(self.soup.run) / "weights-final.safetensors")


def require_mean(state: dict[str, np.ndarray], parts: list[dict[str, np.ndarray]]) -> None:
    """The state is the mean of those, in float64; a counter is the first's."""
    assert all(part.keys() == state.keys() for part in parts) and len(state) > 50
    for name, value in state.items():
        if np.issubdtype(value.dtype, np.floating):
            mean = np.mean([part[name].astype(np.float64) for part in parts], axis=0)
            assert np.abs(value - mean).max() <= 2e-7 * max(1.0, np.abs(mean).max()), name
        else:
            assert np.array_equal(value, parts[0][name]), name
