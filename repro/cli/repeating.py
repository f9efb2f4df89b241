"""`repro rerun`: a finished run once more, and whether its numbers come out again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.cli.context import complete_key, next_line, places
from repro.cli.differing import show_changes, show_numbers
from repro.cli.leaving import at_once
from repro.cli.options import AsJson
from repro.outcomes import difference, finished, reruns
from repro.outcomes.costs import duration
from repro.outcomes.finished import Finished
from repro.outcomes.reruns import Rerun
from repro.outcomes.store import Store
from repro.paths import Places, make_writable
from repro.types import Failure

if TYPE_CHECKING:
    from repro.outcomes.repetition import Repetition


def rerun(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A finished run's key or its first digits.", autocompletion=complete_key)],
    check: Annotated[bool, typer.Option("--check", help="Do it; without this, say what would be done.")] = False,
    times: Annotated[int, typer.Option("--times", min=1, help="Repetitions, one after another.")] = 1,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:1; default: the run's own.")] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="The file that it started from, where that is not in its standard place.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Repeat a finished run beside the store and compare: metrics, losses, predictions, bit for bit. The original stays as it is."""
    from repro.outcomes import repetition

    where = places(context)
    original = finished.find(Store(where.runs), key)
    repeated = repetition.of(original, where, weights)
    device = device or original.result.environment.get("device", "auto")
    if not check:
        _tell(original, repeated, times, device, where)
        return
    make_writable(where.packs, "packs")
    made = [_repeat(original, repeated, where, device, quiet=as_json) for _ in range(times)]
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in made], indent=1))
    elif times > 1:
        print(_summary(made))
    if any(one.error for one in made):
        raise typer.Exit(1)


def _tell(original: Finished, repeated: Repetition, times: int, device: str, where: Places) -> None:
    result = original.result
    took = duration(times * result.seconds["total"])
    print(f"would repeat {result.run.label} of {result.run.benchmark.title} {times} × on {device}: about {took} by its own time")
    for role, parent in repeated.parents.items():
        print(f"starts from {role}: {parent.result.key}, as it did")
    print(f"in a scratch folder beside {original.store.root}, which is removed; the outcome is added to {original.folder / reruns.FILE}")
    print(next_line(f"repro rerun {result.key} --check", where))


def _repeat(original: Finished, repeated: Repetition, where: Places, device: str, quiet: bool) -> Rerun:
    """One repetition, from an empty scratch folder to the line that records it."""
    with reruns.scratch(original) as scratch:
        outcome, folder = _work(repeated, scratch, where, device)
        if isinstance(outcome, Failure):
            made = reruns.record(original.folder, outcome.environment, error=outcome.error)
        else:
            found = difference.compare(original, Finished(outcome, folder))
            made = reruns.record(original.folder, outcome.environment, seconds=outcome.seconds["total"], difference=found)
    if not quiet:
        if made.difference:
            show_changes(made.difference)
            show_numbers(made.difference)
        print(made.sentence)
        _advise(made, original)
    return made


def _advise(made: Rerun, original: Finished) -> None:
    """Sums depend on the number of threads: where that is another, equal bits need the run's own."""
    then = original.result.environment.get("threads")
    if made.difference and not made.difference.exact and then and then != made.environment.get("threads"):
        print(f"next: OMP_NUM_THREADS={then} repro rerun {original.result.key} --check, with as many threads as then")


def _work(repeated: Repetition, scratch: Path, where: Places, device: str):
    """Import the heavy part and work it off, watched; Ctrl-C before training leaves no scratch folder either."""
    from repro.cli.watching import Watcher

    def tidy() -> None:
        watcher.stop()
        shutil.rmtree(scratch, ignore_errors=True)

    with Watcher(1, quiet=True) as watcher, at_once(tidy):
        watcher.note("loading torch")
        from repro.run import find_device, repeat

        return repeat(repeated, scratch, where, find_device(device), watcher)


def _summary(made: list[Rerun]) -> str:
    """How many of the repetitions gave the same bits, and the largest noise among the others."""
    found = [one.difference for one in made if one.difference]
    exact = sum(one.exact for one in found)
    text = f"{len(made)} repetitions: {exact} bit for bit as the original"
    shifts = [abs(shift.points) for one in found for shift in one.shifts]
    logits = [one.outputs.largest for one in found if one.outputs]
    changed = [one.outputs.changed for one in found if one.outputs]
    if exact < len(found) and shifts:
        text += f"; at most {max(shifts):.2g} points of a metric"
        text += f", {max(logits):.2g} of a logit, {max(changed)} predictions" if logits else ""
    broken = len(made) - len(found)
    return text + (f"; {broken} broke" if broken else "")
