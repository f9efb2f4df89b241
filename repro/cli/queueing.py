"""`repro status`, `repro logs`, `repro cancel`: what workers are doing, what they printed, and their end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from repro import plugins
from repro.cli.context import complete_key, next_line, places
from repro.cli.options import AsJson
from repro.errors import UserError, unknown
from repro.outcomes import claims, processes
from repro.outcomes.costs import duration
from repro.outcomes.store import Store

if TYPE_CHECKING:
    from repro.launch.launches import Launch
    from repro.launch.standing import Seen, Standing

MOST = 20  # lines of a kind; --json has them all


def status(
    context: typer.Context,
    benchmark: Annotated[str | None, typer.Argument(help="Only runs of this benchmark.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is planned, queued, running (where, and how far), done and failed."""
    from repro.launch import standing

    store = Store(places(context).runs)
    every = list(standing.look(store))
    known = {*plugins.names("benchmarks"), *(one.folder.parent.name.removesuffix("-tiny") for one in every)}
    if benchmark and benchmark not in known:
        raise unknown("benchmark", benchmark, known, "repro list benchmarks")
    seen = [one for one in every if benchmark in (None, one.folder.parent.name.removesuffix("-tiny"))]
    keys = {one.key for one in seen}
    found = [one for one in standing.standings(store, seen) if benchmark is None or keys.intersection(one.launch.keys)]
    busy, now = [one for one in seen if one.state == "running"], standing.time_of(store.root)
    running = [(one, standing.working(store, one, now)) for one in (busy if as_json else busy[:MOST])]
    failed = [one for one in seen if one.state == "failed"]
    if as_json:
        print(
            json.dumps(
                {
                    "launches": [_as_json(one) for one in found],
                    "states": Counter(one.state for one in seen),
                    "running": [
                        {"key": one.key, "label": one.label, "benchmark": one.folder.parent.name, **doing} for one, doing in running
                    ],
                    "failed": [{"key": one.key, "label": one.label, "error": standing.error_of(one)} for one in failed],
                },
                indent=1,
            )
        )
        return
    if not seen and not found:
        print(f"nothing {f'of {benchmark} ' if benchmark else ''}has been run yet")
        print(next_line(f"repro run {benchmark or 'digits'}", places(context)))
        return
    _show(found, seen, running, [(one, standing.error_of(one)) for one in failed[:MOST]])


def _as_json(one: Standing) -> dict:
    launch = one.launch
    shown = {"id": launch.id, "created": launch.created, "title": launch.title, "slurm_job": launch.slurm_job, "workers": launch.workers}
    return {**shown, "cancelled": launch.cancelled, "runs": len(launch.keys), "states": one.states, "queue": one.queue}


def _show(found: list[Standing], seen: list[Seen], running: list, failed: list) -> None:
    live = [one for one in found if not one.over] or found[-1:]
    for one in live:
        launch = one.launch
        job = f", Slurm job {launch.slurm_job}" if launch.slurm_job else ""
        print(f"launch {launch.id}  {launch.title}{job}{', cancelled' if launch.cancelled else ''}")
        print(f"  {len(launch.keys)} runs: {_counted(one.states)}")
        if launch.slurm_job and not one.over:
            print(f"  queue: {_counted(one.queue) or 'empty'}" if one.queue is not None else "  queue: squeue cannot be asked here")
    for name, states in _by_benchmark(seen).items():
        print(f"runs of {name}: {_counted(states)}")
    for one, doing in running:
        print(f"  running  {one.key}  {one.label:<24} {_how_far(doing['progress']):<24} {_where(doing)}")
    for one, error in failed:
        print(f"  failed   {one.key}  {one.label:<24} {error}")
    states = Counter(one.state for one in seen)
    if more := [
        f"{states[name] - len(shown):,} more {name}"
        for name, shown in (("running", running), ("failed", failed))
        if states[name] > len(shown)
    ]:
        print(f"  … and {', '.join(more)} (--json names them)")
    if failed:
        print(f"see: repro logs {failed[0][0].key}; the same command tries again")


def _by_benchmark(seen: list[Seen]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for one in seen:
        found.setdefault(one.folder.parent.name, Counter())[one.state] += 1
    return found


def _counted(states: Counter[str]) -> str:
    return ", ".join(f"{number:,} {state.lower()}" for state, number in states.most_common())


def _how_far(progress: dict | None) -> str:
    if not progress:
        return "started"
    share = f" {100 * progress['done'] / progress['total']:.0f} %" if progress["total"] else ""
    return f"{progress['what']}{share}"


def _where(doing: dict) -> str:
    heard = "" if doing["heard"] is None or doing["heard"] < claims.STALE_SECONDS else f", not heard of for {duration(doing['heard'])}"
    return f"{doing['host']}, process {doing['pid']}{heard}"


def logs(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A run's key or its first digits.", autocompletion=complete_key)],
) -> None:
    """What workers printed while they were on a run, and how it failed."""
    from repro.launch import standing

    store = Store(places(context).runs)
    folder = store.find(key)
    parts = standing.logged(store, folder.name.rpartition("-")[2])
    for log, part in parts:
        print(f"{log}:\n{part}")
    failure = store.failure(folder)
    if failure and not any(failure.error in part for _, part in parts):
        print(f"{folder / 'failed.json'}:\n{failure.failed} failed: {failure.error}\n{failure.trace}".rstrip())
    elif not parts:
        raise UserError(
            f"no worker has printed anything about run {folder.name}",
            "it was run without --workers or --slurm, or not at all",
            f"repro show {folder.name.rpartition('-')[2]}",
        )


def cancel(
    context: typer.Context,
    launch: Annotated[str | None, typer.Argument(help="A launch, as repro status names it; default: the one that is under way.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every launch that is under way.")] = False,
) -> None:
    """End the workers of a launch; what they are on is checkpointed, and the same command continues it."""
    from repro.launch import standing

    store = Store(places(context).runs)
    found = [one for one in standing.standings(store, list(standing.look(store))) if not one.over or one.launch.id == launch]
    chosen = found if everything else [one for one in found if launch in (None, one.launch.id)]
    if not chosen:
        raise UserError(f"no launch {launch}" if launch else "nothing is under way", f"looked in {store.root}", "repro status")
    if len(chosen) > 1 and not everything:
        raise UserError(
            f"{len(chosen)} launches are under way",
            ", ".join(one.launch.id for one in chosen),
            "repro cancel LAUNCH, or repro cancel --all",
        )
    for one in chosen:
        print(_end(one.launch))


def _end(launch: Launch) -> str:
    from repro.launch import slurm

    if launch.slurm_job:
        slurm.cancel(launch)
        return f"cancelled: {launch.id}, Slurm job {launch.slurm_job}"
    if not processes.same_machine(launch.owner):
        raise UserError(
            f"{launch.id} is on {launch.owner.get('host')}", "a process is ended on its own machine", f"repro cancel {launch.id}, there"
        )
    launch.cancel()
    with contextlib.suppress(ProcessLookupError):
        if processes.alive(launch.owner):
            os.kill(launch.owner["pid"], signal.SIGTERM)
    return f"cancelled: {launch.id}; its workers are checkpointing"
