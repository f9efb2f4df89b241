"""One cell of a paper's table, as `repro show CELL` prints it: reported, the recipe that claims to produce it, what was run."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from repro.cli.context import next_line
from repro.cli.left_out import telling
from repro.cli.planned import UNKNOWN
from repro.cli.running import Planned, look_up
from repro.display import paper_cells, paper_tables
from repro.display.formats import grid
from repro.outcomes import index, metrics
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.papers import cell as cells
from repro.papers.cell import Cell
from repro.papers.verdicts import ABOVE, BELOW
from repro.paths import Places
from repro.planning import plan as planning
from repro.types import Run


class Standing(NamedTuple):
    """How far a cell is: what stands in the way, else its plan, what of that is here, and what came of it."""

    cell: Cell
    obstacle: str | None
    planned: Planned | None
    measured: paper_cells.Cell | None
    brought: bool = False  # whether its runs start from weights that only the user can name

    @property
    def command(self) -> str:
        """What runs what the cell lacks."""
        return f"{self.cell.command}{' --weights FILE' if self.brought else ''}"

    @property
    def runs(self) -> tuple[Run, ...]:
        """The cell's own, in every setting of the paper's grid and with every seed."""
        return tuple(self.planned.plan.run(key) for key in self.planned.plan.asked) if self.planned else ()


def show(spelled: str, where: Places, as_json: bool) -> None:
    """Print it; a wrong name is a `UserError` with the nearest one."""
    store = Store(where.runs)
    with telling() as damaged:
        standing = _standing(cells.find(spelled), where, store, damaged)
    if as_json:
        print(json.dumps(_as_json(standing, store), indent=1))
        return
    _reported(standing.cell)
    _recipe(standing)
    _runs(standing, store, where)


def _standing(cell: Cell, where: Places, store: Store, damaged: list[Damaged]) -> Standing:
    obstacle = cell.obstacle(where)
    if obstacle or cell.column.average:
        return Standing(cell, obstacle, None, None)
    request = cell.request(where)
    brought = bool(planning.brings_weights(request))
    if brought:
        request = request._replace(weights="FILE", weights_hash=f"{UNKNOWN} of a file to name")
    planned = look_up(request, where, store, fetch=False, dry_run=True, damaged=damaged)
    return Standing(cell, None, planned, _measured(cell, where, store, damaged), brought)


def _measured(cell: Cell, where: Places, store: Store, damaged: list[Damaged]) -> paper_cells.Cell:
    """The cell of the paper's table as `repro table` shows it, but for Holm's correction over the others."""
    found = index.find(store, [cell.column.benchmark])
    damaged += found.damaged
    known = paper_tables.benchmarks_of(cell.table, where)
    return paper_cells.Cells(cell.table, list(found.results), found.failures, known, None, False).cell(cell.line, cell.column)


def _state(run: Run, store: Store) -> str:
    damaged: list[Damaged] = []
    if store.result(run, damaged):
        return "done"
    if damaged:
        return "damaged"
    folder = store.folder(run)
    return "failed" if store.failure(folder) else "running" if store.busy(run) else "unfinished" if folder.is_dir() else "missing"


def _as_json(standing: Standing, store: Store) -> dict[str, Any]:
    cell, planned = standing.cell, standing.planned
    recipes = {json.dumps(run.recipe.told()): run for run in standing.runs}
    return {
        "cell": cell.name,
        "table": cell.table.title,
        "row": cell.line.model_dump(mode="json"),
        "column": cell.column.model_dump(mode="json"),
        "reported": [quote.model_dump(mode="json") | {"shown": quote.shown} for quote in cell.quotes],
        "parts": list(cell.parts),
        "obstacle": standing.obstacle,
        "source": cell.row.source if cell.row else None,
        "recipes": [{"recipe": run.recipe.told(), "provenance": run.provenance} for run in recipes.values()],
        "runs": [{"key": run.key, "seed": run.seed, "state": _state(run, store)} for run in standing.runs],
        "first": [run.key for run in planned.forecast.todo if run.key not in planned.plan.asked] if planned else [],
        "absent": [need.model_dump(mode="json") for need in planned.absent] if planned else [],
        **_of_table(standing.measured),
        "command": None if standing.obstacle else standing.command,
    }


def _of_table(measured: paper_cells.Cell | None) -> dict[str, Any]:
    """What the paper's table shows in the cell, in the units of the reported numbers."""
    if measured is None or measured.ours is None:
        return {"measured": None, "taken": [], "verdict": measured.verdict if measured else None, "delta": None, "why": None}
    delta = measured.outcome.delta if measured.outcome else None
    told = {"verdict": measured.verdict, "delta": delta, "why": measured.why}
    return {"measured": measured.ours._asdict(), "taken": list(measured.keys), **told}


