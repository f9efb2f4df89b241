"""Recipes as rows: `tables/<benchmark>.toml` holds one row per paper and method, each with its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from repro import plugins
from repro.errors import UserError, nearest, unknown
from repro.papers.search import Search
from repro.paths import Places, tables_dir
from repro.record import Record
from repro.settings import PROBE
from repro.types import Benchmark

FITTED = PROBE | {"lr"}  # a method with one of these fields has something to fit, and so needs a recipe
Layer = dict[str, tuple[Any, str]]  # recipe field → value (a list is a sweep, a `Together` a joint one) and where it comes from


class Row(Record):
    """How one paper runs one method on one benchmark. A list of values for a field is the paper's grid.

    `search` draws settings in place of a grid. `quick` holds the recorded winners of either; `released` what the authors' code does where it departs from their text.
    """

    method: str
    source: str = Field(description="repository@commit path:lines, a section of the paper, or 'our choice'")
    paper: str = ""
    ours: tuple[str, ...] = Field(default=(), description="fields that no source states: our choice")
    recipe: dict[str, Any] = {}
    search: Search | None = None
    quick: dict[str, Any] = {}
    released: dict[str, Any] = {}


class Paper(Record):
    """What a paper does alike in all its rows on this benchmark."""

    name: str
    backbone: str | None = Field(default=None, description="None: the benchmark's own")
    select: str = Field(default="id_val", description="which checkpoint and setting it reports")
    seeds: int = Field(default=3, ge=1, description="how many are run where none are named")
    methods: tuple[str, ...] = Field(default=(), description="its headline methods, run where none are named; empty: the benchmark's")
    options: dict[str, str] = Field(
        default={}, description="what its tables choose of the benchmark, as the command line has it: ood = 'v2,r'"
    )


class BenchmarkTable(Record):
    """A file of rows. The first paper is the one that is run where none is named."""

    title: str
    benchmark: str
    tuned: tuple[str, ...] = Field(default=("lr",), description="fields that the selection rule chooses among what was run")
    paper: tuple[Paper, ...] = ()
    row: tuple[Row, ...]


def read(path: Path) -> BenchmarkTable:
    """The table in `path`; a fault in it is a `UserError` that names the place."""
    try:
        content = BenchmarkTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the table {path}", str(error), f"mend it: {path}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is not a table of recipes", f"{where}: {first['msg']}", f"mend it: {path}") from None
    papers = {paper.name for paper in content.paper} or {""}
    seen = set()
    for row in content.row:
        if row.method not in plugins.names("methods"):
            near = nearest(row.method, plugins.names("methods"))
            why = f"did you mean {near!r}?" if near else "repro list methods names those that there are"
            raise UserError(f"{path}: there is no method {row.method!r}", why, f"mend it: {path}")
        if row.paper not in papers:
            raise UserError(f"{path}: there is no paper {row.paper!r}", f"it has {', '.join(papers)}", f"mend it: {path}")
        if (row.paper, row.method) in seen:
            raise UserError(f"{path}: two rows for {row.method} {row.paper}".rstrip(), "only one could be run", f"mend it: {path}")
        seen.add((row.paper, row.method))
    return content


@cache
def _stored(path: Path, changed: int) -> BenchmarkTable:
    return read(path)


def table_of(benchmark: str) -> BenchmarkTable:
    """The rows of a benchmark; none where it has no file."""
    path = tables_dir() / f"{benchmark}.toml"
    try:
        return _stored(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return BenchmarkTable(title=benchmark, benchmark=benchmark, row=())


def paper_of(benchmark: str, name: str | None) -> Paper:
    """The paper of that name on a benchmark; without a name the first."""
    papers = table_of(benchmark).paper or (Paper(name=""),)
    if name is None:
        return papers[0]
    found = next((paper for paper in papers if paper.name == name), None)
    if found is None or not name:
        raise unknown(
            f"paper with recipes for {benchmark}", name, [paper.name for paper in papers if paper.name], f"repro run {benchmark} --dry-run"
        )
    return found


def papers_of(benchmark: str) -> list[str]:
    """Those with recipes for a benchmark, the first being run where none is named."""
    return [paper.name for paper in table_of(benchmark).paper]


def described(benchmark: str, paper: str, places: Places, options: dict[str, str] | None = None, tiny: bool = False) -> Benchmark:
    """A benchmark as the tables of a paper have it; `options` are preferred to what the paper chooses."""
    own = paper_of(benchmark, paper).options if paper in papers_of(benchmark) else {}
    return plugins.benchmark(benchmark).describe(own | (options or {}), places, tiny)


def rows_of(benchmark: str, paper: str | None = None) -> dict[str, Row]:
    """Method → its row in that paper, or in the first paper that has one."""
    rows: dict[str, Row] = {}
    for row in table_of(benchmark).row:
        rows.setdefault(row.method, row)
    wanted = paper_of(benchmark, paper).name
    return rows | {row.method: row for row in table_of(benchmark).row if row.paper == wanted}


def _origin(benchmark: str, row: Row) -> str:
    return f"tables/{benchmark}.toml: {row.paper} {row.method}" if row.paper else f"tables/{benchmark}.toml: {row.method}"


def paper_behind(benchmark: str, provenance: dict[str, str]) -> Paper | None:
    """The paper whose row a run came from, as the origins of its recipe's fields tell; None where no paper's row is among them."""
    told = {origin.partition(" (")[0] for origin in provenance.values()}
    table = table_of(benchmark)
    names = {row.paper for row in table.row if row.paper and _origin(benchmark, row) in told}
    return next((paper for paper in table.paper if paper.name in names), None)


def without_recipe(paper: str, benchmark: str, method: str, settings: Mapping[str, str]) -> str | None:
    """The method that has something to fit and no row in that paper: the cell's own, or the one that it mixes; None where all have.

    A row for a few images per class says nothing of a cell that does not name how many (`shots` among its settings), and of a cell that
    does, a method that cannot draw them. Nor does a row say anything of a cell that names another augmentation than its own.
    """
    written = {row.method: row for row in table_of(benchmark).row if row.paper == paper}
    declared = plugins.declared(method)
    mixed = [settings.get("base", parent.method) for parent in declared.parents.values() if parent.field == "base"]
    if "shots" in settings and "shots" not in declared.fields and (declared.parents or declared.fields & FITTED):
        return method
    for name in (method, *mixed):
        recipe = written[name].recipe if name in written else {}
        few = "shots" in recipe and "shots" not in settings
        other = "augment" in settings and settings["augment"] != recipe.get("augment", "none")
        if (name not in written or few or other) and plugins.declared(name).fields & FITTED:
            return name
    return None


def layer(benchmark: str, row: Row | None, quick: bool = False, released: bool = False) -> Layer:
    """What a row says of a recipe, field by field, each with its origin."""
    if row is None:
        return {}
    origin = _origin(benchmark, row)
    found = {field: (value, f"{origin}{' (our choice)' if field in row.ours else ''}") for field, value in row.recipe.items()}
    if row.search:
        found |= {field: (values, f"{origin} (draws)") for field, values in row.search.fields().items()}
    if released:
        found |= {field: (value, f"{origin} (as released)") for field, value in row.released.items()}
    if quick:
        found |= {field: (value, f"{origin} (quick)") for field, value in row.quick.items()}
    return found
