"""`repro run BENCHMARK`: the plan, the work, the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from repro import plugins
from repro.cli import launching
from repro.cli.context import complete_backbone, complete_benchmark, complete_field, complete_method, complete_table, places
from repro.cli.leaving import at_once
from repro.cli.planned import UNKNOWN, show_sum
from repro.cli.planned import as_json as planning_json
from repro.cli.planned import missing as show_missing
from repro.cli.planned import show as show_plan
from repro.cli.tabling import write
from repro.display import tables
from repro.errors import UserError
from repro.outcomes.store import Store
from repro.papers import arrangement, rows
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.calibration import Calibration
from repro.planning.forecast import Forecast, calibrate
from repro.planning.forecast import forecast as foresee
from repro.preflight.device import at_hand
from repro.preflight.doctor import preflight
from repro.types import Benchmark, Failure

if TYPE_CHECKING:
    from repro.preflight.prepare import Need

LONG = 600.0  # seconds of predicted work from which on it is worth a look at the disk beforehand


def run(
    context: typer.Context,
    benchmark: Annotated[
        str | None, typer.Argument(help="Name of a benchmark (repro list benchmarks).", autocompletion=complete_benchmark)
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="A paper's table (repro list tables): run what it lacks.", autocompletion=complete_table)
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Methods, by commas or repeated; all; default: the paper's, else the benchmark's own.",
            autocompletion=complete_method,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="How many (3: seeds 0, 1, 2) or which (0,4); default: as many as the paper has, else 3.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="A backbone's name, or FAMILY:NAME[,key=value].", autocompletion=complete_backbone)
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="Pretrained weights: safetensors, a torch checkpoint, or an archive of OpenAI's CLIP; random: none, on purpose.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="[METHOD.]FIELD=VALUE; several values by commas are a sweep.", autocompletion=complete_field),
    ] = None,
    paper: Annotated[
        str | None, typer.Option("--paper", help="Whose recipes, where several papers use the benchmark; default: the first's.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The recorded winners instead of the papers' grids.")] = False,
    released: Annotated[bool, typer.Option("--as-released", help="As the authors' code has it, where it departs from their text.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")] = "auto",
    workers: Annotated[
        str | None,
        typer.Option("--workers", help="Processes that share the runs: a number, or auto: one per GPU or core, more where they fit."),
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Queue workers with Slurm and return (repro status watches them).")] = False,
    partition: Annotated[str | None, typer.Option("--partition", help="Slurm: its partition.")] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", help="Slurm: GPUs of each task of the array, a worker on each.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="Slurm: the limit of each task, 4:00:00; what it does not finish is queued again.")
    ] = None,
    array_limit: Annotated[int | None, typer.Option("--array-limit", help="Slurm: tasks that may run at the same time.")] = None,
    set_slurm: Annotated[list[str] | None, typer.Option("--set-slurm", help="Slurm: KEY=VALUE, as sbatch --KEY=VALUE.")] = None,
    root: Annotated[
        str | None, typer.Option("--root", help="folder: where <domain>/<class>/<image> lie; light-curves: <domain>.jsonl.")
    ] = None,
    id_domain: Annotated[str | None, typer.Option("--id", help="folder, light-curves: the domain to train on.")] = None,
    ood_domains: Annotated[
        str | None, typer.Option("--ood", help="The OOD splits wanted, by commas (folder, light-curves: domains; cifar10.1).")
    ] = None,
    ood_validation: Annotated[
        str | None, typer.Option("--ood-val", help="folder, light-curves: the domain to validate on out of distribution.")
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="A tiny subset, to check that everything works.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the datasets and weights that are missing (repro data list).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run methods on a benchmark, or what a paper's table lacks: only what is missing is run, then the ID/OOD table is shown."""
    where = places(context)
    how = launching.Words(workers, slurm, partition, gpus, time, array_limit, tuple(set_slurm or ()))
    how.check()
    options = {
        name: value for name, value in (("root", root), ("id", id_domain), ("ood", ood_domains), ("ood_val", ood_validation)) if value
    }
    asked = planning.Request(
        benchmark=None,
        seeds=planning.parse_seeds(seeds) if seeds else (),
        backbone=backbone,
        weights=weights,
        sets=tuple(settings or ()),
        strict=bool(method) and "all" not in ",".join(method).split(","),
        paper=paper,
        quick=quick,
        released=released,
    )
    requests = requests_of(benchmark, table, options, where, tiny, method or [], asked)
    store = Store(where.runs)
    calibrated = cache(lambda: calibrate(store, at_hand(device)))
    planned = [look_up(request, where, store, fetch and not dry_run, dry_run, calibrated) for request in requests]
    if as_json and dry_run:
        plans = [planning_json(one.plan, one.forecast, one.absent) for one in planned]
        print(json.dumps(plans if table else plans[0], indent=1))
        return
    if not as_json:
        for one in planned:
            show_plan(one.plan, one.forecast)
            show_missing(one.absent, where)
        show_sum([one.forecast for one in planned])
    if dry_run:
        return
    for one in planned:
        if one.forecast.todo:
            _prepare(one.needs, where, one.forecast, fetch)
    todo = [one for one in planned if one.forecast.todo]
    if slurm and todo:
        launching.submit([one.plan for one in todo], [run for one in todo for run in one.forecast.todo], where, device, how, as_json)
        return
    if workers and todo:
        failures = launching.work([one.plan for one in todo], [one.forecast for one in todo], where, device, workers, quiet=as_json)
    else:
        failures = [failure for one in todo for failure in _work(one.plan, where, device, one.forecast, quiet=as_json)]
    _report([one.plan for one in planned], store, as_json)
    _tell_failures(failures)


