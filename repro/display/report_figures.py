"""The figures of a report: what repro/figures draws of a benchmark's table, as drawings in the page."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from html import escape
from pathlib import Path

from repro.display.provenance import folding
from repro.display.tables import Table
from repro.errors import UserError
from repro.figures import plots
from repro.figures.kinds import KINDS, MOST
from repro.figures.robustness import Nothing
from repro.types import Result

FIRST = "robustness"  # stands open, the others are folded
TITLES = {"wise-ft": "Mixtures of weights over α", "groups": "Accuracy of each group", "training": "Losses and metrics per epoch"}
ROWS = 24  # that a figure can tell apart, and a page should hold


def figures(table: Table, results: Mapping[str, Result], name: str) -> str:
    """Every kind that the table has something for, or the sentence that says why not. `name` begins the drawings' ids."""
    if len(table.rows) > ROWS:
        asked = f"repro plot {FIRST} KEY KEY … draws some"
        return _told(f"No figures: {len(table.rows)} rows are more than a figure can tell apart; {asked}.")
    try:
        plots.require()
    except UserError as error:
        return _told(f"No figure: {error.what}, {error.why}.")
    parts = []
    for kind in KINDS:
        try:
            drawn = _drawn(kind, table, results, f"{name}-{kind}-")
        except Nothing as error:
            drawn = _told(f"No figure: {error.what}, {error.why}.") if kind == FIRST else ""
        parts.append(folding(TITLES[kind], drawn) if drawn and kind != FIRST else drawn)
    return "\n".join(filter(None, parts))


def _drawn(kind: str, table: Table, results: Mapping[str, Result], prefix: str) -> str:
    shown = KINDS[kind](table, results)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{kind}.svg"
        plots.draw(shown[:MOST], file)
        drawn = f'<div class="drawn">{_inline(file.read_text(encoding="utf-8"), prefix)}</div>'
    return drawn + (_told(f"{MOST} of {len(shown)} panels.") if len(shown) > MOST else "")


def _told(text: str) -> str:
    return f'<p class="told">{escape(text)}</p>'


def _inline(svg: str, prefix: str) -> str:
    """A drawing as a part of a page: without prologue and metadata, which name addresses, and with ids that no other drawing has."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'="[^"]*"', lambda value: re.sub(r"(\.\d{3})\d+", r"\1", value[0]), svg)  # a thousandth of a point is enough
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