def _line(name: str, text: object) -> None:
    print(f"{name:<11} {text}")


def _reported(cell: Cell) -> None:
    """What the cell is, and every source's number in that source's own words."""
    _line("cell", cell.name)
    _line("table", cell.table.title)
    settings = "".join(f", {field}={value}" for field, value in cell.settings.items())
    _line("row", f"{cell.line.title}: method {cell.line.method}{settings}" + (f", backbone {cell.backbone}" if cell.backbone else ""))
    metric = f", {metrics.title(cell.column.metric)}" if cell.column.metric else ""
    place = f"mean of {', '.join(cell.column.average)}" if cell.column.average else f"{cell.column.benchmark} {cell.column.split}{metric}"
    _line("column", f"{cell.column.title}: {place}")
    if not cell.quotes:
        _line("reported", "no number is known here")
    for quote in cell.quotes:
        _line("reported", quote.quoted)
        print(f"  source    {quote.source}\n  words     {quote.words}")


def _recipe(standing: Standing) -> None:
    """The paper's row, and of what would be run each field with where it comes from; a grid's values side by side."""
    row, runs = standing.cell.row, standing.runs
    if row:
        _line("recipe", f"tables/{standing.cell.column.benchmark}.toml, {row.paper} {row.method}: {row.source}")
    elif runs:
        _line("recipe", f"the paper has no row for {standing.cell.line.method}, which has nothing to fit")
    fields = dict.fromkeys(field for run in runs for field in run.recipe.told())
    for field in fields:
        values = dict.fromkeys(str(run.recipe.told().get(field, "–")) for run in runs)
        origin = (
            next(run.provenance[field] for run in runs if field in run.provenance)
            if any(field in run.provenance for run in runs)
            else "default"
        )
        print(f"  {field:<16} {', '.join(values):<24} {origin}")
    if row and not runs:
        for field, value in row.recipe.items():
            print(f"  {field:<16} {value!s:<24} {'our choice' if field in row.ours else ''}".rstrip())


def _runs(standing: Standing, store: Store, where: Places) -> None:
    """What of the cell is in the store, what is missing, and the command that fills it."""
    cell, planned = standing.cell, standing.planned
    if standing.obstacle:
        _line("not run", standing.obstacle)
        print(next_line(f"repro coverage {cell.table.paper} --reasons", where))
        return
    if planned is None:
        print("\n".join([*(f"part of it  {name}" for name in cell.parts), next_line(cell.command, where)]))
        return
    states = {run.key: _state(run, store) for run in standing.runs}
    for run in standing.runs:
        if states[run.key] != "missing":
            _line("run", f"{run.key}  {run.label}  {states[run.key]}")
    if (shown := standing.measured).ours:
        rule = cell.recipes.select
        _line("measured", f"{grid.measured(shown)}, {shown.ours.n} seeds, selected by {rule}: {', '.join(shown.keys)}")
        delta = f"Δ {grid.signed(shown.outcome.delta, grid.digits(shown))}, " if shown.outcome and shown.outcome.delta is not None else ""
        alone = "; of this cell alone, the table corrects for its others (Holm)" if shown.verdict in (ABOVE, BELOW) else ""
        _line("verdict", f"{delta}{shown.verdict}: {shown.why}{alone}")
    for text in shown.others:
        _line("not taken", text)
    todo = [run for run in planned.forecast.todo if run.key in states]
    before = len(planned.forecast.todo) - len(todo)
    if todo:
        first = f", and {before} that they start from" if before else ""
        unknown = any((run.backbone.weights or "").startswith(UNKNOWN) for run in planned.plan.runs)
        why = "; their keys are known once the weights are here" if unknown else ""
        _line("missing", f"{len(todo)} of {len(states)} runs{first}{why}")
        if planned.absent:
            _line("not here", ", ".join(need.title for need in planned.absent))
        print(next_line(f"{standing.command}{' --fetch' if planned.absent else ''}", where))
