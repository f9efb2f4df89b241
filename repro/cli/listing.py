"""`repro list`: benchmarks, methods, tables, papers, backbones, recipe fields, one line each."""

from __future__ import annotations

from typing import Annotated

import typer

from repro import backbones, plugins
from repro.cli.options import AsJson
from repro.errors import unknown
from repro.papers import arrangement, reported
from repro.papers.rows import read
from repro.paths import tables_dir
from repro.settings import Recipe


def _benchmarks() -> list[tuple[str, str]]:
    return [(name, plugins.caption("benchmarks", name)) for name in plugins.names("benchmarks")]


def _methods() -> list[tuple[str, str]]:
    return [(name, plugins.caption("methods", name)) for name in plugins.names("methods")]


def _tables() -> list[tuple[str, str]]:
    of_benchmarks = [(path.stem, read(path).title) for path in sorted(tables_dir().glob("*.toml"))]
    return of_benchmarks + [(name, arrangement.load(name).title) for name in arrangement.names()]


def _papers() -> list[tuple[str, str]]:
    found = {name: reported.publication(name) for name in reported.papers()}
    return [(name, f"{paper.title} ({paper.venue})") for name, paper in found.items()]


def _backbones() -> list[tuple[str, str]]:
    return [(entry.name, entry.caption) for entry in backbones.named().values()] + [
        (f"{family}:NAME", text) for family, text in backbones.FAMILIES.items()
    ]


def _fields() -> list[tuple[str, str]]:
    rows = []
    for name, field in Recipe.model_fields.items():
        kind = str(field.annotation).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
        rows.append((name, f"{kind}, {field.default}" + (f": {field.description}" if field.description else "")))
    return rows


SECTIONS = {
    "benchmarks": _benchmarks,
    "methods": _methods,
    "tables": _tables,
    "papers": _papers,
    "backbones": _backbones,
    "fields": _fields,
}


def list_(
    what: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(SECTIONS)}; all but fields where left out.", autocompletion=lambda: list(SECTIONS)),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List benchmarks, methods, tables, papers, backbones, and the recipe fields that --set takes."""
    if what is not None and what not in SECTIONS:
        raise unknown("list", what, SECTIONS, "repro list")
    sections = {name: make() for name, make in SECTIONS.items() if name == what or (what is None and name != "fields")}
    if as_json:
        import json

        print(json.dumps({name: dict(rows) for name, rows in sections.items()}, indent=1))
        return
    for name, rows in sections.items():
        if what is None:
            print(name)
        width = max((len(label) for label, _ in rows), default=0)
        for label, text in rows:
            print(f"  {label:<{width}}  {text}")
