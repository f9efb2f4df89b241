"""Tables as text: for the terminal and as markdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text

from repro.display.captions import MARK
from repro.display.tables import Column, Footnote, Row, Table
from repro.outcomes.metrics import shown
from repro.outcomes.stats import Estimate

BETWEEN = "   "  # two columns


def percent(cell: Estimate, metric: str = "accuracy") -> str:
    """`97.3 ± 0.4`, in percent with one decimal; of a metric that is no share as it is, with four."""
    half = "" if cell.half is None else f" ± {shown(metric, cell.half)}"
    return f"{shown(metric, cell.mean)}{half}"


def cells_of(table: Table, row: Row) -> list[tuple[str, bool]]:
    """Each cell's text, and whether no row of its column is better, as printed."""
    triples = zip(row.cells, table.best, table.columns, strict=True)
    return [(percent(cell, column.metric), shown(column.metric, cell.mean) == shown(column.metric, best)) for cell, best, column in triples]


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
    """The rows, fitted to the width at hand: names break between words only; where a word is too long, variants move below the rows; where the
    numbers do not fit beside the names, the columns stand in several blocks."""

    def __init__(self, table: Table):
        self.table = table
        self.heads = [*((column.group, head(column)) for column in table.columns), ("", "seeds")]
        self.cells = [[*cells_of(table, row), (str(len(row.seeds)) if row.seeded else "–", False)] for row in table.rows]
        columns = zip(*([text for text, _ in cells] for cells in self.cells), strict=True)
        self.widths = [max(map(len, (*title, *texts))) for title, texts in zip(self.heads, columns, strict=True)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = [row.name for row in self.table.rows]
        width = self._width(names, options)
        notes = {}
        if width is None:
            numbers = itertools.count(1)
            notes = {row: f"[{next(numbers)}]" for row in self.table.rows if row.variant}
            names = [f"{row.method} {notes[row]}" if row in notes else row.method for row in self.table.rows]
            width = self._width(names, options)
        for columns in [range(len(self.widths))] if width is not None else self._blocks(names, options):
            yield self._folded(names) if columns is None else _Lines(self, names, width or _longest(names), columns)
        yield from (Text(f"{number} {' '.join(row.variant)}") for row, number in notes.items())

    def _width(self, names: list[str], options: ConsoleOptions) -> int | None:
        """Columns that are left for the names beside numbers that do not break; None: too few for the longest word."""
        longest = max(map(cell_len, ["method", *names]))
        spare = options.max_width - len(BETWEEN) * len(self.widths) - 2 - sum(self.widths)
        return min(spare, longest) if spare >= _longest(names) else None

    def _blocks(self, names: list[str], options: ConsoleOptions) -> list[range | None]:
        """As many columns beside the names as fit, and again, until all have stood there; None alone where some column does not fit at all."""
        spare = options.max_width - 2 - _longest(names)
        needs = [len(BETWEEN) + width for width in self.widths]
        if max(needs) > spare:
            return [None]
        blocks, first = [], 0
        while first < len(needs):
            last = next((end for end in range(len(needs), first + 1, -1) if sum(needs[first:end]) <= spare), first + 1)
            blocks.append(range(first, last))
            first = last
        return blocks

    def _folded(self, names: list[str]) -> RichTable:
        """Where a line does not even hold the numbers: everything is folded, nothing is cut off."""
        grid = RichTable(box=box.SIMPLE_HEAD, header_style="", pad_edge=False)
        grid.add_column("\nmethod", overflow="fold")
        for group, title in self.heads:
            grid.add_column(Text.assemble((group, "bold"), f"\n{title}"), justify="right", overflow="fold")
        for name, cells in zip(names, self.cells, strict=True):
            grid.add_row(Text(name), *(Text(text, style="bold" if best else "") for text, best in cells))
        return grid


class _Lines:
    """The rows with some of their columns, which fit, laid out as rich's table does it, which takes a millisecond for each row."""

    def __init__(self, grid: _Grid, names: list[str], width: int, columns: range):
        self.names, self.width = names, width
        self.widths, self.heads = ([part[column] for column in columns] for part in (grid.widths, grid.heads))
        self.cells = [[cells[column] for column in columns] for cells in grid.cells]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        widths, bold = self.widths, Style(bold=True)
        blank = " " * (self.width + sum(widths) + len(BETWEEN) * len(widths) + 2) + "\n"
        yield Segment(blank)
        groups, titles = zip(*self.heads, strict=True)
        spaces = [BETWEEN + " " * (width - len(group)) for group, width in zip(groups, widths, strict=True)]
        pieces = zip(spaces, groups, strict=True)
        yield from self._line("", (piece for space, group in pieces for piece in ((space, None), (group, bold))))
        yield from self._line("method", ((BETWEEN + title.rjust(width), None) for title, width in zip(titles, widths, strict=True)))
        yield Segment(f" {'─' * (len(blank) - 3)} \n")
        for name, cells in zip(self.names, self.cells, strict=True):
            first, *others = Text(name).wrap(console, self.width, overflow="fold") if cell_len(name) > self.width else [name]
            texts = ((text.rjust(width), bold if best else None) for (text, best), width in zip(cells, widths, strict=True))
            yield from self._line(str(first), (piece for text in texts for piece in ((BETWEEN, None), text)))
            for part in others:
                yield Segment(f" {_padded(str(part), self.width)}".ljust(len(blank) - 1) + "\n")
        yield Segment(blank)

    def _line(self, name: str, pieces: Iterable[tuple[str, Style | None]]) -> Iterator[Segment]:
        """What has no style of its own is one segment: each takes its time."""
        plain = f" {_padded(name, self.width)}"
        for text, style in pieces:
            if style is None:
                plain += text
            else:
                yield Segment(plain)
                yield Segment(text, style)
                plain = ""
        yield Segment(f"{plain} \n")


def _longest(names: list[str]) -> int:
    """Columns that their longest word takes, which is never broken."""
    return max(map(cell_len, {word for name in ("method", *names) for word in name.split()}))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def markdown(table: Table) -> str:
    """A GitHub table with its caption and footnotes below."""
    header = ["method", *(f"{column.group}: {_escaped(head(column))}" for column in table.columns), "seeds"]
    lines = [f"**{table.title}**", "", f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    for row in table.rows:
        cells = [f"**{text}**" if best else text for text, best in cells_of(table, row)]
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
