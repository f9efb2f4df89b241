"""A table for a terminal of any width: blocks of columns one below another rather than folded words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table as RichTable
from rich.text import Text

from repro.formats.grid import Grid, Piece

STYLES = {"": "", "bold": "bold", "dim": "dim", "good": "green", "fair": "cyan", "bad": "red"}
BETWEEN = 3  # spaces that a column adds to its text


class Screen(NamedTuple):
    """What rich prints of a grid."""

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | RichTable]:
        yield Text(self.grid.title, style="bold")
        for columns in _blocks(self.grid, options.max_width):
            yield _table(self.grid, columns)
        for sentence in self.grid.caption:
            yield Text(sentence, style="dim")
        for note, _ in self.grid.notes:
            yield Text(f"– {note}", style="dim")


def _name_width(grid: Grid, width: int) -> int:
    """Names of rows take at most a third of the screen and are folded there."""
    longest = max(len(line.name) for line in grid.lines)
    words = max(len(word) for line in grid.lines for word in line.name.split())
    return min(longest, max(width // 3, min(words, width // 2)))


def _column_width(grid: Grid, index: int) -> int:
    pieces = [len(piece.text) for line in grid.lines for piece in line.cells[index]]
    return max([*pieces, *(len(word) for text in grid.heads[index] for word in text.split())], default=1)


def _blocks(grid: Grid, width: int) -> list[list[int]]:
    """Columns that fit beside the names of the rows, in order: as few blocks as there can be, and those of like widths."""
    fewest = len(_filled(grid, width, width))
    return next(blocks for limit in range(width + 1) if len(blocks := _filled(grid, width, limit)) <= fewest)


def _filled(grid: Grid, width: int, limit: int) -> list[list[int]]:
    """Blocks that are filled up to `limit`; one column is the least."""
    blocks: list[list[int]] = [[]]
    start = used = _name_width(grid, width) + BETWEEN
    for index, needed in enumerate(_column_width(grid, index) + BETWEEN for index in range(len(grid.heads))):
        if blocks[-1] and used + needed > limit:
            blocks.append([])
            used = start
        blocks[-1].append(index)
        used += needed
    return blocks


def _table(grid: Grid, columns: list[int]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, header_style="", pad_edge=False)
    table.add_column(grid.corner, overflow="fold", max_width=max(len(line.name) for line in grid.lines))
    for index in columns:
        group, title = grid.heads[index]
        head = Text.assemble((group, "bold"), f"\n{title}") if group else Text(title)
        table.add_column(head, justify="right", overflow="fold", vertical="top", min_width=_column_width(grid, index))
    for line in grid.lines:
        table.add_row(Text(line.name), *(_stack(line.cells[index]) for index in columns))
    return table


def _stack(pieces: tuple[Piece, ...]) -> Text:
    return Text("\n").join(Text(piece.text, style=STYLES[piece.style]) for piece in pieces)
