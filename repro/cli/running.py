"""`repro run BENCHMARK`: the plan, the work, the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro import plan as planning
from repro import plugins, tables
from repro.cli.context import complete_backbone, complete_benchmark, complete_field, complete_method, duration, places
from repro.cli.leaving import at_once
from repro.cli.tabling import write
from repro.doctor import preflight
from repro.forecast import Forecast
from repro.forecast import forecast as foresee
from repro.paths import Places
from repro.store import Store
from repro.types import Failure

if TYPE_CHECKING:
    from repro.prepare import Need

LONG = 600.0  # seconds of predicted work from which on it is worth a look at the disk beforehand


def run(
    context: typer.Context,
    benchmark: Annotated[str, typer.Argument(help="Name of a benchmark (repro list benchmarks).", autocompletion=complete_benchmark)],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", "-m", help="Methods, by commas or repeated; all; default: the benchmark's own.", autocompletion=complete_method
        ),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="How many (3: seeds 0, 1, 2) or which (0,4).")] = "3",
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="A backbone's name, or FAMILY:NAME[,key=value].", autocompletion=complete_backbone)
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", help="Pretrained weights: safetensors, or a torch checkpoint that holds tensors only; random: none, on purpose."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="[METHOD.]FIELD=VALUE; several values by commas are a sweep.", autocompletion=complete_field),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")] = "auto",
    root: Annotated[str | None, typer.Option("--root", help="folder: where <domain>/<class>/<image> lie.")] = None,
    id_domain: Annotated[str | None, typer.Option("--id", help="folder: the domain to train on.")] = None,
    ood_domains: Annotated[
        str | None, typer.Option("--ood", help="folder: the domains to test on; cifar10.1: its OOD splits; by commas.")
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="A tiny subset, to check that everything works.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the datasets and weights that are missing (repro data list).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run methods on a benchmark: only what is missing is run, then the ID/OOD table is shown."""
    from repro import prepare

    where = places(context)
    options = {name: value for name, value in (("root", root), ("id", id_domain), ("ood", ood_domains)) if value is not None}
    described = plugins.benchmark(benchmark).describe(options, where, tiny)
    methods = planning.parse_methods(method or [], described)
    strict = bool(method) and "all" not in ",".join(method).split(",")
    request = planning.Request(
        described, methods, planning.parse_seeds(seeds), backbone, weights, sets=tuple(settings or ()), strict=strict
    )
    request, needs = _look_up(request, where, fetch and not dry_run)
    plan = planning.make(request)
    store = Store(where.runs)
    forecast = foresee(plan, store)
    absent = prepare.missing(needs) if forecast.todo else ()
    if as_json and dry_run:
        print(json.dumps(_plan_json(plan, forecast) | {"missing": [need.model_dump(mode="json") for need in absent]}, indent=1))
        return
    if not as_json:
        _print_plan(plan, forecast)
        _print_missing(absent, where)
    if dry_run:
        return
    if forecast.todo:
        _prepare(needs, where, forecast, fetch)
    failures = _work(plan, where, device, forecast, quiet=as_json) if forecast.todo else []
    _report(plan, store, as_json)
    _tell_failures(failures)


def _look_up(request: planning.Request, where: Places, fetch: bool) -> tuple[planning.Request, tuple[Need, ...]]:
    """What the request needs on disk, and the request with the backbone's standard weights where the user names none."""
    from repro import prepare

    benchmark = request.benchmark
    standard = None if request.weights else planning.standard_weights(benchmark, request.backbone, request.methods)
    needs = prepare.assess(benchmark.needs, standard, where)
    if not standard:
        return request, needs
    if prepare.weights_of(standard, where).sha256 is None:
        # Runs are named by their weights' content, which nobody knows before the first fetch.
        _obtain(prepare.of_file(needs), where, fetch)
        needs = prepare.assess(benchmark.needs, standard, where)
    file = prepare.weights_of(standard, where)
    return request._replace(weights=str(file.path), weights_hash=file.sha256), needs


