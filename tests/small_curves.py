"""Small light curves for tests: flares of three classes, as examples and as batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tiny_digits import CPU

from repro.nn.inputs import curves
from repro.nn.inputs.curves import Curves, Scaling
from repro.reading import flares, light_curves
from repro.reading.examples import Examples


def examples(count: int = 24, redshift: float = 0.1) -> Examples:
    made = [flares.make(f"near_{number}", number % 3, redshift, number) for number in range(count)]
    return Examples([curve.observations for curve in made], np.array([curve.label for curve in made], np.int64))


def batches(folder: Path, scaling: Scaling = Scaling(), count: int = 24) -> Curves:
    """All of them, packed in `folder`."""
    curves.build(folder / "pack", examples(count), lambda done: None, "train")
    return Curves(curves.open_pack(folder / "pack"), scaling, CPU)


def index(count: int) -> torch.Tensor:
    return torch.arange(count)


def write_domains(root: Path, count: int = 36) -> dict[str, str]:
    """<root>/{near,far}.jsonl, `count` flares each; the options that name them."""
    root.mkdir(parents=True)
    for domain, redshift in (("near", 0.1), ("far", 0.4)):
        made = [flares.make(f"{domain}_{number}", number % 3, redshift, number) for number in range(count)]
        light_curves.write(root / f"{domain}.jsonl", made)
    return {"root": str(root), "id": "near", "ood": "far"}
