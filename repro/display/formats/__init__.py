"""Tables in the formats that are asked for: one file for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.display import render
from repro.display.formats import csv, grid, html, json, latex, markdown
from repro.display.paper_tables import View
from repro.display.tables import Table

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMATS = ("terminal", "markdown", "latex", "csv", "json", "html")


def screens(made: Sequence[Table | View]) -> list[RenderableType]:
    """What rich prints on a terminal, table by table."""
    from repro.display.formats.terminal import Screen

    return [Screen(grid.of_paper(entry)) if isinstance(entry, View) else render.terminal(entry) for entry in made]


def text(made: Sequence[Table | View], form: str) -> str:
    """Tables as the text of a file; a terminal's are written as markdown."""
    if form == "json":
        return json.text(made)
    if form == "csv":
        return csv.text(made)
    if form in ("terminal", "markdown"):
        return "\n".join(markdown.text(grid.of_paper(entry)) if isinstance(entry, View) else render.markdown(entry) for entry in made)
    grids = [grid.of_paper(entry) if isinstance(entry, View) else grid.of_benchmark(entry) for entry in made]
    return html.STYLE + "\n".join(map(html.text, grids)) if form == "html" else "\n".join(map(latex.text, grids))