class Planned(NamedTuple):
    """One benchmark's plan, what is left of it to do, and what it needs on disk."""

    plan: planning.Plan
    forecast: Forecast
    needs: tuple[Need, ...]
    absent: tuple[Need, ...]


def requests_of(
    benchmark: str | None, table: str | None, options: dict[str, str], where: Places, tiny: bool, method: list[str], asked: planning.Request
) -> list[planning.Request]:
    """One request per benchmark: that which was named, or those of a paper's table with its rows."""
    if (benchmark is None) == (table is None):
        raise UserError(
            "name a benchmark, or a table by --table" if table is None else "a benchmark and a table were named",
            "one command runs one benchmark, or what one table of a paper lacks",
            "repro run digits, or repro run --table lp-ft/2",
        )
    if table is None:
        described = plugins.benchmark(benchmark).describe(options, where, tiny)
        return [
            planning.as_in_paper(asked._replace(benchmark=described, methods=planning.parse_methods(method, described) if method else ()))
        ]
    arranged = arrangement.load(table)
    if not arranged.benchmarks:
        raise UserError(
            f"{table} has no benchmark that this program has", f"it needs {', '.join(arranged.unbuilt)}", f"repro coverage {arranged.paper}"
        )
    if not arranged.groups():
        lacks = ", ".join(dict.fromkeys(line.lacks for line in arranged.row))
        raise UserError(f"{table} has no row that this program can run", f"it lacks {lacks}", f"repro coverage {arranged.paper} --reasons")
    paper = asked.paper or arranged.paper
    groups = {name: arranged.groups(name, paper) for name in arranged.benchmarks if paper in rows.papers_of(name)}
    if not any(groups.values()):
        why = f"of its benchmarks this program has {', '.join(arranged.benchmarks)}"
        raise UserError(f"{table} has no benchmark with recipes of {paper}", why, f"repro coverage {arranged.paper} --reasons")
    if absent := [column.benchmark for column in arranged.column if column.benchmark and column.benchmark not in groups]:
        typer.echo(f"left out: {', '.join(dict.fromkeys(absent))} (repro coverage {arranged.paper} --reasons)", err=True)
    for name in groups:
        if unwritten := arranged.without_recipe(name, paper):
            typer.echo(f"left out: {', '.join(unwritten)} on {name}, for which {paper} has no recipe", err=True)
    described = {name: plugins.benchmark(name).describe(options, where, tiny) for name in groups if groups[name]}
    asked = asked._replace(paper=paper)
    return [request for name, one in described.items() for request in _requests_of_rows(one, groups[name], arranged, method, asked)]


