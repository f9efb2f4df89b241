"""A wide table in blocks of columns one below another, where a line holds so many characters."""

from __future__ import annotations

from repro.display.formats.grid import Grid

BETWEEN = 3  # characters that a column takes beside its text
NAME = 40  # characters of a row's name in one line, where nothing else is folded


def blocks(grid: Grid, width: int, folded: bool = True) -> list[list[int]]:
    """Columns that fit beside the names of the rows, in order: as few blocks as there can be, and those of like widths.

    `folded`: titles may stand in several lines, and names in a third of the width; else names in lines of NAME.
    """
    start = (_name_width(grid, width) if folded else min(max(len(line.name) for line in grid.lines), NAME)) + BETWEEN
    needed = [column_width(grid, index, folded) + BETWEEN for index in range(len(grid.heads))]
    fewest = len(_filled(start, needed, width))
    return next(found for limit in range(width + 1) if len(found := _filled(start, needed, limit)) <= fewest)


def _filled(start: int, needed: list[int], limit: int) -> list[list[int]]:
    """Blocks that are filled up to `limit`; one column is the least."""
    found: list[list[int]] = [[]]
    used = start
    for index, width in enumerate(needed):
        if found[-1] and used + width > limit:
            found.append([])
            used = start
        found[-1].append(index)
        used += width
    return found


def column_width(grid: Grid, index: int, folded: bool = True) -> int:
    """Characters of the widest piece of a column, or of the widest word of its title."""
    pieces = [len(piece.text) for line in grid.lines for piece in line.cells[index]]
    return max([*pieces, *(len(word) for text in grid.heads[index] for word in (text.split() if folded else [text]))], default=1)


def _name_width(grid: Grid, width: int) -> int:
    """Names of rows take at most a third of a line, or half for long words, and are folded there."""
    longest = max(len(line.name) for line in grid.lines)
    words = max(len(word) for line in grid.lines for word in line.name.split())
    return min(longest, max(width // 3, min(words, width // 2)))
