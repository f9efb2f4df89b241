"""Which reported cells this program can run, and for each that it cannot, why."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from repro import backbones, plugins
from repro.errors import UserError
from repro.papers import arrangement, reported, rows
from repro.papers.arrangement import lacking
from repro.papers.reported import Reported
from repro.paths import Places, tables_dir
from repro.planning import parents
from repro.settings import Recipe
from repro.types import Benchmark

RUNNABLE = "runnable"
STATES = (RUNNABLE, "no benchmark", "no split", "no method", "no setting", "no backbone", "no recipe", "derived", "third-party")


class Judged(NamedTuple):
    """A reported cell, by the first of its sources, with one of STATES and the reason for it (empty where it is runnable)."""

    entry: Reported
    state: str
    reason: str


def judge(paper: str, places: Places) -> list[Judged]:
    """Every cell that a paper reports, once each, in the file's order."""
    cells: dict[tuple[str, ...], Reported] = {}
    for entry in reported.load(paper):
        cells.setdefault(entry.cell, entry)
    gaps = reported.publication(paper).unknown
    known: dict[str, Benchmark] = {}  # describing one hashes its manifests, so each is described once
    judged = []
    for entry in cells.values():
        if entry.benchmark not in known and entry.benchmark in plugins.names("benchmarks"):
            known[entry.benchmark] = rows.described(entry.benchmark, paper, places)
        judged.append(Judged(entry, *state_of(paper, entry, known.get(entry.benchmark), gaps)))
    return judged


def judge_one(paper: str, entry: Reported, places: Places) -> Judged:
    """One cell alone."""
    benchmark = rows.described(entry.benchmark, paper, places) if entry.benchmark in plugins.names("benchmarks") else None
    return Judged(entry, *state_of(paper, entry, benchmark, reported.publication(paper).unknown))


def counts(judged: list[Judged]) -> dict[str, int]:
    """Cells per state, in the order of STATES, zeros included."""
    found = Counter(one.state for one in judged)
    return {state: found[state] for state in STATES}


def reasons(judged: list[Judged]) -> list[tuple[str, str, int, list[str]]]:
    """State, reason, cells, and the tables where they stand, for all that is not runnable, the most frequent of a state first."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        if one.state != RUNNABLE:
            groups.setdefault((one.state, one.reason), []).append(one)
    listed = [(state, why, len(found), sorted({one.entry.table for one in found})) for (state, why), found in groups.items()]
    return sorted(listed, key=lambda entry: (STATES.index(entry[0]), -entry[2], entry[1]))


def state_of(paper: str, entry: Reported, benchmark: Benchmark | None, gaps: tuple[reported.Gap, ...]) -> tuple[str, str]:
    """The first obstacle, in the order in which one would remove them."""
    if entry.table == reported.THIRD_PARTY:
        return "third-party", "measured by another paper"
    if entry.derived:
        return "derived", "a difference" if entry.metric == "delta" else "an average over benchmarks or splits"
    if benchmark is None:
        return "no benchmark", entry.benchmark
    if why := _unmeasured(entry, benchmark):
        return "no split", why
    if lack := lacking(entry.method, entry.settings):
        kind, _, what = lack.partition(" ")
        return f"no {kind}", what
    if why := parents.of_another_kind(plugins.declared(entry.method), benchmark):
        return "no method", why
    if entry.backbone and not _buildable(entry.backbone):
        return "no backbone", entry.backbone
    if method := rows.without_recipe(paper, entry.benchmark, entry.method, entry.settings):
        missing = [gap for gap in gaps if gap.covers(entry.benchmark, method, entry.settings)]
        stated = "; ".join(f"{', '.join(gap.fields)} unknown ({gap.why})" for gap in missing)
        return "no recipe", f"{method} on {entry.benchmark}: {stated or 'not written yet'}"
    if network := _of_another_network(paper, entry):
        return "no recipe", f"{entry.method} on {entry.benchmark} with {entry.backbone}: the paper's recipe is of {network}"
    if why := _unsearchable(paper, entry, benchmark):
        return "no split", why
    return RUNNABLE, ""


def _of_another_network(paper: str, entry: Reported) -> str | None:
    """The network that the paper's recipes on a benchmark are of, where the cell has another and no table of the paper has both."""
    own = rows.paper_of(entry.benchmark, paper).backbone if paper in rows.papers_of(entry.benchmark) else None
    if not own or not entry.backbone or entry.backbone == own:
        return None
    return None if (entry.benchmark, entry.backbone) in _arranged(paper, tables_dir()) else own


@cache
def _arranged(paper: str, _: Path) -> frozenset[tuple[str, str | None]]:
    """Benchmark and network of the rows and of the numbers that a paper's tables in that folder have."""
    tables = [table for table in map(arrangement.load, arrangement.names()) if paper in (table.paper, *table.recipes)]
    cells = [(table, line, column) for table in tables for line in table.row for column in table.column]
    rows_of = {(column.benchmark, line.backbone or table.backbone) for table, line, column in cells}
    return frozenset(rows_of | {(entry.benchmark, entry.backbone) for cell in cells for entry in cell[0].numbers(*cell[1:])})


def _unsearchable(paper: str, entry: Reported, benchmark: Benchmark) -> str | None:
    """The split that the paper's recipe searches on and a benchmark does not have."""
    methods = (entry.method, entry.settings.get("base"))
    for row in rows.table_of(benchmark.name).row:
        if row.paper == paper and row.method in methods and "search_on" in plugins.declared(row.method).fields:
            wanted = row.recipe.get("search_on", Recipe().search_on)
            if not benchmark.searchable(wanted):
                return f"{benchmark.name} has no {wanted}, which {row.method} searches on"
    return None


def _unmeasured(entry: Reported, benchmark: Benchmark) -> str | None:
    """The split or the metric that a benchmark does not have."""
    splits = {split.name: split for split in benchmark.splits}
    for name in entry.split.split("+"):
        if name not in splits:
            return f"{benchmark.name} has no {name}"
        measured = {benchmark.metric, benchmark.metric_of(splits[name]), *benchmark.metrics}
        measured |= {f"worst_{grouping.name}" for grouping in benchmark.groupings}
        if entry.metric not in measured:
            return f"{benchmark.name} has no {entry.metric} of {name}"
    return None


def _buildable(backbone: str) -> bool:
    try:
        backbones.find(backbone)
    except UserError:
        return False
    return True
