"""What stands behind the numbers of a report, as HTML: for each cell what is reported and where, the runs, their recipe, quirks and cost.

Everything that a file or a user names is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from repro.display.formats import grid
from repro.display.paper_cells import Cell
from repro.display.paper_tables import View
from repro.display.render import percent
from repro.display.tables import Row, Table
from repro.outcomes.costs import Spent, duration
from repro.papers import quirks
from repro.papers.reported import Reported
from repro.papers.verdicts import FAILED
from repro.types import Result

CELL, ROW = "cell-{}-{}-{}", "row-{}-{}"  # ids: the number of the table, of the row and of the column


class Behind:
    """The stored runs, by key."""

    def __init__(self, results: Iterable[Result], spent: Mapping[str, Spent]):
        self.results = {result.key: result for result in results}
        self.runs = {key: result.run for key, result in self.results.items()}
        self.spent = spent

    def paper(self, view: View, number: int) -> str:
        """The cells of a paper's table, in its order; those without a measurement follow, folded together."""
        placed = [
            (cell, self._cell(cell, f"{row.title} – {title}", CELL.format(number, line, place)))
            for line, row in enumerate(view.rows)
            for place, (title, cell) in enumerate(zip(view.columns, row.cells, strict=True))
        ]
        measured = [text for cell, text in placed if cell.ours is not None]
        others = [text for cell, text in placed if cell.ours is None]
        folded = folding(f"{len(others)} cells without a measurement", "\n".join(others)) if others else ""
        return section("Behind each cell", [*measured, folded])

    def benchmark(self, table: Table, number: int) -> str:
        """The rows of a benchmark's table: the cells of a row come from the same runs."""
        rows = [
            folding(f"{row.name}: {', '.join(_means(table, row))}", self._row(row), ROW.format(number, line))
            for line, row in enumerate(table.rows)
        ]
        return section("Behind each row", rows)

    def _cell(self, cell: Cell, name: str, identity: str) -> str:
        facts = [("reported", _quote(entry)) for entry in cell.reported] or [("reported", "no number is known here")]
        if cell.ours is not None:
            facts.append(("measured", escape(grid.measured(cell))))
        if cell.outcome and cell.outcome.delta is not None:
            facts.append(("Δ", grid.signed(cell.outcome.delta, grid.digits(cell))))
        facts.append(("verdict", escape(f"{cell.verdict}{f': {cell.why}' if cell.why else ''}")))
        if cell.recomputed is not None:
            facts.append(("from its columns", f"{cell.recomputed:.2f} as reported"))
        facts += [("settings", escape(text)) for text in cell.chosen] + [("not taken", escape(text)) for text in cell.others]
        if cell.verdict == FAILED:
            facts.append(("failed runs", _keys(cell.keys)))
        values = [f"{value:.{grid.digits(cell) + 1}f}" for value in cell.values]
        return folding(f"{name}: {_numbers(cell)}", pairs(facts) + self._behind(cell.keys, values), identity, _verdict(cell))

    def _row(self, row: Row) -> str:
        rule = f"selected by {row.rule}" if row.selected else "there was one checkpoint and setting, nothing to select"
        return pairs([("checkpoints", escape(rule))]) + self._behind(sorted(row.keys, key=lambda key: self.runs[key].seed))

    def _behind(self, keys: Sequence[str], values: Sequence[str] = ()) -> str:
        """Runs on a line each, the recipe that they share, its provenance, the quirks."""
        known = [key for key in keys if key in self.results]
        if not known:
            return ""
        return self._runs(known, values if len(values) == len(known) else ()) + self._recipe(known) + self._quirks(known[0])

    def _runs(self, keys: Sequence[str], values: Sequence[str]) -> str:
        heads = ["seed", "key", *(["value"] if values else []), "took", "finished", "on"]
        lines = []
        for place, key in enumerate(keys):
            spent = self.spent.get(key)
            took, device = (duration(spent.seconds), spent.environment.device) if spent else ("–", "–")
            result = self.results[key]
            lines.append([str(result.run.seed), key, *values[place : place + 1], took, result.finished[:10], device])
        total = sum(self.spent[key].seconds for key in keys if key in self.spent)
        return plain(heads, lines) + f"<p>{escape(f'Together {duration(total)}, without the runs that they start from.')}</p>"

    def _recipe(self, keys: Sequence[str]) -> str:
        """That of the first run: the others differ in their seeds and in the runs that they start from."""
        run = self.runs[keys[0]]
        network = "".join([run.backbone.name, *(f",{name}={value}" for name, value in run.backbone.kwargs.items())])
        facts = [("method", f"{run.method}, version {run.method_version}"), ("backbone", network)]
        for role in run.parents:
            parents = dict.fromkeys(parent for key in keys if (parent := self.runs[key].parents.get(role)))
            facts.append((f"starts from ({role})", ", ".join(f"{parent}{self._label(parent)}" for parent in parents)))
        fields = [[field, str(value), run.provenance.get(field, "default")] for field, value in run.recipe.told().items()]
        return pairs((name, escape(text)) for name, text in facts) + plain(["recipe", "value", "where it comes from"], fields)

    def _label(self, key: str) -> str:
        return f" ({self.runs[key].label})" if key in self.runs else ""

    def _quirks(self, key: str) -> str:
        found = quirks.of(self.runs[key], self.runs.get)
        return pairs(("quirk", f"{escape(quirk.name)}: {escape(quirk.text)} <cite>{escape(quirk.source)}</cite>") for quirk in found)


def _numbers(cell: Cell) -> str:
    told = [grid.measured(cell)] if cell.ours else []
    return "".join(f"{text}, " for text in [*told, *([f"reported {cell.entry.shown}"] if cell.entry else [])])


def _verdict(cell: Cell) -> str:
    return f'<strong class="{grid.STYLES.get(cell.verdict, "dim")}">{escape(cell.verdict)}</strong>'


def _quote(entry: Reported) -> str:
    return f"{escape(entry.quoted)} <cite>{escape(entry.source)}</cite> <q>{escape(entry.words)}</q>"


def _keys(keys: Sequence[str]) -> str:
    return ", ".join(f"<code>{escape(key)}</code>" for key in keys)


def _means(table: Table, row: Row) -> list[str]:
    return [f"{column.name} {percent(cell, column.metric)}" for column, cell in zip(table.columns, row.cells, strict=True)]


def section(title: str, parts: Iterable[str]) -> str:
    return "\n".join(['<section class="behind">', f"<h4>{escape(title)}</h4>", *filter(None, parts), "</section>", ""])


def folding(title: str, content: str, identity: str = "", state: str = "") -> str:
    """What opens when it is asked for. `content` and `state`, which stands behind the title, are HTML."""
    name = f' id="{escape(identity)}"' if identity else ""
    return f"<details{name}><summary>{escape(title)}{state}</summary>\n{content}\n</details>"


def pairs(facts: Iterable[tuple[str, str]]) -> str:
    """Names and what they stand for, the latter as HTML; nothing of nothing."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{content}</dd>" for name, content in facts)
    return f"<dl>{lines}</dl>" if lines else ""


def plain(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A small table of text; nothing of nothing."""
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in heads)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>" for line in lines)
    return f'<div class="scroll"><table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
