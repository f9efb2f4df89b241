"""A table as GitHub's markdown: the pieces of a cell stand on lines of their own, what was measured in bold."""

from __future__ import annotations

from repro.display.formats.grid import Grid, Piece, with_source

SPECIAL = str.maketrans({char: f"\\{char}" for char in "|<*_`"})


def text(grid: Grid) -> str:
    """The table, its caption, and its notes as a list."""
    heads = [f"{group}: {title}" if group else title for group, title in grid.heads]
    lines = [f"**{_escaped(grid.title)}**", "", _line([grid.corner, *map(_escaped, heads)]), f"|---|{'---:|' * len(heads)}"]
    lines += [_line([_escaped(line.name), *("<br>".join(map(_piece, cell)) for cell in line.cells)]) for line in grid.lines]
    lines += ["", " ".join(map(_escaped, grid.caption)), ""]
    if grid.notes:
        lines += [*(f"- {_escaped(with_source(note))}" for note in grid.notes), ""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _piece(piece: Piece) -> str:
    words = _escaped(piece.text)
    return f"**{words}**" if piece.style == "bold" else words


def _escaped(words: str) -> str:
    return words.translate(SPECIAL)
