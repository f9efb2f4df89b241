"""`repro show`: one run in full, or every run on a line."""

from __future__ import annotations

from typing import Annotated

import typer

from repro import metrics, quirks
from repro.cli.context import duration, places
from repro.errors import UserError
from repro.store import Store
from repro.types import Failure, Result, Run


def _complete_key(context: typer.Context, incomplete: str) -> list[str]:
    keys = [folder.name.rpartition("-")[2] for folder in Store(places(context).runs).folders()]
    return [key for key in keys if key.startswith(incomplete)]


def show(
    context: typer.Context,
    key: Annotated[
        str | None,
        typer.Argument(help="A run's key or its first digits; all runs on a line each where left out.", autocompletion=_complete_key),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the stored record.")] = False,
) -> None:
    """Show a run: recipe with provenance, metrics per checkpoint, environment, cost; or what went wrong."""
    store = Store(places(context).runs)
    if key is None:
        _all(store, as_json)
        return
    folder = store.find(key)
    record = store.read_result(folder) or store.failure(folder)
    if record is None:
        raise UserError(
            f"run {folder.name} is not finished", "it was interrupted, or is being worked on", "run the same command again to continue it"
        )
    if as_json:
        print(record.model_dump_json(indent=1))
        return
    print(f"folder      {folder}")
    _identity(record.run, record.key)
    _quirks(record.run, store)
    if isinstance(record, Failure):
        print(f"failed      {record.failed}\nerror       {record.error}\n{record.trace}")
    else:
        _outcome(record)


def _all(store: Store, as_json: bool) -> None:
    folders = list(store.folders())
    if as_json:
        import json

        records = [(folder, store.read_result(folder) or store.failure(folder)) for folder in folders]
        states = ["unfinished" if record is None else "failed" if isinstance(record, Failure) else "done" for _, record in records]
        print(json.dumps([{"folder": str(folder), "state": state} for folder, state in zip(folders, states, strict=True)], indent=1))
        return
    if not folders:
        print("nothing has been run yet\nnext: repro run digits")
    for folder in folders:
        result = store.read_result(folder)
        failure = None if result else store.failure(folder)
        method, _, key = folder.name.rpartition("-")
        state = f"done    {duration(result.seconds['total']):>8}" if result else "failed          " if failure else "unfinished      "
        print(f"{key}  {folder.parent.name:<12} {method:<20} {state}  {failure.error if failure else ''}".rstrip())


def _identity(run: Run, key: str) -> None:
    weights = f", weights {run.backbone.weights[:16]}" if run.backbone.weights else ""
    print(f"key         {key}\nbenchmark   {run.benchmark.title} (version {run.benchmark.version}, data {run.benchmark.data[:12]})")
    print(f"method      {run.method} (version {run.method_version}), seed {run.seed}\nbackbone    {run.backbone.name}{weights}")
    for role, parent in run.parents.items():
        print(f"starts from {role}: {parent}")
    print("recipe")
    for field, value in run.recipe.changed().items():
        print(f"  {field:<16} {value!s:<24} {run.provenance.get(field, 'default')}")


def _quirks(run: Run, store: Store) -> None:
    found = quirks.of(run, lambda key: _stored(store, key))
    if found:
        print("quirks")
    for quirk in found:
        print(f"  {quirk.name}: {quirk.text}\n    {quirk.source}")


def _stored(store: Store, key: str) -> Run | None:
    """The run of a key where it is in the store and can be read."""
    try:
        result = store.read_result(store.find(key))
    except UserError:
        return None
    return result.run if result else None


def _outcome(result: Result) -> None:
    headlines = {split.name: result.run.benchmark.metric_of(split) for split in result.run.benchmark.splits}
    judged = [split for split in headlines if any(split in point.metrics for point in result.checkpoints)]
    print(f"checkpoints ({metrics.spell((split, headlines[split]) for split in judged)}, in %)" if judged else "checkpoints")
    for point in result.checkpoints:
        shown = "  ".join(
            f"{split} {metrics.shown(headlines[split], values.get(headlines[split]))}" for split, values in point.metrics.items()
        )
        train = "  ".join(f"{name} {value:.4g}" for name, value in point.train.items())
        print(f"  {point.name:<12} {shown}  {train}".rstrip())
        for split, values in point.metrics.items():
            _beside(split, {metric: value for metric, value in values.items() if metric != headlines[split]})
    for name, value in result.extras.items():
        print(f"{name:<11} {value}")
    speed = f", {result.images_per_second:,.0f} images/s" if result.images_per_second else ""
    memory = f", peak memory {result.peak_memory_bytes / 2**20:,.0f} MiB" if result.peak_memory_bytes else ""
    print(f"cost        {duration(result.seconds['total'])}{speed}{memory}\nfinished    {result.finished}\nenvironment")
    for name, value in result.environment.items():
        print(f"  {name:<16} {value}")


def _beside(split: str, values: dict[str, float]) -> None:
    """What was measured of a split beside its headline metric: a line of other metrics, then one for each grouping."""
    lines: dict[str, list[str]] = {}
    for metric, value in values.items():
        grouping, _, group = metric.partition("=") if "=" in metric else ("", "", metrics.title(metric))
        lines.setdefault(grouping, []).append(f"{group} {metrics.shown(metric, value)}")
    for grouping, entries in lines.items():
        print(f"    {split}{f' by {grouping}' if grouping else ''}: {', '.join(entries)}")
