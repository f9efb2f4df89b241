"""What `repro run` prints before it starts: runs to do and done, cost, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repro.cli.context import duration
from repro.forecast import Forecast
from repro.paths import Places
from repro.plan import Plan
from repro.types import Run

if TYPE_CHECKING:
    from repro.prepare import Need


UNKNOWN = "unknown content"  # of weights, before their first fetch


def as_json(plan: Plan, forecast: Forecast, absent: Sequence[Need]) -> dict[str, Any]:
    """The plan, run by run; keys are None where weights that nobody has fetched yet enter them."""
    unknown = any((run.backbone.weights or "").startswith(UNKNOWN) for run in plan.runs)

    def entry(run: Run) -> dict[str, Any]:
        return {
            "key": None if unknown else run.key,
            "method": run.method,
            "seed": run.seed,
            "recipe": run.recipe.changed(),
            "provenance": run.provenance,
            "parents": run.parents,
            "asked": run.key in plan.asked,
        }

    return {
        "benchmark": plan.benchmark.title,
        "backbone": plan.runs[0].backbone.name if plan.runs else None,
        "done": [run.key for run in forecast.done],
        "todo": len(forecast.todo) if unknown else [run.key for run in forecast.todo],
        "seconds": forecast.seconds,
        "skipped": plan.skipped,
        "runs": [entry(run) for run in plan.runs],
        "missing": [need.model_dump(mode="json") for need in absent],
    }


def show(plan: Plan, forecast: Forecast) -> None:
    """Runs to do and done per method, and the predicted time as far as earlier runs tell."""
    lines: dict[str, list[Run]] = {}
    for run in plan.runs:
        lines.setdefault(run.method, []).append(run)
    print(plan.benchmark.title)
    done = {run.key for run in forecast.done}
    for name, runs in lines.items():
        finished = sum(run.key in done for run in runs)
        seeds = sorted({run.seed for run in runs})
        part = "" if any(run.key in plan.asked for run in runs) else "  (others start from it)"
        settings = len(runs) // len(seeds)
        sweep = f", {settings} settings each" if settings > 1 else ""
        counted = f"{len(runs):>3} run{'s' if len(runs) > 1 else ' '}  seed{'s' if len(seeds) > 1 else ''} {_few(seeds)}{sweep}"
        print(f"  {name:<14} {counted}: {finished} done, {len(runs) - finished} to do{part}")
    for name, why in plan.skipped.items():
        print(f"  {name:<14} left out: {why}")
    print(_total(forecast), flush=True)


def _few(seeds: list[int]) -> str:
    return ",".join(map(str, seeds)) if len(seeds) <= 8 else f"{','.join(map(str, seeds[:3]))} … {seeds[-1]}"


def _total(forecast: Forecast) -> str:
    total = f"{len(forecast.todo)} runs to do, {len(forecast.done)} done"
    if not forecast.todo:
        return total
    if forecast.seconds is None:
        return f"{total}; time unknown until the first runs are done"
    guess = "" if forecast.known == len(forecast.todo) else f", from {forecast.known} of them that are like earlier ones"
    return f"{total}; about {duration(forecast.seconds)}{guess}"


def missing(absent: Sequence[Need], where: Places) -> None:
    """What is not here yet, how large it is, and where it would go."""
    from repro import prepare

    if absent:
        fetched = [need for need in absent if not need.steps]
        amount = f"; {prepare.total(fetched)} to fetch to {where.data}" if fetched else ""
        print(f"missing: {prepare.listed(absent)}{amount}", flush=True)
