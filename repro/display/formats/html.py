"""A table as a fragment of HTML: a `figure` with classes for the verdicts, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from repro.display.formats.grid import Grid, Line, Piece, with_source

STYLE = """<style>
.repro-table table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.repro-table th, .repro-table td { padding: .25em .7em; text-align: right; vertical-align: top; }
.repro-table th[scope=row], .repro-table thead th:first-child { text-align: left; }
.repro-table th[scope=row] { min-width: 8em; }
.repro-table thead { border-bottom: 1px solid; }
.repro-table tbody tr { border-bottom: 1px solid #ddd; }
.repro-table td div { white-space: nowrap; }
.repro-table .scroll { overflow-x: auto; }
.repro-table .bold { font-weight: bold; }
.repro-table .dim { color: #666; }
.repro-table .good { color: #17692b; }
.repro-table .fair { color: #0b5c7a; }
.repro-table .bad { color: #a3161c; }
.repro-table figcaption, .repro-table li { font-size: .9em; }
</style>
"""


def text(grid: Grid, opens: Sequence[Sequence[str]] = ()) -> str:
    """The fragment; `STYLE` stands once before all of them. `opens`: row by row what each cell links to, an id of the same page."""
    targets = opens or [[""] * len(line.cells) for line in grid.lines]
    lines = [
        f'<figure class="repro-table" id="table-{escape(grid.anchor.replace("/", "-"))}">',
        f"<h3>{escape(grid.title)}</h3>",
        '<div class="scroll"><table>',
        "<thead>",
        *_heads(grid),
        "</thead>",
        "<tbody>",
        *map(_row, grid.lines, targets),
        "</tbody>",
        "</table></div>",
        f"<figcaption>{escape(' '.join(grid.caption))}</figcaption>",
    ]
    if grid.notes:
        lines += ["<ul>", *(f"<li>{escape(with_source(note))}</li>" for note in grid.notes), "</ul>"]
    return "\n".join([*lines, "</figure>", ""])


def _heads(grid: Grid) -> list[str]:
    rows = [[group for group, _ in grid.heads]] if any(group for group, _ in grid.heads) else []
    rows.append([title for _, title in grid.heads])
    corners = ["" for _ in rows[:-1]] + [grid.corner]
    return [f"<tr><th>{escape(corner)}</th>{''.join(map(_head, row))}</tr>" for corner, row in zip(corners, rows, strict=True)]


def _head(title: str) -> str:
    return f'<th scope="col">{escape(title)}</th>'


def _row(line: Line, targets: Sequence[str]) -> str:
    cells = "".join(f"<td>{_linked(''.join(map(_piece, cell)), target)}</td>" for cell, target in zip(line.cells, targets, strict=True))
    return f'<tr><th scope="row">{escape(line.name)}</th>{cells}</tr>'


def _linked(content: str, target: str) -> str:
    return f'<a href="#{escape(target)}">{content}</a>' if target else content


def _piece(piece: Piece) -> str:
    return f'<div class="{piece.style}">{escape(piece.text)}</div>' if piece.style else f"<div>{escape(piece.text)}</div>"
