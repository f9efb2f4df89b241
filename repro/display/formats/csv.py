"""Tables as comma-separated lines: of a benchmark's table one for each cell, of a paper's one for each cell × source."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from repro.display.paper_cells import Cell
from repro.display.paper_tables import View
from repro.display.tables import Table

OF_BENCHMARK = ("table", "tiny", "method", "variant", "group", "column", "metric", "mean", "half", "n", "seeds", "keys")
OF_PAPER = (
    *("table", "tiny", "row", "column", "benchmark", "split", "metric", "method", "settings", "backbone"),
    *("reported", "spread", "spread_kind", "runs", "confidence", "printed_in", "source", "compared"),
    *("measured", "half", "paper_half", "n", "seeds", "keys", "delta", "p", "verdict", "why"),
)


def text(made: Iterable[Table | View]) -> str:
    """Tables of one kind, their names in a line once. Numbers of benchmarks' tables are fractions, of papers' as the paper prints them."""
    made = list(made)
    of_papers = any(isinstance(entry, View) for entry in made)
    file = io.StringIO()
    writer = csv.DictWriter(file, OF_PAPER if of_papers else OF_BENCHMARK, lineterminator="\n")
    writer.writeheader()
    for entry in made:
        writer.writerows(_of_paper(entry) if isinstance(entry, View) else _of_benchmark(entry))
    return file.getvalue()


def _of_benchmark(table: Table) -> Iterable[dict]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            yield {
                "table": table.benchmark.name,
                "tiny": table.benchmark.tiny,
                "method": row.method,
                "variant": " ".join(row.variant),
                "group": column.group,
                "column": column.name,
                "metric": column.metric,
                **cell._asdict(),
                "seeds": " ".join(map(str, row.seeds)),
                "keys": " ".join(row.keys),
            }


def _of_paper(view: View) -> Iterable[dict]:
    for row in view.rows:
        for title, cell in zip(view.columns, row.cells, strict=True):
            shared = {"table": view.name, "tiny": view.tiny, "row": row.title, "column": title, **_measured(cell)}
            for entry in cell.reported:
                yield shared | {
                    "reported": "" if entry.value is None else f"{'>' if entry.above else ''}{entry.value}",
                    "spread": entry.spread,
                    "spread_kind": entry.spread_kind,
                    "runs": entry.seeds,
                    "confidence": entry.confidence,
                    "printed_in": entry.table,
                    "source": entry.source,
                    "compared": entry is cell.entry,
                }
            if not cell.reported:
                yield shared


def _measured(cell: Cell) -> dict:
    place = cell.place
    named = {} if place is None else {
        "benchmark": place.benchmark,
        "split": "+".join(place.splits),
        "metric": place.metric,
        "method": place.method,
        "settings": ";".join(f"{field}={value}" for field, value in place.settings),
        "backbone": place.backbone,
    }  # fmt: skip
    outcome = cell.outcome
    return named | {
        "measured": cell.ours and cell.ours.mean,
        "half": cell.ours and cell.ours.half,
        "paper_half": cell.theirs and cell.theirs.half,
        "n": cell.ours and cell.ours.n,
        "seeds": " ".join(map(str, cell.seeds)),
        "keys": " ".join(cell.keys),
        "delta": outcome and outcome.delta,
        "p": outcome and outcome.p,
        "verdict": cell.verdict,
        "why": cell.why,
    }
