"""A table for a terminal of any width: blocks of columns one below another rather than folded words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table as RichTable
from rich.text import Text

from repro.display.formats.blocks import blocks, column_width
from repro.display.formats.grid import Grid, Piece

STYLES = {"": "", "bold": "bold", "dim": "dim", "good": "green", "fair": "cyan", "bad": "red"}


class Screen(NamedTuple):
    """What rich prints of a grid."""

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | RichTable]:
        yield Text(self.grid.title, style="bold")
        for columns in blocks(self.grid, options.max_width):
            yield _table(self.grid, columns)
        for sentence in self.grid.caption:
            yield Text(sentence, style="dim")
        for note, _ in self.grid.notes:
            yield Text(f"– {note}", style="dim")


def _table(grid: Grid, columns: list[int]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, header_style="", pad_edge=False)
    table.add_column(grid.corner, overflow="fold", max_width=max(len(line.name) for line in grid.lines))
    for index in columns:
        group, title = grid.heads[index]
        head = Text.assemble((group, "bold"), f"\n{title}") if group else Text(title)
        table.add_column(head, justify="right", overflow="fold", vertical="top", min_width=column_width(grid, index))
    for line in grid.lines:
        table.add_row(Text(line.name), *(_stack(line.cells[index]) for index in columns))
    return table


def _stack(pieces: tuple[Piece, ...]) -> Text:
    return Text("\n").join(Text(piece.text, style=STYLES[piece.style]) for piece in pieces)
