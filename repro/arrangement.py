"""How a paper arranges a table: `tables/<paper>/<table>.toml` names its rows and columns in our words."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from repro import plugins
from repro.errors import UserError, unknown
from repro.paths import tables_dir
from repro.types import Record


class Column(Record):
    """One column: a split of a benchmark, or the `average` of other columns by their titles."""

    title: str
    benchmark: str = ""
    split: str = ""
    metric: str | None = Field(default=None, description="None: the split's headline metric")
    average: tuple[str, ...] = ()


class PaperTable(Record):
    """A table of a paper. `methods`: ours, in the paper's order; `names`: what the paper calls them, where it says otherwise."""

    title: str
    paper: str
    methods: tuple[str, ...]
    names: dict[str, str] = {}
    column: tuple[Column, ...]

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Those of its columns that this program has, in order."""
        return tuple(dict.fromkeys(column.benchmark for column in self.column if column.benchmark in plugins.names("benchmarks")))

    @property
    def unbuilt(self) -> tuple[str, ...]:
        """Benchmarks that it needs and this program does not have."""
        known = plugins.names("benchmarks")
        return tuple(dict.fromkeys(column.benchmark for column in self.column if column.benchmark and column.benchmark not in known))


def names() -> list[str]:
    """`lp-ft/1`, `lp-ft/2`, …: the folders are the registry."""
    return sorted(path.relative_to(tables_dir()).with_suffix("").as_posix() for path in tables_dir().glob("*/*.toml"))


def load(name: str) -> PaperTable:
    """The table of that name; an unknown one suggests the nearest."""
    if name not in names():
        raise unknown("table", name, names(), "repro list tables")
    return read(tables_dir() / f"{name}.toml")


def read(path: Path) -> PaperTable:
    """The table in `path`; a fault in it is a `UserError` that names the place."""
    try:
        table = PaperTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
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
