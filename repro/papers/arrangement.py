"""How a paper arranges a table: `tables/<paper>/<table>.toml` names its rows and columns in our words."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from repro import plugins
from repro.errors import UserError, unknown
from repro.papers import reported, rows
from repro.paths import tables_dir
from repro.planning import mixtures
from repro.planning.recipe import parse_set
from repro.record import Record
from repro.settings import Recipe


class Column(Record):
    """One column: a split of a benchmark (`a+b`: the mean of splits a and b), or the `average` of other columns by their titles."""

    title: str
    benchmark: str = ""
    split: str = ""
    metric: str | None = Field(default=None, description="None: the split's headline metric")
    settings: dict[str, str] = Field(default={}, description="what all its cells have beside the rows': shots = 4")
    average: tuple[str, ...] = ()

    @property
    def lacks(self) -> bool:
        """Whether it has settings that this program does not have."""
        return bool(set(self.settings) - set(Recipe.model_fields))


class Line(Record):
    """One row: a method as the paper calls it, what it sets beside (of mixtures, `base`: the method that is mixed), its network."""

    title: str
    method: str
    settings: dict[str, str] = {}
    backbone: str | None = Field(default=None, description="None: the table's")
    recipes: str | None = Field(default=None, description="the part of the benchmarks' recipes that it is run by; None: the paper's")

    @property
    def lacks(self) -> str | None:
        """What of it this program does not have, or None."""
        return lacking(self.method, self.settings)


class PaperTable(Record):
    """A table of a paper, in the paper's order. `cells`: the `table` of reported.csv that holds its numbers, where not its own name."""

    name: str = Field(description="paper/table, as its file is called")
    title: str
    paper: str
    cells: str = ""
    backbone: str | None = Field(default=None, description="of all rows; None: the rows', or each benchmark's own")
    row: tuple[Line, ...]
    column: tuple[Column, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Of its rows, each once, in order."""
        return tuple(dict.fromkeys(line.method for line in self.row))

    @property
    def recipes(self) -> tuple[str, ...]:
        """The parts of the benchmarks' recipes that its rows are run by, each once, in order."""
        return tuple(dict.fromkeys(line.recipes or self.paper for line in self.row))

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Those of its columns that this program has, in order; a column with settings that it lacks does not count."""
        known = plugins.names("benchmarks")
        whole = [column for column in self.column if not column.lacks]
        return tuple(dict.fromkeys(column.benchmark for column in whole if column.benchmark in known))

    @property
    def unbuilt(self) -> tuple[str, ...]:
        """Benchmarks that it needs and this program does not have."""
        return tuple(
            dict.fromkeys(column.benchmark for column in self.column if column.benchmark and column.benchmark not in self.benchmarks)
        )

    def groups(self, benchmark: str | None = None, paper: str = "") -> list[tuple[dict[str, str], str | None, tuple[str, ...]]]:
        """Rows that this program can run, gathered so that each group is one request: settings, backbone, methods.

        With a benchmark, the settings of its columns are among them, and rows without a recipe of `paper` there are left out; of a paper that
        some rows are run by, those rows alone are meant, of any other all.
        """
        found: dict[tuple, dict[str, None]] = {}
        for settings, line in self._cells(benchmark, paper):
            if line.lacks is None and not (benchmark and rows.without_recipe(paper, benchmark, line.method, settings)):
                fields = plugins.declared(line.method).fields  # for what is not trained, nothing is drawn
                own = {field: value for field, value in settings.items() if field in line.settings or field in fields}
                found.setdefault((tuple(own.items()), self.network(line, benchmark)), {})[line.method] = None
        return [(dict(settings), backbone, tuple(methods)) for (settings, backbone), methods in found.items()]

    def network(self, line: Line, benchmark: str | None) -> str | None:
        """The backbone of a row on a benchmark: its own, the table's, or where rows' numbers there name several, what its name; None: the paper's."""
        if line.backbone or self.backbone or benchmark is None:
            return line.backbone or self.backbone
        there = [column for column in self.column if column.benchmark == benchmark and not column.lacks]
        named = {
            one.title: [entry.backbone for column in there for entry in self.numbers(one, column) if entry.backbone] for one in self.row
        }
        several = len({name for names in named.values() for name in names}) > 1
        return next(iter(named[line.title]), None) if several else None

    def without_recipe(self, benchmark: str, paper: str) -> tuple[str, ...]:
        """Methods of rows that this program has and that cannot be run on a benchmark for want of that paper's recipe.

        Where it has one for the method by itself, what the row sets is named beside it.
        """
        found = {}
        for settings, line in self._cells(benchmark, paper):
            if line.lacks is None and rows.without_recipe(paper, benchmark, line.method, settings):
                alone = {field: value for field, value in settings.items() if field not in line.settings}
                own = not rows.without_recipe(paper, benchmark, line.method, alone)
                beside = " ".join(f"{field}={value}" for field, value in line.settings.items())
                found[f"{line.method} with {beside}" if own else line.method] = None
        return tuple(found)

    def _cells(self, benchmark: str | None, paper: str) -> list[tuple[dict[str, str], Line]]:
        """Each row with its settings in every kind of column that a benchmark has: those of the column, then the row's own."""
        kinds = [column.settings for column in self.column if column.benchmark == benchmark and not column.lacks] if benchmark else [{}]
        lines = [line for line in self.row if paper not in self.recipes or (line.recipes or self.paper) == paper]
        return [({**kind, **line.settings}, line) for number, kind in enumerate(kinds) if kind not in kinds[:number] for line in lines]

    def numbers(self, line: Line, column: Column) -> tuple[reported.Reported, ...]:
        """What the paper reports in a cell, by every source of it; nothing where no number is known."""
        if not reported.has(self.paper):
            return ()
        place = (
            {"benchmark": f"average-{len(column.average)}"} if column.average else {"benchmark": column.benchmark, "split": column.split}
        )
        return reported.of(
            self.paper,
            table=self.cells or self.name.partition("/")[2],
            method=line.method,
            metric=column.metric,
            settings={**column.settings, **line.settings},
            backbone=line.backbone or self.backbone,
            **place,
        )


def lacking(method: str, settings: dict[str, str]) -> str | None:
    """What this program lacks of a row: `method lisa`, `method wise-ft of lp`, `setting shots=4`; None where it has all."""
    base = settings.get("base", method)
    for name in (method, base):
        if name not in plugins.names("methods"):
            return f"method {name}"
    if base != method and base not in mixtures.bases(plugins.declared(method)):
        return f"method {method} of {base}"
    for text in (f"{field}={value}" for field, value in settings.items()):
        try:
            parse_set(text, [])
        except UserError:
            return f"setting {text}"
    return None


def names() -> list[str]:
    """`lp-ft/1`, `lp-ft/2`, …: the folders are the registry."""
    paths = (path for path in tables_dir().glob("*/*.toml") if path.name != "paper.toml")
    return sorted(path.relative_to(tables_dir()).with_suffix("").as_posix() for path in paths)


def papers() -> list[str]:
    """Those that have tables."""
    return list(dict.fromkeys(name.partition("/")[0] for name in names()))


def load(name: str) -> PaperTable:
    """The table of that name; a paper's name alone is its table `main`. An unknown one suggests the nearest."""
    known = names()
    if f"{name}/main" in known:
        name = f"{name}/main"
    if name not in known:
        raise unknown("table", name, known, "repro list tables")
    return read(tables_dir() / f"{name}.toml")


def read(path: Path) -> PaperTable:
    """The table in `path`; a fault in it is a `UserError` that names the place."""
    try:
        table = PaperTable.model_validate(
            {"name": f"{path.parent.name}/{path.stem}", **tomllib.loads(path.read_text(encoding="utf-8"))},
        )
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the table {path}", str(error), f"mend it: {path}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path} is not a table", f"{'.'.join(map(str, first['loc']))}: {first['msg']}", f"mend it: {path}") from None
    titles = [column.title for column in table.column]
    lost = [title for column in table.column for title in column.average if title not in titles]
    if lost:
        raise UserError(f"{path}: an average is over {lost[0]!r}", f"its columns are {', '.join(titles)}", f"mend it: {path}")
    return table
