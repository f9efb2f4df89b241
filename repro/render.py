"""Tables as text: for the terminal and as markdown."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from repro.stats import Estimate
from repro.tables import Footnote, Table


def percent(cell: Estimate) -> str:
    """`97.3 ± 0.4`, in percent with one decimal."""
    half = "" if cell.half is None else f" ± {100 * cell.half:.1f}"
    return f"{100 * cell.mean:.1f}{half}"


def is_best(cell: Estimate, best: float) -> bool:
    return f"{100 * cell.mean:.1f}" == f"{100 * best:.1f}"


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")


def footnote(note: Footnote) -> str:
    rows = f" ({', '.join(note.rows)})" if note.rows else ""
    return f"{note.quirk.name}{rows}: {note.quirk.text}"


def terminal(table: Table) -> RenderableType:
    """A table, its caption and its footnotes without sources; column groups stand above the names of the splits."""
    grid = RichTable(box=box.SIMPLE_HEAD, header_style="", pad_edge=False)
    grid.add_column("\nmethod", overflow="fold")  # at any width, nothing is cut off
    for column in table.columns:
        grid.add_column(Text.assemble((column.group, "bold"), f"\n{column.name}"), justify="right", overflow="fold")
    grid.add_column("\nseeds", justify="right", overflow="fold")
    for row in table.rows:
        cells = [Text(percent(cell), style="bold" if is_best(cell, best) else "") for cell, best in zip(row.cells, table.best, strict=True)]
        grid.add_row(Text(row.name), *cells, str(len(row.seeds)) if row.seeded else "–")
    below = [*table.caption, *(f"– {footnote(note)}" for note in table.footnotes)]
    return Group(Text(table.title, style="bold"), grid, *(Text(sentence, style="dim") for sentence in below))


def markdown(table: Table) -> str:
    """A GitHub table with its caption and footnotes below."""
    header = ["method", *(f"{column.group}: {_escaped(column.name)}" for column in table.columns), "seeds"]
    lines = [f"**{table.title}**", "", f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    for row in table.rows:
        cells = [f"**{percent(cell)}**" if is_best(cell, best) else percent(cell) for cell, best in zip(row.cells, table.best, strict=True)]
        lines.append(f"| {' | '.join([_escaped(row.name), *cells, str(len(row.seeds)) if row.seeded else '–'])} |")
    notes = [f"- {footnote(note)} [{note.quirk.source}]" for note in table.footnotes]
    return "\n".join([*lines, "", " ".join(table.caption), "", *([*notes, ""] if notes else [])])


def as_json(table: Table) -> dict:
    """The same as plain data, fractions instead of percent."""
    return {
        "title": table.title,
        "benchmark": table.benchmark.name,
        "tiny": table.benchmark.tiny,
        "caption": list(table.caption),
        "columns": [column._asdict() for column in table.columns],
        "rows": [
            {
                "method": row.method,
                "variant": list(row.variant),
                "seeds": list(row.seeds),
                "keys": list(row.keys),
                "cells": [cell._asdict() for cell in row.cells],
            }
            for row in table.rows
        ],
        "footnotes": [
            {"name": note.quirk.name, "text": note.quirk.text, "source": note.quirk.source, "rows": list(note.rows)}
            for note in table.footnotes
        ],
    }
