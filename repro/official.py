"""Where a benchmark's published data sets lie, and what names their content in keys."""

from __future__ import annotations

from typing import Any

from repro import tiny as tiny_subsets
from repro.data import holdings, manifest
from repro.errors import UserError
from repro.paths import Places
from repro.types import Split, digest

# Tiny subsets need no download of weights: a small CLIP is pretrained in the run, on synthetic images with captions.
SYNTHETIC = Split(name="synthetic", role="pretrain", caption="synthetic images with captions, for the tiny subset's own backbone")


def no_options(name: str, options: dict[str, Any]) -> None:
    """Refuse the options that other benchmarks take."""
    if options:
        raise UserError(f"{name} takes no --{next(iter(options))}", "its splits are the published ones", f"repro run {name}")


def content(name: str) -> list[Any]:
    """What a manifest says of a data set's content: name, version and counts. A mirror or a hash that is found later changes no key."""
    record = manifest.load(name)
    return [record.name, record.version, sorted([count.split, count.n] for count in record.counts)]


def declare(names: tuple[str, ...], splits: tuple[Split, ...], places: Places, tiny: bool) -> dict[str, Any]:
    """The fields of a `Benchmark` that follow from its data sets `names` (of `repro/datasets`) and its splits.

    For a tiny subset the official counts do not hold, nothing is needed from elsewhere, and the backbone is made in the run.
    """
    if not tiny:
        roots = {name: str(holdings.root_of(name, places)) for name in names}
        return {"data": digest([content(name) for name in names]), "roots": roots, "splits": splits, "needs": names}
    return {
        "data": digest([tiny_subsets.content(name, places) for name in names]),
        "roots": {name: str(tiny_subsets.folder_of(name, places)) for name in names},
        "splits": (SYNTHETIC, *(split.model_copy(update={"count": None}) for split in splits)),
        "tiny": True,
        "backbone": "digits-clip",
        "pretrained_by": "clip-pretrain",
    }
