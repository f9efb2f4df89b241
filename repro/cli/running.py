"""`repro run BENCHMARK`: the plan, the work, the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import typer

from repro import plugins
from repro.cli import launching, options
from repro.cli.context import places
from repro.cli.leaving import at_once
from repro.cli.left_out import telling
from repro.cli.planned import UNKNOWN, show_sum
from repro.cli.planned import as_json as planning_json
from repro.cli.planned import missing as show_missing
from repro.cli.planned import show as show_plan
from repro.cli.requested import requests_of, startable, with_weights
from repro.cli.tabling import show_table, write
from repro.display import tables
from repro.errors import UserError
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.calibration import Calibration
from repro.planning.forecast import Forecast, calibrate
from repro.planning.forecast import forecast as foresee
from repro.preflight.device import at_hand
from repro.preflight.doctor import preflight
from repro.types import Failure

if TYPE_CHECKING:
    from repro.preflight.prepare import Need

LONG = 600.0  # seconds of predicted work from which on it is worth a look at the disk beforehand


def run(
    context: typer.Context,
    benchmark: options.Benchmark = None,
    table: options.Table = None,
    method: options.Methods = None,
    seeds: options.Seeds = None,
    backbone: options.Backbone = None,
    weights: options.Weights = None,
    settings: options.Settings = None,
    paper: options.Paper = None,
    quick: options.Quick = False,
    released: options.AsReleased = False,
    device: options.Device = "auto",
    workers: options.Workers = None,
    slurm: options.Slurm = False,
    partition: options.Partition = None,
    gpus: options.Gpus = None,
    time: options.Time = None,
    array_limit: options.ArrayLimit = None,
    set_slurm: options.SetSlurm = None,
    root: options.Root = None,
    id_domain: options.IdDomain = None,
    ood_domains: options.OodDomains = None,
    ood_validation: options.OodValidation = None,
    tiny: options.Tiny = False,
    fetch: options.Fetch = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJsonOfRun = False,
) -> None:
    """Run methods on a benchmark, or what a paper's table lacks: only what is missing is run, then the table is shown."""
    where = places(context)
    how = launching.Words(workers, slurm, partition, gpus, time, array_limit, tuple(set_slurm or ()))
    how.check()
    chosen = {"root": root, "id": id_domain, "ood": ood_domains, "ood_val": ood_validation}
    asked = planning.Request(
        benchmark=None,
        seeds=planning.parse_seeds(seeds) if seeds else (),
        backbone=backbone,
        sets=tuple(settings or ()),
        strict=bool(method) and "all" not in ",".join(method).split(","),
        paper=paper,
        quick=quick,
        released=released,
    )
    requests = requests_of(benchmark, table, {name: said for name, said in chosen.items() if said}, where, tiny, method or [], asked)
    requests = with_weights(requests, weights or [])
    requests = startable(requests) if table else requests
    store = Store(where.runs)
    with telling() as damaged:
        calibrated = cache(lambda: calibrate(store, at_hand(device), damaged))
        planned = [look_up(request, where, store, fetch and not dry_run, dry_run, calibrated) for request in requests]
    _require_meant(asked.sets, [one.plan for one in planned])
    if not as_json:
        _show(planned, where)
    elif dry_run:
        plans = [planning_json(one.plan, one.forecast, one.absent) for one in planned]
        print(json.dumps(plans if table else plans[0], indent=1))
    if not dry_run:
        show = partial(_report, [one.plan for one in planned], store, as_json)
        _carry_out(planned, where, device, how, fetch, as_json, partial(show_table, table, where, tiny, as_json) if table else show)


class Planned(NamedTuple):
    """One benchmark's plan, what is left of it to do, and what it needs on disk."""

    plan: planning.Plan
    forecast: Forecast
    needs: tuple[Need, ...]
    absent: tuple[Need, ...]


