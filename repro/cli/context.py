"""What every command shares: where things live, completion of names, the console."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

import typer

from repro import backbones, paths, plugins
from repro.outcomes.store import Store
from repro.papers import arrangement, reported
from repro.paths import Places


class GlobalOptions(NamedTuple):
    """The options before the command's name."""

    home: str | None = None
    data: str | None = None
    packs: str | None = None
    runs: str | None = None

    def places(self) -> Places:
        return Places.find(**self._asdict())


def places(context: typer.Context) -> Places:
    """Where things live for this call."""
    return (context.find_root().obj or GlobalOptions()).places()


def next_line(command: str, where: Places) -> str:
    """The command worth typing next, with the options by which this call named its places, or it would look elsewhere."""
    named = {place: str(getattr(where, place)) for place in paths.PLACES} | {"data": os.pathsep.join(map(str, where.data_roots))}
    options = [f"--{place} {shlex.quote(path)}" for place, path in named.items() if where.sources[place] == f"--{place}"]
    return f"next: {command.replace('repro ', ' '.join(['repro', *options, '']), 1)}"


def complete_benchmark(incomplete: str) -> list[str]:
    return [name for name in plugins.names("benchmarks") if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """The last name of a comma-separated list."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in [*plugins.names("methods"), "all"] if name.startswith(last)]


def complete_backbone(incomplete: str) -> list[str]:
    return [name for name in [*backbones.named(), *(f"{family}:" for family in backbones.FAMILIES)] if name.startswith(incomplete)]


def complete_field(incomplete: str) -> list[str]:
    from repro.settings import Recipe

    return [f"{name}=" for name in Recipe.model_fields if name.startswith(incomplete)]


def complete_table(incomplete: str) -> list[str]:
    return [name for name in arrangement.names() if name.startswith(incomplete)]


def complete_paper(incomplete: str) -> list[str]:
    return [name for name in reported.papers() if name.startswith(incomplete)]


def complete_manifest(incomplete: str) -> list[str]:
    return [path.stem for path in sorted(paths.manifests_dir().glob("*.toml")) if path.stem.startswith(incomplete)]


def complete_key(context: typer.Context, incomplete: str) -> list[str]:
    keys = [folder.name.rpartition("-")[2] for folder in Store(places(context).runs).folders()]
    return [key for key in keys if key.startswith(incomplete)]


def complete_cell_or_key(context: typer.Context, incomplete: str) -> list[str]:
    """Keys; from a table's name on, its cells, a part at a time."""
    table, colon, _ = incomplete.partition(":")
    if not colon:
        return complete_key(context, incomplete) + ([f"{name}:" for name in complete_table(incomplete)] if incomplete else [])
    if table not in arrangement.names():
        return []
    arranged = arrangement.load(table)
    rows = [f"{table}:{line.title}:" for line in arranged.row]
    cells = [f"{row}{column.title}" for row in rows for column in arranged.column if incomplete.startswith(row)]
    return [name for name in cells or rows if name.startswith(incomplete)]
