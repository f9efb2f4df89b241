"""`repro doctor`: what could stop a run, and the command that cures it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from repro import plugins
from repro.cli.context import complete_benchmark, places
from repro.cli.options import AsJson
from repro.errors import UserError
from repro.paths import Places
from repro.preflight import doctor as checks
from repro.preflight.doctor import Diagnosis

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    context: typer.Context,
    benchmark: Annotated[
        str | None,
        typer.Argument(
            help="A benchmark: look at what it needs; left out: at the machine and all data.", autocompletion=complete_benchmark
        ),
    ] = None,
    as_json: AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no host.")] = False,
) -> None:
    """Look for what could stop a run: packages, GPU, disk, network, data; exit code 1 where something would."""
    where = places(context)
    if benchmark is not None:
        plugins.benchmark(benchmark)  # a wrong name is told before anything is looked at
    found = checks.packages()
    # The rest is looked at with those packages.
    found += [] if checks.failed(found) else _rest(where, benchmark, offline)
    if as_json:
        print(json.dumps({"ok": not checks.failed(found), "checks": [diagnosis.model_dump() for diagnosis in found]}, indent=1))
    else:
        _print(found)
    if checks.failed(found):
        raise typer.Exit(1)


def _rest(where: Places, benchmark: str | None, offline: bool) -> list[Diagnosis]:
    """Everything but the packages; the GPU, which may take torch's time to load, is asked meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        gpu = pool.submit(checks.gpu)
        others = _overview(where, offline) if benchmark is None else _of_benchmark(where, benchmark, offline)
        return [gpu.result(), *others]


def _overview(where: Places, offline: bool) -> list[Diagnosis]:
    from repro.data import manifest
    from repro.preflight import prepare, reach

    records, broken = [], []
    for name in manifest.names():
        try:
            records.append(manifest.load(name))
        except UserError as error:
            broken.append(Diagnosis(subject=name, state="fail", detail=f"{error.what}: {error.why}", cure=error.cure))
    network = [] if offline else reach.overview(records, where)
    return [*checks.writable(where), *checks.disk(where), *network, *broken, *prepare.overview(records, where)]


def _of_benchmark(where: Places, name: str, offline: bool) -> list[Diagnosis]:
    from repro.planning.plan import Request, standard_weights
    from repro.preflight import prepare, reach

    try:
        described = plugins.benchmark(name).describe({}, where, False)
        needs = prepare.assess(described.needs, standard_weights(Request(described)), where)
    except UserError as error:  # `folder` is only described by its options
        untold = Diagnosis(
            subject=name, state="warn", detail=f"{error.what}, so its data were not looked at ({error.why})", cure=error.cure
        )
        return [*checks.writable(where), *checks.disk(where), untold]
    network = [] if offline else reach.needed(needs, where)
    told = prepare.diagnose(needs, where) or [Diagnosis(subject=name, state="ok", detail="needs no data but its own")]
    return [*checks.writable(where, needs), *checks.disk(where, needs), *network, *told]


def _print(found: Sequence[Diagnosis]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = min(24, max(len(diagnosis.subject) for diagnosis in found))
    for diagnosis in found:
        state = (f"{diagnosis.state:<4}", COLOURS[diagnosis.state])
        console.print(Text.assemble(state, f" {diagnosis.subject:<{width}}  {diagnosis.detail}"))
        if diagnosis.state != "ok":
            console.print(Text(f"       try: {diagnosis.cure}", style="bold"))
    counts = {state: sum(diagnosis.state == state for diagnosis in found) for state in COLOURS}
    console.print(f"{counts['ok']} ok, {counts['warn']} to know, {counts['fail']} to mend")
