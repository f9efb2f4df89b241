"""What `repro run` prints before it starts: runs to do and done, cost, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from repro.outcomes.costs import duration
from repro.paths import Places
from repro.planning.forecast import FLOP_PER_SECOND, Forecast, flop, passes
from repro.planning.plan import Plan
from repro.types import Run

if TYPE_CHECKING:
    from repro.preflight.prepare import Need


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
            "flop": flop(run),
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
        cost = _exaflop(flop(run) for run in runs if run.key not in done) if finished < len(runs) else None
        arithmetic = f", {cost}" if cost and forecast.seconds is None else ""
        print(f"  {name:<14} {counted}: {finished} done, {len(runs) - finished} to do{arithmetic}{part}")
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
        return f"{total}; {_by_arithmetic(forecast.todo)}"
    guess = "" if forecast.known == len(forecast.todo) else f", from {forecast.known} of them that are like earlier ones"
    return f"{total}; about {duration(forecast.seconds)}{guess}"


def _exaflop(costs: Iterable[float | None]) -> str | None:
    """The sum, such as `0.31 EFLOP`; None where one is not known."""
    known = list(costs)
    return None if None in known else f"{sum(known) / 1e18:.2g} EFLOP"


def _by_arithmetic(todo: Sequence[Run]) -> str:
    """What runs will cost where nothing like them has been run."""
    costs = [flop(run) for run in todo]
    if None not in costs:
        hours = sum(costs) / FLOP_PER_SECOND / 3600
        about = f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else "less than 0.1"
        rate = f"at {FLOP_PER_SECOND / 1e12:.0f} TFLOP/s, a rule of thumb until runs like these are done"
        return f"{_exaflop(costs)}, {'about ' if hours >= 0.1 else ''}{about} GPU-hours {rate}"
    unknown = todo[costs.index(None)]
    lacking = (
        f"the arithmetic of {unknown.backbone.name}" if passes(unknown) is not None else f"the number of images of {unknown.benchmark.name}"
    )
    return f"time unknown until the first runs are done ({lacking} is not known)"


def missing(absent: Sequence[Need], where: Places) -> None:
    """What is not here yet, how large it is, and where it would go."""
    from repro.preflight import prepare

    if absent:
        fetched = [need for need in absent if not need.steps]
        amount = f"; {prepare.total(fetched)} to fetch to {where.data}" if fetched else ""
        print(f"missing: {prepare.listed(absent)}{amount}", flush=True)
