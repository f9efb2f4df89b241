"""A measured ratio, its target, and how the table of all of them is written."""

from __future__ import annotations

import datetime
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from repro.preflight import environment

HERE = Path(__file__).resolve().parent


class Ratio(NamedTuple):
    """`ours` and `baseline` are in `unit`; `ratio` is how many times better ours is (`at_most`: the ratio that should stay below the target).

    `same`: how it was checked that both compute the same. `limit`: what bounds it physically, and how far from there we are.
    """

    what: str
    baseline_is: str
    unit: str
    baseline: float | None
    ours: float
    ratio: float | None
    target: str
    met: bool
    same: str
    limit: str


def by_turns(rounds: int, *works: Callable[[], float]) -> list[float]:
    """Each work's median over `rounds`, the works taking turns, so that what disturbs the machine disturbs all of them."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for values, work in zip(found, works, strict=True):
            values.append(work())
    return [statistics.median(values) for values in found]


def seconds(work: Callable[[], object], device: torch.device | None = None) -> float:
    """How long `work` takes, to the end of what it gave the device to do."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def cpu_seconds() -> float:
    """What this process and those that it has waited for have used so far, of all cores together: also on a machine that others use."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def machine(device: torch.device) -> str:
    described = environment.describe()
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return f"{described['processor']}, {os.cpu_count()} cores{gpu}, torch {torch.__version__}, commit {described.get('commit', 'unknown')[:10]}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_markdown(ratios: Iterable[Ratio], device: torch.device) -> str:
    lines = [
        f"# Speed on {'a GPU' if device.type == 'cuda' else 'the CPU'}",
        "",
        f"`python -m bench --device {device.type}`, {datetime.date.today()}, {machine(device)}.",
        "",
        "| what | baseline | unit | baseline's | ours | ratio | target | |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    ratios = list(ratios)
    for one in ratios:
        shown = "–" if one.ratio is None else f"{one.ratio:.2f} ×"
        numbers = f"{_number(one.baseline)} | {_number(one.ours)} | {shown}"
        lines.append(f"| {one.what} | {one.baseline_is} | {one.unit} | {numbers} | {one.target} | {'met' if one.met else 'missed'} |")
    lines.append("")
    lines += [f"- **{one.what}.** The same: {one.same} Limit: {one.limit}" for one in ratios]
    return "\n".join(lines) + "\n"


def write(ratios: list[Ratio], device: torch.device) -> list[Path]:
    """speed-<device>.json and .md beside this file."""
    name = f"speed-{device.type}"
    record = {
        "date": str(datetime.date.today()),
        "device": device.type,
        "machine": machine(device),
        "ratios": [one._asdict() for one in ratios],
    }
    paths = [HERE / f"{name}.json", HERE / f"{name}.md"]
    paths[0].write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    paths[1].write_text(as_markdown(ratios, device), encoding="utf-8")
    return paths
