"""What `repro run` prints before it starts: runs to do and done, cost, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from repro.outcomes.costs import device_hours, duration
from repro.outcomes.predicted import ARITHMETIC, SOURCES, Prediction
from repro.paths import Places
from repro.planning.calibration import rule_of_thumb
from repro.planning.forecast import Forecast
from repro.planning.passes import flop, passes
from repro.planning.plan import Plan
from repro.types import Run

if TYPE_CHECKING:
    from repro.preflight.prepare import Need


UNKNOWN = "unknown content"  # of weights, before their first fetch
MARKS = dict(zip(SOURCES, ("", "†", "‡", "§"), strict=True))  # behind a time or a peak: what it is predicted from


def as_json(plan: Plan, forecast: Forecast, absent: Sequence[Need]) -> dict[str, Any]:
    """The plan, run by run; keys are None where weights that nobody has fetched yet enter them."""
    unknown = any((run.backbone.weights or "").startswith(UNKNOWN) for run in plan.runs)

    def entry(run: Run) -> dict[str, Any]:
        told = forecast.predictions.get(run.key, Prediction())
        return {
            "key": None if unknown else run.key,
            "method": run.method,
            "seed": run.seed,
            "recipe": run.recipe.told(),
            "provenance": run.provenance,
            "parents": run.parents,
            "asked": run.key in plan.asked,
            "flop": flop(run),
            "seconds": told.seconds,
            "peak_memory_bytes": told.peak_memory_bytes,
            "predicted_from": told.source,
            "memory_predicted_from": told.memory_source,
        }

    return {
        "benchmark": plan.benchmark.title,
        "backbone": plan.runs[0].backbone.name if plan.runs else None,
        "done": [run.key for run in forecast.done],
        "todo": len(forecast.todo) if unknown else [run.key for run in forecast.todo],
        "seconds": forecast.seconds,
        "device": forecast.device._asdict() if forecast.device else None,
        "skipped": plan.skipped,
        "runs": [entry(run) for run in plan.runs],
        "missing": [need.model_dump(mode="json") for need in absent],
    }


def show(plan: Plan, forecast: Forecast) -> None:
    """Runs to do and done per method, what they will cost, and what that is known from."""
    lines: dict[str, list[Run]] = {}
    for run in plan.runs:
        lines.setdefault(run.method, []).append(run)
    print(plan.benchmark.title)
    done = {run.key for run in forecast.done}
    for name, runs in lines.items():
        finished = sum(run.key in done for run in runs)
        seeds = sorted({run.seed for run in runs})
        part = "" if any(run.key in plan.asked for run in runs) else "  (others need it)"
        settings = len(runs) // len(seeds)
        sweep = f", {settings} settings" if settings > 1 else ""
        counted = f"{len(runs):>3} run{'s' if len(runs) > 1 else ' '}  seed{'s' if len(seeds) > 1 else ''} {_few(seeds)}{sweep}"
        states = [f"{number} {state}" for number, state in ((finished, "done"), (len(runs) - finished, "to do")) if number]
        cost = _cost([forecast.predictions[run.key] for run in runs if run.key in forecast.predictions])
        print(f"  {name:<14} {counted}: {', '.join([*states, *cost])}{part}")
    for name, why in plan.skipped.items():
        print(f"  {name:<14} left out: {why}")
    for line in _sources(forecast):
        print(line)
    print(_total(forecast), flush=True)


def show_sum(forecasts: Sequence[Forecast]) -> None:
    """What several plans come to together; a run that two of them have is counted once."""
    if len(forecasts) < 2 or not (todo := {run.key for forecast in forecasts for run in forecast.todo}):
        return
    told = {key: made.seconds for forecast in forecasts for key, made in forecast.predictions.items() if made.seconds is not None}
    kind = next(forecast.device.kind for forecast in forecasts if forecast.device)
    about = f"; about {device_hours(sum(told.values()), kind)}" if told else ""
    print(f"in all: {len(todo)} runs to do{about}{'' if len(told) in (0, len(todo)) else f' for {len(told)} of them'}", flush=True)


def _few(seeds: list[int]) -> str:
    return ",".join(map(str, seeds)) if len(seeds) <= 8 else f"{','.join(map(str, seeds[:3]))} … {seeds[-1]}"


def _cost(predictions: Sequence[Prediction]) -> list[str]:
    """Time in all and the largest peak, each with the marks of its sources."""
    seconds = [told.seconds for told in predictions if told.seconds is not None]
    peaks = [told.peak_memory_bytes for told in predictions if told.peak_memory_bytes]
    times = [f"{duration(sum(seconds))}{_marks(told.source for told in predictions)}"] if len(seconds) == len(predictions) != 0 else []
    return times + ([f"{_bytes(max(peaks))}{_marks(told.memory_source for told in predictions)}"] if peaks else [])


def _marks(sources: Iterable[str | None]) -> str:
    return "".join(sorted({MARKS[source] for source in sources if source}))


def _bytes(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def _sources(forecast: Forecast) -> list[str]:
    """What the marks mean, of those that are there."""
    told = forecast.predictions.values()
    used = {source for each in told for source in (each.source if each.seconds is not None else None, each.memory_source)}
    lines = []
    for source, meaning in SOURCES.items():
        if source in used:
            timed = any(each.source == source and each.seconds is not None for each in told)
            how = f" on this {forecast.device.kind}" if source != ARITHMETIC else _at(forecast) if timed else ""
            lines.append(f"  {MARKS[source] or 'unmarked'}: from {meaning}{how}")
    return lines


def _at(forecast: Forecast) -> str:
    """The arithmetic that is predicted by the rule of thumb, and the rule."""
    costs = [flop(run) or 0.0 for run in forecast.todo if forecast.predictions[run.key].source == ARITHMETIC]
    rate = rule_of_thumb(forecast.device)
    rule = f"{rate / 1e12:.0f} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:.0f} GFLOP/s"
    return f", {sum(costs) / 1e18:.2g} EFLOP at {rule}, a rule of thumb" if any(costs) else f", at {rule}, a rule of thumb"


def _total(forecast: Forecast) -> str:
    total = f"{len(forecast.todo)} runs to do, {len(forecast.done)} done"
    if not forecast.todo or forecast.device is None:
        return total
    if forecast.seconds is None:
        return f"{total}; {_unknown(forecast.todo)}"
    guess = "" if forecast.known == len(forecast.todo) else f", from {forecast.known} of them whose time can be predicted"
    return f"{total}; about {device_hours(forecast.seconds, forecast.device.kind)}{guess}"


def _unknown(todo: Sequence[Run]) -> str:
    """Why nothing can be said before anything has been run."""
    run = todo[0]
    lacking = f"the arithmetic of {run.backbone.name}" if passes(run) is not None else f"the number of images of {run.benchmark.name}"
    return f"time unknown until the first runs are done ({lacking} is not known)"


def missing(absent: Sequence[Need], where: Places) -> None:
    """What is not here yet, how large it is, and where it would go."""
    from repro.preflight import prepare

    if absent:
        fetched = [need for need in absent if not need.steps]
        amount = f"; {prepare.total(fetched)} to fetch to {where.data}" if fetched else ""
        print(f"missing: {prepare.listed(absent)}{amount}", flush=True)
