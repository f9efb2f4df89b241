"""A table as titles and pieces of text: what the formats for readers share, of a benchmark's table and of a paper's."""

from __future__ import annotations

from typing import Literal, NamedTuple

from repro.display.footnotes import CANNOT, DIFFER, RECALLED, Note
from repro.display.paper_cells import AVERAGE, Cell
from repro.display.paper_tables import View
from repro.display.render import cells_of, footnote, head
from repro.display.tables import Table
from repro.papers.verdicts import ABOVE, BELOW, FAILED, MATCH, NOT_RUN, WITHIN

Style = Literal["", "bold", "dim", "good", "fair", "bad"]
STYLES: dict[str, Style] = {MATCH: "good", WITHIN: "fair", ABOVE: "bad", BELOW: "bad", FAILED: "bad"}
SHORT = {NOT_RUN: "–", CANNOT: "n/a", FAILED: "failed"}
MINUS = "−"


class Piece(NamedTuple):
    text: str
    style: Style = ""


class Line(NamedTuple):
    """A row of a table; each cell is one or more pieces, one below another."""

    name: str
    cells: tuple[tuple[Piece, ...], ...]


class Grid(NamedTuple):
    """`heads`: of each column, the group it belongs to (or nothing) and its title. `anchor`: a name for links. `notes` follow the
    caption, each with its source where it has one."""

    anchor: str
    title: str
    corner: str
    heads: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    caption: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]


def of_benchmark(table: Table) -> Grid:
    """A benchmark's table: a piece for each cell, the best of each column bold, the number of seeds last."""
    lines = [
        Line(
            row.name,
            (
                *((Piece(text, "bold" if best else ""),) for text, best in cells_of(table, row)),
                (Piece(str(len(row.seeds)) if row.seeded else "–"),),
            ),
        )
        for row in table.rows
    ]
    return Grid(
        anchor=table.benchmark.name,
        title=table.title,
        corner="method",
        heads=(*((column.group, head(column)) for column in table.columns), ("", "seeds")),
        lines=tuple(lines),
        caption=table.caption,
        notes=tuple((footnote(note), note.quirk.source) for note in table.footnotes),
    )


def of_paper(view: View) -> Grid:
    """A paper's table: what is reported above what was measured, then Δ and the verdict; rows of which nothing was measured are shorter."""
    notes = [(_note(note), note.source) for note in view.notes]
    notes += [(f"to fill {_cells(number)}: {command}", "") for command, number in view.fill]
    notes += [(f"{_cells(number)} cannot be run: {why}", "") for why, number in view.cannot]
    return Grid(
        anchor=view.name,
        title=f"{view.title} ({view.paper.venue})",
        corner="",
        heads=tuple(("", title) for title in view.columns),
        lines=tuple(Line(row.title, tuple(_pieces(cell) for cell in row.cells)) for row in view.rows),
        caption=view.caption,
        notes=tuple(notes),
    )


def _note(note: Note) -> str:
    """A mark stands before its text as it stands beside numbers; the name of a quirk with a colon."""
    name = f"{note.name} " if note.name in (DIFFER, RECALLED) else f"{note.name}: " if note.name else ""
    return f"{name}{note.text}" + (f" ({note.where})" if note.where else "")


def _cells(number: int) -> str:
    return f"{number} cell{'s' if number > 1 else ''}"


def with_source(note: tuple[str, str]) -> str:
    """As the formats write it that have room for sources."""
    return f"{note[0]} [{note[1]}]" if note[1] else note[0]


def _pieces(cell: Cell) -> tuple[Piece, ...]:
    first = Piece(reported(cell))
    if cell.ours is None:
        return first, Piece(SHORT.get(cell.verdict, cell.verdict), STYLES.get(cell.verdict, "dim"))
    delta = cell.outcome.delta if cell.outcome else None
    style = STYLES.get(cell.verdict, "dim")
    pieces = [first, Piece(measured(cell), "bold")]
    pieces += [] if delta is None else [Piece(signed(delta, digits(cell)), style)]
    return (*pieces, *([] if cell.verdict == AVERAGE else [Piece(cell.verdict, style)]))


def reported(cell: Cell) -> str:
    """`77.8 (0.7) / 77.7 ‡`: every value that a source prints, the first with its spread; `†` where they are recalled."""
    entry = cell.entry
    if entry is None:
        return cell.reported[0].shown if cell.reported else "·"
    others = dict.fromkeys(str(other.value) for other in cell.reported if other.value not in (None, entry.value))
    return " / ".join([entry.shown, *others]) + (RECALLED if entry.confidence == "recalled" else "") + (DIFFER if others else "")


def measured(cell: Cell) -> str:
    """`77.5 ± 0.9 (0.6)`: our interval, and the paper's in brackets as it prints it."""
    places = digits(cell)
    text = f"{cell.ours.mean:.{places}f}"
    if cell.ours.half is not None:
        text += f" ± {cell.ours.half:.{places}f}"
    return text + (f" ({cell.theirs.half:.{places}f})" if cell.theirs and cell.theirs.half is not None else "")


def digits(cell: Cell) -> int:
    """As many decimals as are reported, and at least one."""
    return max(1, -int(cell.entry.value.as_tuple().exponent)) if cell.entry else 1


def signed(value: float, places: int) -> str:
    """`+0.4`, `−0.3`."""
    text = f"{abs(value):.{places}f}"
    return f"{'+' if value >= 0 or float(text) == 0 else MINUS}{text}"
