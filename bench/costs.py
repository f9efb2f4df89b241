"""What each paper's table would cost: runs, GPU-hours, disk. Forecasts by arithmetic, from the plans that `repro run --table` makes.

`python -m bench.costs` prints the table that the README has between its marks; `python -m bench.costs --write` puts it there. Nothing here was
measured: hours are the arithmetic of the image tower (repro/planning/passes.py) at 30 TFLOP/s, a tenth of what NVIDIA states for the tensor
cores of an A100 in bf16.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from repro import backbones, plugins
from repro.cli.requested import requests_of
from repro.errors import UserError
from repro.outcomes.selection import RULES, possible
from repro.papers import arrangement
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.calibration import FLOP_PER_SECOND
from repro.planning.passes import flop
from repro.preflight import prepare
from repro.types import Run

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- python -m bench.costs --write -->\n", "<!-- end -->\n"
VIT_B = (86.0, 150.0)  # millions of parameters of what the tables' networks of libraries are like


class Cost(NamedTuple):
    """Of one way of running a table. `uncounted` runs: the arithmetic of their network, or their number of images, is not known."""

    runs: int
    hours: float
    uncounted: int
    data: float
    packs: float
    weights: float


def plans(table: str, quick: bool, places: Places) -> list[planning.Plan]:
    """As `repro run --table` makes them; none where nothing of the table can be run. Weights are made up: only their number counts."""
    asked = planning.Request(benchmark=None, seeds=(), quick=quick, weights="made up", weights_hash="0" * 64)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # rows that are left out are told there
            return [planning.make(request) for request in requests_of(None, table, {}, places, False, [], asked)]
    except UserError:
        return []


def cost(made: Sequence[planning.Plan], places: Places) -> Cost:
    """Runs that several plans share are counted once."""
    runs = list({run.key: run for one in made for run in one.runs}.values())
    known = [each for run in runs if (each := flop(run)) is not None]
    return Cost(
        runs=len(runs),
        hours=sum(known) / FLOP_PER_SECOND / 3600,
        uncounted=len(runs) - len(known),
        data=_data(runs, places),
        packs=sum(_packs(runs).values()),
        weights=sum(map(_weights, runs)),
    )


def _data(runs: Iterable[Run], places: Places) -> float:
    """Bytes of the datasets and of the networks' files, archives and what is unpacked of them; what is brought by hand as it is stated."""
    needs = {}
    for run in {(run.needs, run.backbone.name): run for run in runs}.values():
        for need in prepare.assess(run.needs, backbones.find(run.backbone.name).weights, places):
            needs[need.title] = max(need.disk, need.bytes or 0)
    return sum(needs.values())


def _packs(runs: Iterable[Run]) -> dict[tuple, float]:
    """Split and size → bytes of its images as squares of three channels, where the number of images is known. Of splits that only a search
    looks at, it packs a few."""
    found = {}
    for run in runs:
        side = run.recipe.image_size or backbones.find(run.backbone.name).side
        if side is None:  # light curves, which take next to no room
            continue
        if run.recipe.resize == "crop":
            side = round(side / (run.recipe.crop_ratio or 0.875))
        for split in (split for split in run.benchmark.splits if not split.apart):
            found[run.benchmark.name, split.name, side] = 3.0 * side * side * (split.count or 0)
    return found


def _weights(run: Run) -> float:
    """Bytes of the checkpoints that a training may keep, in single precision: one for each rule, at most one for each epoch."""
    if not run.recipe.epochs or run.recipe.freeze == "backbone" or run.recipe.keep_weights == "none":
        return 0.0
    rules = sum(possible(rule, run.benchmark, [split.name for split in run.benchmark.splits]) for rule in RULES if rule != "last") + 1
    kept = 1 if run.recipe.keep_weights == "last" or run.recipe.judge == "selected" else min(rules, run.recipe.epochs)
    image, both = backbones.find(run.backbone.name).millions or VIT_B
    return 4e6 * kept * (both if plugins.declared(run.method).needs_text else image)


def text() -> str:
    """The table as the README has it."""
    lines = [
        "| table | runs | GPU-hours | `--quick`: runs | GPU-hours | data | packs | weights, grid | quick |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as home:
        places = Places.find(home=home, data=f"{home}/data", packs=f"{home}/packs", runs=f"{home}/runs")
        for name in arrangement.names():
            full, quick = (cost(plans(name, way, places), places) for way in (False, True))
            if not full.runs:
                lines.append(f"| `{name}` | – | – | – | – | – | – | – | – |")
                continue
            cells = [
                f"{full.runs:,}",
                _hours(full),
                f"{quick.runs:,}",
                _hours(quick),
                *map(_bytes, (full.data, full.packs, full.weights, quick.weights)),
            ]
            lines.append(f"| `{name}` | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _hours(one: Cost) -> str:
    if one.uncounted == one.runs:
        return "?"
    counted = f"{one.hours:,.0f}" if one.hours >= 10 else f"{one.hours:.1f}" if one.hours >= 0.1 else "< 0.1"
    return f"≥ {counted}" if one.uncounted else counted


def _bytes(amount: float) -> str:
    return (
        f"{amount / 1e12:.1f} TB"
        if amount >= 1e12
        else f"{amount / 1e9:.1f} GB"
        if amount >= 1e8
        else f"{amount / 1e6:.0f} MB"
        if amount
        else "–"
    )


def put(readme: str, table: str) -> str:
    """The README with the table between the marks."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}{table}{END}", readme, flags=re.S)


if __name__ == "__main__":
    made = text()
    if "--write" in sys.argv:
        README.write_text(put(README.read_text(encoding="utf-8"), made), encoding="utf-8")
    else:
        print(made, end="")
