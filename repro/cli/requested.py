"""What `repro run` was asked for, as requests to plan: one for the benchmark that was named, or those of a paper's table."""

from __future__ import annotations

import typer

from repro import backbones, plugins
from repro.errors import UserError, quoted
from repro.papers import arrangement, reported, rows
from repro.paths import Places
from repro.planning import plan as planning
from repro.types import Benchmark

Group = tuple[dict[str, str], str | None, tuple[str, ...]]  # settings, backbone, methods: `PaperTable.groups`


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
    reported.publication(arranged.paper)  # a fault in it is told before anything is run
    if not arranged.benchmarks:
        raise UserError(
            f"{table} has no benchmark that this program has", f"it needs {', '.join(arranged.unbuilt)}", f"repro coverage {arranged.paper}"
        )
    if not arranged.groups():
        lacks = ", ".join(dict.fromkeys(line.lacks for line in arranged.row))
        raise UserError(f"{table} has no row that this program can run", f"it lacks {lacks}", f"repro coverage {arranged.paper} --reasons")
    papers = (asked.paper,) if asked.paper else arranged.recipes
    groups = {
        (name, paper): arranged.groups(name, paper) for name in arranged.benchmarks for paper in papers if paper in rows.papers_of(name)
    }
    if not any(groups.values()):
        why = f"of its benchmarks this program has {', '.join(arranged.benchmarks)}"
        raise UserError(f"{table} has no benchmark with recipes of {papers[0]}", why, f"repro coverage {arranged.paper} --reasons")
    there = {name for name, _ in groups}
    if absent := [column.benchmark for column in arranged.column if column.benchmark and column.benchmark not in there]:
        typer.echo(f"left out: {', '.join(dict.fromkeys(absent))} (repro coverage {arranged.paper} --reasons)", err=True)
    if lacking := [f"{line.title} (no {line.lacks})" for line in arranged.row if line.lacks]:
        typer.echo(f"left out: {', '.join(lacking)}", err=True)
    for name, paper in groups:
        if unwritten := arranged.without_recipe(name, paper):
            typer.echo(f"left out: {', '.join(unwritten)} on {name}, for which {paper} has no recipe", err=True)
    described = {one: rows.described(*one, where, options, tiny) for one, own in groups.items() if own}
    found = [request for one, of in described.items() for request in _of_rows(of, groups[one], method, asked._replace(paper=one[1]))]
    if not found:  # a row may lack a recipe on some of the benchmarks, not on all
        first, known = next(iter(described.values())), _methods([group for own in groups.values() for group in own])
        raise UserError(
            f"{arranged.name} has no row of {planning.parse_methods(method, first)[0]}",
            f"those that can be run are {', '.join(known)}",
            f"repro run {first.name}",
        )
    return found


def with_weights(requests: list[planning.Request], given: list[str]) -> list[planning.Request]:
    """The requests with the files that `--weights` names: FILE for all, BACKBONE=FILE for those on that network."""
    own: dict[str | None, str] = {}
    networks = [name for name in dict.fromkeys(planning.network(request) for request in requests) if name]
    for text in given:
        name = next((name for name in networks if text.startswith(f"{name}=")), None)
        other, equals, _ = text.partition("=")
        if name is None and equals and (other in backbones.named() or other.partition(":")[0] in backbones.FAMILIES):
            raise UserError(f"--weights {quoted(text)}: no run is on {other}", f"the runs are on {', '.join(networks)}", "leave it out")
        file = text.removeprefix(f"{name}=")
        if name in own:
            raise UserError(
                f"--weights: both {own[name]} and {file}{f' for {name}' if name else ''}", "one network has one file", "name one"
            )
        own[name] = file
    return [request._replace(weights=own.get(planning.network(request), own.get(None))) for request in requests]


def startable(requests: list[planning.Request]) -> list[planning.Request]:
    """The requests of a table but for rows that start from weights which nobody names; all of them where none is left."""
    kept: list[planning.Request] = []
    lacking: dict[str | None, dict[str, None]] = {}
    for request in requests:
        own = [name for name in request.methods if planning.brings_weights(request._replace(methods=(name,)))]
        if own:
            lacking.setdefault(planning.network(request), {}).update(dict.fromkeys(own))
        if methods := tuple(name for name in request.methods if name not in own):
            kept.append(request._replace(methods=methods))
    for network, names in lacking.items() if kept else ():
        given = f"{network}=FILE"
        typer.echo(f"left out: {', '.join(names)} with {network}, whose weights you name: --weights {quoted(given)}", err=True)
    return kept or requests


def _methods(groups: list[Group]) -> tuple[str, ...]:
    """Of groups of rows, each once, in order."""
    return tuple(dict.fromkeys(name for *_, names in groups for name in names))


def _of_rows(described: Benchmark, groups: list[Group], method: list[str], asked: planning.Request) -> list[planning.Request]:
    """One request per group of rows with the same settings and network; the user's own options come after the table's."""
    known = _methods(groups)
    wanted = planning.parse_methods(method or [",".join(known)], described)
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
