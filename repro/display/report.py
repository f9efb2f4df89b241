"""All that was measured as one page of HTML that needs nothing else: tables, what stands behind each cell, figures, costs, environments.

The page forbids itself the network and every script but its own few lines, which open what a link leads to.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from repro import __version__
from repro.display import tables
from repro.display.formats import grid, html
from repro.display.paper_tables import View
from repro.display.provenance import CELL, ROW, Behind, folding, plain
from repro.display.report_figures import figures
from repro.display.tables import Table
from repro.outcomes import costs
from repro.outcomes.costs import Spent, duration
from repro.papers.verdicts import VERDICTS
from repro.types import Result

STYLE = Path(__file__).with_name("report.css")
SCRIPT = """
function show() {
  var found = location.hash && document.getElementById(location.hash.slice(1));
  for (var part = found; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (found) found.scrollIntoView();
}
addEventListener("hashchange", show);
addEventListener("DOMContentLoaded", show);
document.addEventListener("click", function (event) {
  var link = event.target.closest("a");
  if (link && link.hash && link.hash === location.hash) show();
});
"""
TINY = "TINY subsets: a check that the program works, comparable with nothing."


class Report(NamedTuple):
    """What a page is made of. `results`: every stored one, so that parents are found; `spent`: key → cost of the runs that are counted;
    `damaged`: how many results cannot be read and are in none of it."""

    views: tuple[View, ...]
    tables: tuple[Table, ...]
    results: Sequence[Result]
    spent: Mapping[str, Spent]
    commit: str
    tiny: bool
    damaged: int = 0


def page(report: Report) -> str:
    """The whole file."""
    behind = Behind(report.results, report.spent)
    papers = [_paper(view, number, behind) for number, view in enumerate(report.views, 1)]
    first = len(papers) + 1
    benchmarks = [_benchmark(table, number, behind) for number, table in enumerate(report.tables, first)]
    parts = [
        _head(report.tiny),
        "<body>",
        _opening(report),
        _section("Papers’ tables", [_legend(), *papers] if papers else []),
        _section("Benchmarks", benchmarks),
        _section("Costs", [_costs(report.spent)]),
        _section("Environments", [_environments(report.spent)]),
        "</body>",
        "</html>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _head(tiny: bool) -> str:
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>repro report{' (TINY)' if tiny else ''}</title>",
        f"{html.STYLE}<style>\n{STYLE.read_text(encoding='utf-8')}</style>",
        f"<script>{SCRIPT}</script>",
        "</head>",
    ])  # fmt: skip


def _opening(report: Report) -> str:
    """Title, what the page is of, and links to its tables."""
    latest = max((result.finished for result in report.results if result.key in report.spent), default="")
    seconds = sum(run.seconds for run in report.spent.values())
    told = [
        f"repro {__version__}{f' at {report.commit[:12]}' if report.commit else ''}",
        f"{len(report.spent)} finished run{'' if len(report.spent) == 1 else 's'}, {duration(seconds)}",
    ]
    told += [f"the last on {latest[:10]}"] if latest else []
    told += [f"{report.damaged} damaged result{'' if report.damaged == 1 else 's'} left out"] if report.damaged else []
    titles = [*(f"{view.title} ({view.name})" for view in report.views), *(table.title for table in report.tables)]
    anchors = [*(view.name for view in report.views), *(table.benchmark.name for table in report.tables)]
    links = [
        f'<li><a href="#{_anchor(number, name)}">{escape(title)}</a></li>'
        for number, (name, title) in enumerate(zip(anchors, titles, strict=True), 1)
    ]
    warning = f'<p class="tiny">{TINY}</p>' if report.tiny else ""
    return "\n".join(
        filter(None, ["<h1>repro report</h1>", f'<p class="told">{escape("; ".join(told))}.</p>', warning, f"<ul>{''.join(links)}</ul>"])
    )


def _anchor(number: int, name: str) -> str:
    """The id that the fragment of a table has."""
    return f"table-{number}-{escape(name.replace('/', '-'))}"


def _section(title: str, parts: Sequence[str]) -> str:
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *filter(None, parts), "</section>"]) if parts else ""


def _legend() -> str:
    words = [f'<span class="{grid.STYLES.get(verdict, "dim")}">{escape(verdict)}</span>' for verdict in VERDICTS]
    return f'<p class="verdicts">Verdicts: {", ".join(words)}. A cell of a table leads to what stands behind it.</p>'


def _paper(view: View, number: int, behind: Behind) -> str:
    """The table, what is behind its cells, and figures of its own runs on each benchmark."""
    made = grid.of_paper(view)
    opens = [[CELL.format(number, line, place) for place in range(len(row.cells))] for line, row in enumerate(view.rows)]
    keys = frozenset(key for row in view.rows for cell in row.cells if cell.ours for key in cell.keys)
    drawn = [
        folding(f"Figures of {table.benchmark.title}", figures(table, behind.results, f"figure-{number}-{place}"))
        for place, table in enumerate(tables.build(behind.results.values(), only=keys) if keys else [])
        if len(table.rows) > 1
    ]
    return html.text(made._replace(anchor=f"{number}-{made.anchor}"), opens) + behind.paper(view, number) + "\n".join(drawn)


def _benchmark(table: Table, number: int, behind: Behind) -> str:
    made = grid.of_benchmark(table)
    opens = [[ROW.format(number, line)] * len(row.cells) for line, row in enumerate(made.lines)]
    drawn = figures(table, behind.results, f"figure-{number}")
    return html.text(made._replace(anchor=f"{number}-{made.anchor}"), opens) + behind.benchmark(table, number) + drawn


def _costs(spent: Mapping[str, Spent]) -> str:
    sums = costs.by_benchmark(spent.values())
    lines = [[one.benchmark, str(one.runs), duration(one.seconds), f"{one.seconds / 3600:.2f}"] for one in sums]
    total = sum(one.seconds for one in sums)
    lines.append(["together", str(len(spent)), duration(total), f"{total / 3600:.2f}"])
    return (
        plain(["benchmark", "runs", "took", "hours"], lines)
        + '<p class="told">Every finished run, those that others start from and settings that were not chosen included.</p>'
    )


def _environments(spent: Mapping[str, Spent]) -> str:
    lines = [[str(number), *environment] for environment, number in costs.environments(spent.values())]
    return plain(["runs", "repro", "python", "torch", "device", "precision"], lines)