def _prepare(needs: Sequence[Need], where: Places, forecast: Forecast, fetch: bool) -> None:
    """All that can go wrong before the first run does so here, before torch is loaded."""
    from repro import prepare

    prepare.require(needs, where, fetching=fetch)
    if needs and (forecast.seconds is None or forecast.seconds > LONG):
        preflight(where, needs)
    _obtain(needs, where, fetch)


def _obtain(needs: Sequence[Need], where: Places, fetch: bool) -> None:
    """Fetch what is missing, watched by a progress display, or stop with the commands that get it."""
    from repro import prepare
    from repro.cli.transferring import Transfers

    prepare.require(needs, where, fetching=fetch)
    if absent := prepare.missing(needs):
        with Transfers(sum(need.bytes or 0 for need in absent)) as shown:
            prepare.fetch(absent, where, shown.report)


def _work(plan: planning.Plan, where: Places, device: str, forecast: Forecast, quiet: bool) -> list[Failure]:
    """Import the heavy part and work the plan off, watched by a progress display on standard error."""
    from repro.cli.watching import Watcher

    Store(where.runs).prepare()  # a folder that cannot be written is told before the seconds that torch takes
    with Watcher(forecast, quiet) as watcher, at_once(watcher.stop):
        watcher.note("loading torch")
        from repro.run import execute, find_device

        return execute(plan, where, find_device(device), watcher)


def _report(plan: planning.Plan, store: Store, as_json: bool) -> None:
    results = [result for run in plan.runs if (result := store.result(run))]
    made = tables.build(results, only=frozenset(plan.asked))
    if made or as_json:
        write(made, "json" if as_json else "terminal", None)


def _tell_failures(failures: list[Failure]) -> None:
    for failure in failures:
        typer.echo(f"failed: {failure.run.label} ({failure.key}): {failure.error}", err=True)
    if failures:
        typer.echo(f"see: repro show {failures[0].key}; the same command tries again", err=True)
        raise typer.Exit(1)


def _plan_json(plan: planning.Plan, forecast: Forecast) -> dict[str, Any]:
    def entry(run: Any) -> dict[str, Any]:
        return {
            "key": run.key,
            "method": run.method,
            "seed": run.seed,
            "recipe": run.recipe.changed(),
            "provenance": run.provenance,
            "parents": run.parents,
            "asked": run.key in plan.asked,
        }

    return {
        "benchmark": plan.benchmark.title,
        "done": [run.key for run in forecast.done],
        "todo": [run.key for run in forecast.todo],
        "seconds": forecast.seconds,
        "skipped": plan.skipped,
        "runs": [entry(run) for run in plan.runs],
    }


def _print_plan(plan: planning.Plan, forecast: Forecast) -> None:
    """Runs to do and done per method, and the predicted time as far as earlier runs tell."""
    lines: dict[str, list] = {}
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
        print(
            f"  {name:<14} {len(runs):>3} run{'s' if len(runs) > 1 else ' '}  seed{'s' if len(seeds) > 1 else ''} {','.join(map(str, seeds))}{sweep}: {finished} done, {len(runs) - finished} to do{part}"
        )
    for name, why in plan.skipped.items():
        print(f"  {name:<14} left out: {why}")
    total = f"{len(forecast.todo)} runs to do, {len(forecast.done)} done"
    if forecast.todo:
        known = forecast.known
        guess = "" if known == len(forecast.todo) else f", from {known} of them that are like earlier ones"
        total += (
            f"; about {duration(forecast.seconds)}{guess}"
            if forecast.seconds is not None
            else "; time unknown until the first runs are done"
        )
    print(total, flush=True)


def _print_missing(absent: Sequence[Need], where: Places) -> None:
    from repro import prepare

    if absent:
        print(f"missing: {prepare.listed(absent)}; {prepare.total(absent)} to fetch to {where.data}", flush=True)
