"""Tables as text: for the terminal and as markdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text

from repro.display.captions import MARK
from repro.display.tables import Column, Footnote, Row, Table
from repro.outcomes.stats import Estimate

BETWEEN = "   "  # two columns


def percent(cell: Estimate) -> str:
    """`97.3 ± 0.4`, in percent with one decimal."""
    half = "" if cell.half is None else f" ± {100 * cell.half:.1f}"
    return f"{100 * cell.mean:.1f}{half}"


def is_best(cell: Estimate, best: float) -> bool:
    return f"{100 * cell.mean:.1f}" == f"{100 * best:.1f}"


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")


def head(column: Column) -> str:
    return f"{column.name} {MARK}" if column.selected_on else column.name


def footnote(note: Footnote) -> str:
    rows = f" ({', '.join(note.rows)})" if note.rows else ""
    return f"{note.quirk.name}{rows}: {note.quirk.text}"


def terminal(table: Table) -> RenderableType:
    """A table, its caption and its footnotes without sources; column groups stand above the names of the splits."""
    below = [*table.caption, *(f"– {footnote(note)}" for note in table.footnotes)]
    return Group(Text(table.title, style="bold"), _Grid(table), *(Text(sentence, style="dim") for sentence in below))


class _Grid:
    """The rows, fitted to the width at hand: names break between words only; where a word is too long, variants move below the rows."""

    def __init__(self, table: Table):
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = [row.name for row in self.table.rows]
        width = self._width(names, console, options)
        notes = {}
        if width is None:
            numbers = itertools.count(1)
            notes = {row: f"[{next(numbers)}]" for row in self.table.rows if row.variant}
            names = [f"{row.method} {notes[row]}" if row in notes else row.method for row in self.table.rows]
            width = self._width(names, console, options)
        yield self._grid(names) if width is None else _Lines(self.table, names, width)
        yield from (Text(f"{number} {' '.join(row.variant)}") for row, number in notes.items())

    def _width(self, names: list[str], console: Console, options: ConsoleOptions) -> int | None:
        """Columns that are left for the names beside numbers that do not break; None: too few for the longest word."""
        names = ["method", *names]
        longest = max(map(cell_len, names))
        spare = options.max_width - len(BETWEEN) * (len(self.table.columns) + 1) - 2 - sum(_Lines.widths(self.table))
        return min(spare, longest) if spare >= max(cell_len(word) for name in names for word in name.split()) else None

    def _grid(self, names: list[str]) -> RichTable:
        """Where a line does not even hold the numbers: everything is folded, nothing is cut off."""
        table = self.table
        grid = RichTable(box=box.SIMPLE_HEAD, header_style="", pad_edge=False)
        grid.add_column("\nmethod", overflow="fold")
        for column in table.columns:
            grid.add_column(Text.assemble((column.group, "bold"), f"\n{head(column)}"), justify="right", overflow="fold")
        grid.add_column("\nseeds", justify="right", overflow="fold")
        for name, row in zip(names, table.rows, strict=True):
            cells = [
                Text(percent(cell), style="bold" if is_best(cell, best) else "") for cell, best in zip(row.cells, table.best, strict=True)
            ]
            grid.add_row(Text(name), *cells, str(len(row.seeds)) if row.seeded else "–")
        return grid


class _Lines:
    """The rows where the numbers fit, laid out as rich's table does it, which takes a millisecond for each row."""

    def __init__(self, table: Table, names: list[str], width: int):
        self.table, self.names, self.width = table, names, width

    @staticmethod
    def heads(table: Table) -> list[tuple[str, str]]:
        return [*((column.group, head(column)) for column in table.columns), ("", "seeds")]

    @staticmethod
    def cells(row: Row) -> list[str]:
        return [*map(percent, row.cells), str(len(row.seeds)) if row.seeded else "–"]

    @staticmethod
    def widths(table: Table) -> list[int]:
        """Of each column but the first, in characters."""
        columns = zip(*(_Lines.cells(row) for row in table.rows), strict=True)
        return [max(map(len, (*title, *cells))) for title, cells in zip(_Lines.heads(table), columns, strict=True)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        table, widths, bold = self.table, self.widths(self.table), Style(bold=True)
        groups, titles = zip(*self.heads(table), strict=True)
        blank = " " * (self.width + sum(widths) + len(BETWEEN) * len(widths) + 2) + "\n"
        yield Segment(blank)
        yield from self._line(
            _padded("", self.width),
            [[Segment(" " * (width - len(group))), Segment(group, bold)] for group, width in zip(groups, widths, strict=True)],
        )
        yield from self._line(
            _padded("method", self.width), [[Segment(title.rjust(width))] for title, width in zip(titles, widths, strict=True)]
        )
        yield Segment(f" {'─' * (len(blank) - 3)} \n")
        for name, row in zip(self.names, table.rows, strict=True):
            best = [*(is_best(cell, best) for cell, best in zip(row.cells, table.best, strict=True)), False]
            cells = [
                [Segment(text.rjust(width), bold if first else None)]
                for text, width, first in zip(self.cells(row), widths, best, strict=True)
            ]
            first, *others = Text(name).wrap(console, self.width, overflow="fold") if cell_len(name) > self.width else [name]
            yield from self._line(_padded(str(first), self.width), cells)
            for part in others:
                yield Segment(f" {_padded(str(part), self.width)}".ljust(len(blank) - 1) + "\n")
        yield Segment(blank)

    def _line(self, name: str, cells: list[list[Segment]]) -> Iterator[Segment]:
        yield Segment(f" {name}")
        for cell in cells:
            yield Segment(BETWEEN)
            yield from cell
        yield Segment(" \n")


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def markdown(table: Table) -> str:
    """A GitHub table with its caption and footnotes below."""
    header = ["method", *(f"{column.group}: {_escaped(head(column))}" for column in table.columns), "seeds"]
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
                "select": row.rule,
                "cells": [cell._asdict() for cell in row.cells],
            }
            for row in table.rows
        ],
        "footnotes": [
            {"name": note.quirk.name, "text": note.quirk.text, "source": note.quirk.source, "rows": list(note.rows)}
            for note in table.footnotes
        ],
    }
