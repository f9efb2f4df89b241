"""Fabricated results, and the tables made of them."""

from __future__ import annotations

import fabricated

from repro.display.tables import build
from repro.types import BackboneRef


def finished(method: str, seed: int = 0, accuracy: float = 0.5, *, id_val: float | None = None, **of):
    """A result whose splits all have one accuracy, but for `id_val`."""
    splits = dict.fromkeys(("id_val", "id_test", "sketch", "clipart"), accuracy)
    point = fabricated.checkpoint(**{**splits, "id_val": accuracy if id_val is None else id_val})
    return fabricated.result(fabricated.run(method, seed, **of), [point])


def only(made):
    assert len(made) == 1
    return made[0]


def rows(results, **options):
    return {f"{row.method} {' '.join(row.variant)}".strip(): row for row in only(build(results, **options)).rows}


def every_kind(of):
    """Results of four methods on a benchmark: a sweep, a variant, one seed, and none."""

    def one(method, seed, id_val, id_test, sketch, clipart, **recipe):
        point = fabricated.checkpoint(id_val=id_val, id_test=id_test, sketch=sketch, clipart=clipart)
        return fabricated.result(fabricated.run(method, seed, of=of, **recipe), [point])

    return [
        one("lp-ft", 0, 0.9, 0.92, 0.65, 0.65),
        *(one("ft", seed, 0.9, 0.90 + seed / 100, 0.38 + 2 * seed / 100, 0.5, lr=0.01) for seed in range(3)),
        *(one("ft", seed, 0.8, 0.99, 0.99, 0.99, lr=0.1) for seed in range(3)),
        one("ft", 0, 0.9, 0.85, 0.3, 0.5, batch_size=32),
        *(one("lp", seed, 0.9, 0.8, 0.6, 0.6) for seed in range(3)),
        one("zero-shot", 0, 0.5, 0.6, 0.5, 0.7),
    ]


def with_backbone(result, **fields):
    """The same with a network that no run of the store has pretrained."""
    run = result.run.model_copy(update={"backbone": BackboneRef(name="timm:resnet18", **fields), "parents": {}})
    return result.model_copy(update={"run": run, "key": run.key})