def _show(planned: Sequence[Planned], where: Places) -> None:
    """Each plan, then once what all of them lack, and their sum."""
    for one in planned:
        show_plan(one.plan, one.forecast)
    show_missing(list({(need.name, need.file): need for one in planned for need in one.absent}.values()), where)
    show_sum([one.forecast for one in planned])


def _require_meant(sets: Sequence[str], plans: Sequence[planning.Plan]) -> None:
    """A setting of one method is a mistake, not a no-op, where no plan has a run of it; of a stage, which few rows start from, it may be."""
    there = dict.fromkeys(name for plan in plans for name in (*(run.method for run in plan.runs), *plan.skipped))
    for text in sets:
        method = text.partition("=")[0].rpartition(".")[0]
        if method and method not in there and plugins.declared(method).reported:
            raise UserError(
                f"--set {text}: no run of {method} is planned",
                f"the runs are of {', '.join(there)}",
                f"add --method {method}, or leave it out",
            )


def look_up(
    request: planning.Request,
    where: Places,
    store: Store,
    fetch: bool,
    dry_run: bool,
    calibrated: Callable[[], Calibration] | None = None,
    damaged: list[Damaged] | None = None,
) -> Planned:
    """The plan with the backbone's standard weights where the user names none, what it will cost as far as that is known, and what it needs
    on disk; `damaged` as in `forecast`."""
    from repro.preflight import prepare

    standard = None if request.weights else planning.standard_weights(request)
    needs = prepare.assess(request.benchmark.needs, standard, where)
    if standard:
        file = prepare.weights_of(standard, where)
        if file.sha256 is None and not dry_run:
            # Runs are named by their weights' content, which nobody knows before the first fetch. What else is missing is said with it.
            prepare.require(needs, where, fetching=fetch)
            _obtain(prepare.of_file(needs), where, fetch)
            needs, file = prepare.assess(request.benchmark.needs, standard, where), prepare.weights_of(standard, where)
        request = request._replace(weights=str(file.path), weights_hash=file.sha256 or f"{UNKNOWN} of {standard}")
    plan = planning.make(request)
    if plan.needs != request.benchmark.needs:
        needs = prepare.assess(plan.needs, standard, where)
    forecast = foresee(plan, store, calibrated, damaged)
    return Planned(plan, forecast, needs, prepare.missing(needs) if forecast.todo else ())


def _carry_out(
    planned: list[Planned], where: Places, device: str, how: launching.Words, fetch: bool, as_json: bool, show: Callable[[], None]
) -> None:
    """Do what is missing, here or by workers, and show the table; exit code 1 where a run failed."""
    todo = [one for one in planned if one.forecast.todo]
    for one in todo:
        _prepare(one.needs, where, one.forecast, fetch)
    plans = [one.plan for one in todo]
    if how.slurm and todo:
        launching.submit(plans, [run for one in todo for run in one.forecast.todo], where, device, how, as_json)
        return
    if how.workers and todo:
        failures = launching.work(plans, [one.forecast for one in todo], where, device, how.workers, quiet=as_json)
    else:
        failures = [failure for one in todo for failure in _work(one.plan, where, device, one.forecast, quiet=as_json)]
    show()
    _tell_failures(failures)


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
    stored = [(run, store.result(run)) for run in {run.key: run for plan in plans for run in plan.runs}.values()]
    # the same run may be in several papers' recipes: its fields come from where this plan has them from
    results = [result.model_copy(update={"run": run}) for run, result in stored if result]
    made = tables.build(results, only=frozenset(key for plan in plans for key in plan.asked))
    if made or as_json:
        write(made, "json" if as_json else "terminal", None)


def _tell_failures(failures: list[Failure]) -> None:
    for failure in failures:
        typer.echo(f"failed: {failure.run.label} ({failure.key}): {failure.error}", err=True)
    if failures:
        typer.echo(f"see: repro show {failures[0].key}; the same command tries again", err=True)
        raise typer.Exit(1)
