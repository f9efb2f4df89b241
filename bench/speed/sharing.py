"""All methods of one table in one command, and each method by itself with nothing to share; then the same command again; then its start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.ratios import Ratio, seconds
from repro.outcomes.store import Store

METHODS = ("zero-shot", "lp", "ft", "lp-ft")


def _program(home: Path, *methods: str) -> list[str]:
    return [sys.executable, "-m", "repro", "--home", str(home), "run", "digits", "--method", ",".join(methods), "--seeds", "1"]


def _run(home: Path, *methods: str) -> float:
    return seconds(lambda: subprocess.run(_program(home, *methods), check=True, capture_output=True))


FIRST_STEP = """
import os, sys
from repro.__main__ import main
from repro.nn.training import loop
step = loop.Trainer._step
def once(trainer, *batch):
    step(trainer, *batch)
    os._exit(0)
loop.Trainer._step = once
sys.argv[1:] = ["--home", sys.argv[1], "run", "digits"]
main()
"""


def _first_step(home: Path) -> float:
    """Seconds from the start of `repro run digits` on an empty store to the end of its first training step."""
    return seconds(lambda: subprocess.run([sys.executable, "-c", FIRST_STEP, str(home)], check=True, capture_output=True))


def measure(device: torch.device) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder) / "shared"
        together = _run(shared, *METHODS)
        again = _run(shared, *METHODS)
        first = _first_step(Path(folder) / "new")
        apart = {method: _run(Path(folder) / method, method) for method in METHODS}
        one = {(result.run.method, result.run.seed): result.checkpoints[-1].metrics for result in Store(shared / "runs").results("digits")}
        alike = all(
            one[result.run.method, result.run.seed] == result.checkpoints[-1].metrics
            for method in METHODS
            for result in Store(Path(folder) / method / "runs").results("digits")
        )
    separate = sum(apart.values())
    yield Ratio(
        f"digits: {', '.join(METHODS)} in one command",
        "each in a store of its own",
        "s",
        separate,
        together,
        separate / together,
        "≤ 0.6 of the baseline's time",
        together <= 0.6 * separate and alike,
        f"the metrics of all runs are {'equal to the last digit' if alike else 'NOT equal'}.",
        f"by themselves: {json.dumps({name: round(value, 1) for name, value in apart.items()})} s; the pretraining is run once.",
    )
    yield Ratio(
        "the same command again", "–", "s", None, again, None, "< 2 s", again < 2, "nothing is run, the table is shown.", "imports."
    )
    what = "repro run digits: from the command to the end of the first training step"
    yield Ratio(
        what, "–", "s", None, first, None, "< 10 s", first < 10, "an empty store, everything packed on the way.", "imports, packing."
    )
