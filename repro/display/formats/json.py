"""Tables as plain data: a list with an object for each.

Of a benchmark's table: title, benchmark, tiny, caption, columns (group, name, splits, metric, headline), rows (method, variant, seeds, keys,
cells of mean, half, n as fractions), footnotes (name, text, source, rows).

Of a paper's table, schema 1:

    schema      1
    table       paper/table
    title, tiny, caption (sentences), columns (titles)
    paper       title, venue, year, arxiv, interval (kind, factor, of_mean, ddof, ddof_on, source; or null)
    notes       name (a mark, or that of a quirk), text, where (cells), source
    fill        command, cells: what would fill how many cells
    cannot      why, cells
    rows        title, cells – of each cell:
        benchmark, split, metric, method, settings, backbone     null for an average
        reported    table, value and spread (as printed, text), above, spread_kind, seeds, confidence, source, compared
        recomputed  of an average: the mean of the reported columns, as text
        values      per seed, in the reported numbers' units: percent, but for rmse and distance
        seeds, keys one for each value
        mean, half, paper_half     of the values: 95 % t interval; the paper's own rule; null where there is none
        delta, p    reproduced − reported; of the test behind the verdict
        verdict     match, within noise, above, below, not comparable, not run, failed, cannot run, average
        why         what the verdict rests on; the command that fills the cell; the reason; the first line of the error
        chosen      tuned fields of the run that is shown, and how they were chosen
        others      runs that were not taken, and why
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from repro.display.paper_cells import Cell
from repro.display.paper_tables import View
from repro.display.render import as_json
from repro.display.tables import Table

SCHEMA = 1


def text(made: Iterable[Table | View]) -> str:
    """The list of tables."""
    return json.dumps([plain(entry) for entry in made], indent=1, ensure_ascii=False) + "\n"


def plain(entry: Table | View) -> dict[str, Any]:
    """A table as an object."""
    if isinstance(entry, Table):
        return as_json(entry)
    paper = entry.paper
    return {
        "schema": SCHEMA,
        "table": entry.name,
        "title": entry.title,
        "tiny": entry.tiny,
        "caption": list(entry.caption),
        "columns": list(entry.columns),
        "paper": {
            **{name: getattr(paper, name) for name in ("title", "venue", "year", "arxiv")},
            "interval": paper.interval.model_dump() if paper.interval else None,
        },
        "notes": [note._asdict() for note in entry.notes],
        "fill": [{"command": command, "cells": number} for command, number in entry.fill],
        "cannot": [{"why": why, "cells": number} for why, number in entry.cannot],
        "rows": [{"title": row.title, "cells": [_cell(cell) for cell in row.cells]} for row in entry.rows],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    place, outcome = cell.place, cell.outcome
    return {
        "benchmark": place and place.benchmark,
        "split": place and "+".join(place.splits),
        "metric": place and place.metric,
        "method": place and place.method,
        "settings": place and dict(place.settings),
        "backbone": place and place.backbone,
        "reported": [
            {
                "table": source.table,
                "value": None if source.value is None else str(source.value),
                "spread": None if source.spread is None else str(source.spread),
                **{name: getattr(source, name) for name in ("above", "spread_kind", "seeds", "confidence", "source")},
                "compared": source is cell.entry,
            }
            for source in cell.reported
        ],
        "recomputed": None if cell.recomputed is None else f"{cell.recomputed:.3f}",
        "values": list(cell.values),
        "seeds": list(cell.seeds),
        "keys": list(cell.keys),
        "mean": cell.ours and cell.ours.mean,
        "half": cell.ours and cell.ours.half,
        "paper_half": cell.theirs and cell.theirs.half,
        "delta": outcome and outcome.delta,
        "p": outcome and outcome.p,
        "verdict": cell.verdict,
        "why": cell.why,
        "chosen": list(cell.chosen),
        "others": list(cell.others),
    }