def _requests_of_rows(
    described: Benchmark,
    groups: list[tuple[dict[str, str], str | None, tuple[str, ...]]],
    arranged: arrangement.PaperTable,
    method: list[str],
    asked: planning.Request,
) -> list[planning.Request]:
    """One request per group of rows with the same settings and network; the user's own options come after the table's."""
    known = tuple(dict.fromkeys(name for *_, names in groups for name in names))
    wanted = planning.parse_methods(method or [",".join(known)], described)
    if not set(wanted) & set(known):
        raise UserError(
            f"{arranged.name} has no row of {wanted[0]}", f"those that can be run are {', '.join(known)}", f"repro run {described.name}"
        )
    found: list[planning.Request] = []
    for settings, network, names in groups:
        if not (methods := tuple(name for name in names if name in wanted)):
            continue
        sets = [f"{name}.{field}={value}" for name in methods for field, value in settings.items()]
        for text in asked.sets:
            named = text.partition("=")[0].rpartition(".")[0]
            if named in methods or named not in known:  # one for a row of another group is not a mistake here
                sets.append(text)
        backbone = asked.backbone or (None if described.tiny else network)
        request = planning.as_in_paper(asked._replace(benchmark=described, methods=methods, sets=tuple(sets), backbone=backbone))
        if request not in found:
            found.append(request)
    return found


def look_up(
    request: planning.Request, where: Places, store: Store, fetch: bool, dry_run: bool, calibrated: Callable[[], Calibration] | None = None
) -> Planned:
    """The plan with the backbone's standard weights where the user names none, what it will cost as far as that is known, and what it needs on disk."""
    from repro.preflight import prepare

    standard = None if request.weights else planning.standard_weights(request)
    needs = prepare.assess(request.benchmark.needs, standard, where)
    if standard:
        file = prepare.weights_of(standard, where)
        if file.sha256 is None and not dry_run:
            # Runs are named by their weights' content, which nobody knows before the first fetch.
            _obtain(prepare.of_file(needs), where, fetch)
            needs, file = prepare.assess(request.benchmark.needs, standard, where), prepare.weights_of(standard, where)
        request = request._replace(weights=str(file.path), weights_hash=file.sha256 or f"{UNKNOWN} of {standard}")
    plan = planning.make(request)
    if plan.needs != request.benchmark.needs:
        needs = prepare.assess(plan.needs, standard, where)
    forecast = foresee(plan, store, calibrated)
    return Planned(plan, forecast, needs, prepare.missing(needs) if forecast.todo else ())


def _prepare(needs: Sequence[Need], where: Places, forecast: Forecast, fetch: bool) -> None:
    """All that can go wrong before the first run does so here, before torch is loaded."""
    from repro.preflight import prepare

    prepare.require(needs, where, fetching=fetch)
    prepare.require_optional(forecast.todo)
    if needs and (forecast.seconds is None or forecast.seconds > LONG):
        preflight(where, needs)
    _obtain(needs, where, fetch)


def _obtain(needs: Sequence[Need], where: Places, fetch: bool) -> None:
    """Fetch what is missing, watched by a progress display, or stop with the commands that get it."""
    from repro.cli.transferring import Transfers
    from repro.preflight import prepare

    prepare.require(needs, where, fetching=fetch)
    if absent := prepare.missing(needs):
        with Transfers(sum(need.bytes or 0 for need in absent)) as shown:
            prepare.fetch(absent, where, shown.report)


def _work(plan: planning.Plan, where: Places, device: str, forecast: Forecast, quiet: bool) -> list[Failure]:
    """Import the heavy part and work the plan off, watched by a progress display on standard error."""
    from repro.cli.watching import Watcher

    Store(where.runs).prepare()  # a folder that cannot be written is told before the seconds that torch takes
    with Watcher(len(forecast.todo), quiet) as watcher, at_once(watcher.stop):
        watcher.note("loading torch")
        from repro.run import execute, find_device

        return execute(plan, where, find_device(device), watcher)


def _report(plans: list[planning.Plan], store: Store, as_json: bool) -> None:
    stored = [(run, store.result(run)) for plan in plans for run in plan.runs]
    results = [
        result.model_copy(update={"run": run}) for run, result in stored if result
    ]  # one run may be in several papers' recipes: this one's
    made = tables.build(results, only=frozenset(key for plan in plans for key in plan.asked))
    if made or as_json:
        write(made, "json" if as_json else "terminal", None)


def _tell_failures(failures: list[Failure]) -> None:
    for failure in failures:
        typer.echo(f"failed: {failure.run.label} ({failure.key}): {failure.error}", err=True)
    if failures:
        typer.echo(f"see: repro show {failures[0].key}; the same command tries again", err=True)
        raise typer.Exit(1)
