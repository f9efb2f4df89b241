"""What is said below a paper's table: what its cells hold, and notes on single cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from repro.outcomes.selection import RULES
from repro.outcomes.stats import INTERVAL
from repro.papers import quirks, rows
from repro.papers.matching import paper_or_first
from repro.papers.verdicts import FAILED

if TYPE_CHECKING:
    from repro.display.paper_cells import Cell
    from repro.display.paper_tables import Row
    from repro.papers.reported import Interval, Publication
    from repro.types import Result

RECALLED, DIFFER = "†", "‡"  # marks beside reported numbers
CANNOT = "cannot run"  # beside the verdicts: this program cannot run the cell
PLAIN = ("rmse", "distance")  # metrics that are not printed in percent
ROUNDING = Decimal("0.06")  # between a printed average and that of printed columns


class Note(NamedTuple):
    """`name`: a mark or the name of a quirk, empty where it has none; `where`: the cells that have it, empty where it is of the table;
    `source`: where a quirk was read."""

    name: str
    text: str
    where: str = ""
    source: str = ""


def caption(cells: list[Cell], interval: Interval | None, select: str | None, tiny: bool) -> list[str]:
    """What a cell holds, what its intervals are and are not, by which rule it was selected, and how many of them there are."""
    spread = "" if interval is None else f" (in brackets, as the paper computes it: {_rule(interval)})"
    sentences = [
        f"Each cell: reported (its spread); reproduced ± {INTERVAL}{spread}; Δ, reproduced − reported; the verdict.",
        "These intervals are over seeds: the uncertainty of the test sets is in none of them.",
        f"In %{_plain(cells)}; – is not run, n/a is what this program cannot run. {_counts(cells)}",
    ]
    sentences.append(_selection(cells, select))
    if any(cell.outcome and cell.outcome.p is not None for cell in cells):
        sentences.append("Verdicts are corrected for the number of cells that were tested (Holm).")
    checked = [cell for cell in cells if cell.recomputed is not None and cell.entry]
    if checked:
        follow = sum(abs(cell.recomputed - cell.entry.value) <= ROUNDING for cell in checked)
        sentences.append(f"Of the reported averages {follow} of {len(checked)} follow from their columns.")
    if tiny:
        sentences.append("TINY subset: a check that the program works, comparable with nothing.")
    return sentences


def _selection(cells: list[Cell], select: str | None) -> str:
    """The rule that was asked for; else for each benchmark the paper's, and where none of it is recorded, ours."""
    if select:
        return f"Checkpoints selected by {select}: {RULES[select]}."
    ruled: dict[tuple[str, str], dict[str, str]] = {}  # rule and why → benchmark → whose recipes
    for name, paper in dict.fromkeys((cell.place.benchmark, cell.place.paper) for cell in cells if cell.place and cell.verdict != CANNOT):
        own = paper_or_first(name, paper)
        ruled.setdefault((rows.paper_of(name, own).select, "as in the paper" if own else "for want of the paper's rule"), {})[name] = paper
    several = {name for of in ruled.values() for name in of if sum(name in other for other in ruled.values()) > 1}

    def named(pair: tuple[str, str]) -> str:
        return f"{pair[0]}: {pair[1]}" if pair[0] in several else pair[0]

    told = [
        f"{why} by {rule}, {RULES[rule]}" + (f" ({', '.join(map(named, of.items()))})" if len(ruled) > 1 else "")
        for (rule, why), of in ruled.items()
    ]
    return f"Checkpoints and settings are selected {'; '.join(told)}." if told else "Nothing of it can be run yet."


def _plain(cells: list[Cell]) -> str:
    found = dict.fromkeys(cell.place.metric for cell in cells if cell.place and cell.place.metric in PLAIN)
    return f", but for {', '.join(found)}" if found else ""


def _rule(interval: Interval) -> str:
    what = {"ci90": "90 % interval", "ci95": "95 % interval", "std": "standard deviation"}[interval.kind]
    made = f"{interval.factor:g}·s{'/√n' if interval.of_mean else ''}"
    return what if interval.kind == "std" else f"{what}, {made}"


