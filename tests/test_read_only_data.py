"""Data that somebody else keeps, on a disk that cannot be written to: it is read, packed elsewhere, run on."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import tiny_digits
from PIL import Image

from repro import plugins
from repro.outcomes.store import Store
from repro.planning import plan as planning


@pytest.fixture
def shelf(small_disk):
    """A folder of images on a file system of its own, mounted read-only."""
    draw = np.random.default_rng(0)
    for domain in ("photo", "sketch"):
        for name in ("cat", "dog"):
            (small_disk / domain / name).mkdir(parents=True)
            for number in range(10):
                Image.fromarray(draw.integers(0, 256, (40, 40, 3), np.uint8)).save(small_disk / domain / name / f"{number}.png")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    return small_disk


def test_a_run_on_data_that_cannot_be_written_to(shelf, tmp_path):
    with pytest.raises(OSError, match="Read-only"):
        (shelf / "probe").touch()
    places = tiny_digits.places_at(tmp_path / "home")
    described = plugins.benchmark("folder").describe({"root": str(shelf), "id": "photo", "ood": "sketch"}, places, False)
    sets = ("epochs=1", "batch_size=4", "image_size=32")
    plan = planning.make(planning.Request(described, ("scratch",), (0,), backbone="timm:resnet10t", sets=sets))
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    assert Store(places.runs).result(plan.runs[0]).checkpoints[-1].metrics.keys() == {"id_val", "id_test", "sketch"}
