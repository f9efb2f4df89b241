"""The table of how far predictions were off, of fabricated results, and a measurement on a tiny subset."""

from __future__ import annotations

import fabricated

from bench import forecast
from repro.outcomes.predicted import FIELD, LIKE, RATE, Prediction, prediction


def result(method: str, seed: int, seconds: float, told: Prediction | None):
    extras = {FIELD: told.as_json()} if told else {}
    return fabricated.result(fabricated.run(method, seed), seconds={"total": seconds}, extras=extras, peak_memory_bytes=10**9)


def test_the_table_and_its_medians():
    text = forecast.as_markdown(
        [
            result("ft", 0, 10.0, None),
            result("ft", 1, 10.0, Prediction(12.0, 10**9, LIKE, LIKE)),
            result("ft", 2, 10.0, Prediction(9.0, 10**9, LIKE, LIKE)),
            result("lp", 0, 10.0, Prediction(16.0, 9 * 10**8, RATE, RATE)),
        ]
    )
    for line in (
        "| ft | 0 | – | – | 10.0 s | – | – | 1,000 MB | – |",
        "| ft | 1,2 | finished runs like it | 10.5 s | 10.0 s | +20 %, −10 % | 1,000 MB | 1,000 MB | +0 %, +0 % |",
        "| lp | 0 | other runs of its backbone | 16.0 s | 10.0 s | +60 % | 900 MB | 1,000 MB | −10 % |",
        "| finished runs like it | 2 | 15 % | 2 | 0 % |",
        "| other runs of its backbone | 1 | 60 % | 0 | 10 % |",
        "| all | 3 | 20 % | 2 | 0 % |",
    ):
        assert line in text.splitlines(), line


def test_a_measurement_on_a_tiny_subset(tmp_path):
    import torch

    sets = ("clip-pretrain.epochs=1", "clip-pretrain.batch_size=25", "ft.epochs=1", "ft.lr=1e-6")
    found = forecast.measure(tmp_path, torch.device("cpu"), ("ft",), tiny=True, sets=sets)
    assert [(one.run.method, one.run.seed, one.run.recipe.image_size) for one in found] == [
        ("clip-pretrain", 0, None),
        *(("ft", seed, None) for seed in range(3)),
        *(("ft", seed, 48) for seed in range(2)),
    ]
    assert [prediction(one).source if prediction(one) else None for one in found[1:]] == [None, LIKE, LIKE, "device's rate", LIKE]
