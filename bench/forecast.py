"""How far predicted times and peaks of memory are off: `python -m bench.forecast [--device cpu|cuda]` runs digits and prints bench/forecast.md.

Each run is predicted as `repro run` does it, before it starts, from those that have ended until then in a fresh store: the first seed of a
method from other methods with the same network, the others from it, and images of another side from the device's FLOP/s.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench.ratios import machine
from repro import plugins
from repro.outcomes import predicted
from repro.outcomes.predicted import SOURCES
from repro.paths import Places
from repro.planning.plan import Request, make
from repro.run import execute, find_device
from repro.types import Result, Run

METHODS = ("scratch", "lp", "ft", "lp-ft", "bn-only", "lp-sgd", "flyp", "wise-ft")
AIM = 0.25


class Ended:
    """The listener of the runs, which remembers those that ended, in their order."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def finished(self, run: Run, result: Result) -> None:
        self.results.append(result)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


def measure(
    home: Path, device: torch.device, methods: Sequence[str] = METHODS, tiny: bool = False, sets: tuple[str, ...] = ()
) -> list[Result]:
    """The results of three seeds of each method, then of two of FT at another side, in the order in which they ended."""
    places = Places.find(home=home, data=home / "data", packs=home / "packs", runs=home / "runs")
    benchmark = plugins.benchmark("digits").describe({}, places, tiny)
    plans = [
        make(Request(benchmark, tuple(methods), (0, 1, 2), sets=sets)),
        make(Request(benchmark, ("ft",), (0, 1), sets=(*sets, "ft.image_size=48"))),
    ]
    ended = Ended()
    for plan in plans:
        if failures := execute(plan, places, device, ended):
            raise SystemExit(f"{failures[0].run.label}: {failures[0].error}")
    return ended.results


def as_markdown(results: Sequence[Result]) -> str:
    """A line for each method, and the median errors by source."""
    lines = [
        "| run | seeds | predicted from | predicted | took | error | peak predicted | was | error |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups: dict[tuple[str, str | None], list[Result]] = {}
    for result in results:
        told = predicted.prediction(result)
        side = f", {result.run.recipe.image_size} px" if result.run.recipe.image_size else ""
        groups.setdefault((f"{result.run.method}{side}", told.source if told else None), []).append(result)
    for (name, source), those in groups.items():
        seeds = ",".join(str(result.run.seed) for result in those)
        told = [predicted.prediction(result) for result in those]
        took = statistics.mean(predicted.predictable(result.seconds) for result in those)
        was = statistics.mean(result.peak_memory_bytes for result in those) / 1e6
        if source is None:
            lines.append(f"| {name} | {seeds} | – | – | {took:.1f} s | – | – | {was:,.0f} MB | – |")
            continue
        seconds, peak = statistics.mean(each.seconds for each in told), statistics.mean(each.peak_memory_bytes for each in told) / 1e6
        off, off_memory = (_percent([of(result) for result in those]) for of in (predicted.error, predicted.memory_error))
        lines.append(
            f"| {name} | {seeds} | {SOURCES[source]} | {seconds:.1f} s | {took:.1f} s | {off} | {peak:,.0f} MB | {was:,.0f} MB | {off_memory} |"
        )
    return "\n".join([*lines, "", *_medians(results)])


def _percent(errors: Sequence[float | None]) -> str:
    return ", ".join(f"{round(100 * error):+d} %".replace("-", "−") for error in errors if error is not None)


def _medians(results: Sequence[Result]) -> list[str]:
    """How far predictions of each kind, and all, were off."""
    lines = ["| predicted from | runs | median error of time | within 25 % | median error of peak memory |", "|---|---:|---:|---:|---:|"]
    for source, name in (*SOURCES.items(), (None, "all")):
        those = [result for result in results if (told := predicted.prediction(result)) and source in (None, told.source)]
        errors = [abs(error) for result in those if (error := predicted.error(result)) is not None]
        if errors:
            within = sum(error <= AIM for error in errors)
            memory = predicted.typical(map(predicted.memory_error, those))
            lines.append(f"| {name} | {len(errors)} | {100 * predicted.typical(errors):.0f} % | {within} | {100 * memory:.0f} % |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.forecast", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    device = find_device(parser.parse_args().device)
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as home:
        found = measure(Path(home), device)
    print(
        f"`python -m bench.forecast --device {device.type}`, {datetime.date.today()}, {machine(device)}, {torch.get_num_threads()} threads."
    )
    print(f"Load of the machine over a minute: {before[0]:.1f} at the start, {os.getloadavg()[0]:.1f} at the end.\n")
    print(as_markdown(found))


if __name__ == "__main__":
    main()