def _counts(cells: list[Cell]) -> str:
    """`33 cells: 1 match, 14 not run, 18 cannot run.`"""
    found: dict[str, int] = {}
    for cell in cells:
        found[cell.verdict] = found.get(cell.verdict, 0) + 1
    return (
        f"{len(cells)} cells: {', '.join(f'{number} {verdict}' for verdict, number in sorted(found.items(), key=lambda pair: -pair[1]))}."
    )


def notes_of(made: tuple[Row, ...], columns: tuple[str, ...], paper: Publication, results: list[Result]) -> list[Note]:
    """Notes on reported numbers, on what was measured, then the paper's own."""
    placed = [(row.title, title, cell) for row in made for title, cell in zip(columns, row.cells, strict=True)]
    notes = []
    if any(entry.confidence == "recalled" for *_, cell in placed for entry in cell.reported):
        notes.append(Note(RECALLED, "from memory, no source was found: a hint, with which nothing is compared"))
    notes += _each(placed, _conflict, DIFFER)
    notes += _each(placed, _average)
    notes += _each(placed, lambda cell: [f"failed: {cell.why} (repro show {cell.keys[0]})"] if cell.verdict == FAILED else [])
    notes += _each(placed, lambda cell: [f"{text}: not the paper's recipe, not taken" for text in cell.others])
    notes += _each(placed, lambda cell: [", ".join(cell.chosen)] if cell.chosen else [])
    notes += _each(placed, _seeds)
    notes += _of_runs(placed, results)
    return notes + [Note("", text) for text in paper.notes]


def _each(placed: list[tuple[str, str, Cell]], texts: Callable[[Cell], Iterable[str]], name: str = "") -> list[Note]:
    """One note for each text, with the cells that have it: `FT: Living-17, Entity-30; LP: Living-17`."""
    found: dict[str, dict[str, list[str]]] = {}
    for row, column, cell in placed:
        for text in texts(cell):
            found.setdefault(text, {}).setdefault(row, []).append(column)
    return [Note(name, text, _where(cells)) for text, cells in found.items()]


def _where(cells: dict[str, list[str]]) -> str:
    by_columns: dict[tuple[str, ...], list[str]] = {}
    for row, columns in cells.items():
        by_columns.setdefault(tuple(columns), []).append(row)
    return "; ".join(f"{', '.join(names)}: {', '.join(columns)}" for columns, names in by_columns.items())


def _conflict(cell: Cell) -> list[str]:
    return [f"sources differ: {', '.join(f'{entry.shown} in {entry.table}' for entry in cell.reported)}"] if cell.conflict else []


def _average(cell: Cell) -> list[str]:
    if cell.recomputed is None or not cell.entry or abs(cell.recomputed - cell.entry.value) <= ROUNDING:
        return []
    return [f"the reported average {cell.entry.value} does not follow from its columns, which give {cell.recomputed:.2f}"]


def _seeds(cell: Cell) -> list[str]:
    reported = cell.entry.seeds if cell.entry else None
    number = len(cell.seeds)
    return [f"{number} seed{'s' if number > 1 else ''}, the paper has {reported}"] if cell.seeds and reported not in (None, number) else []


def _of_runs(placed: list[tuple[str, str, Cell]], results: list[Result]) -> list[Note]:
    """Quirks, precision and hardware of the runs behind the cells."""
    by_key = {result.key: result for result in results}
    runs = {key: result.run for key, result in by_key.items()}
    behind = {key: by_key[key] for *_, cell in placed for key in cell.keys if key in by_key}
    having = {key: quirks.of(result.run, runs.get) for key, result in behind.items()}
    notes = []
    for quirk in quirks.known():
        if any(quirk in own for own in having.values()):
            cells = [(row, column, cell) for row, column, cell in placed if cell.keys and quirk in having.get(cell.keys[0], ())]
            (note,) = _each(cells, lambda _, text=quirk.text: [text], quirk.name)
            notes.append(note._replace(source=quirk.source))
    used = {
        (str(result.environment.get("precision", "fp32")), str(result.environment.get("device_name", "unknown")))
        for result in behind.values()
    }
    return notes + [Note("", f"measured in {precision} on {device}") for precision, device in sorted(used)]
