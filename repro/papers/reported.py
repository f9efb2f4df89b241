"""What papers report: `tables/<paper>/reported.csv`, a line per number, and the paper's own facts in `paper.toml` beside it."""

from __future__ import annotations

import csv
import re
import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from repro.errors import UserError, unknown
from repro.paths import tables_dir
from repro.record import Record

THIRD_PARTY = "third-party"  # `table` of numbers that other papers measured, beside the paper's own
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:_+-]*$")]


def _settings(text: str | dict[str, str]) -> dict[str, str]:
    """`base=flyp;shots=4` as a mapping."""
    if isinstance(text, dict):
        return text
    pairs = [pair.partition("=") for pair in text.split(";") if pair]
    if not all(key and value for key, _, value in pairs):
        raise ValueError(f"{text!r} is not field=value, separated by semicolons")
    return {key: value for key, _, value in pairs}


def _number(text: Any) -> Any:
    """None for an empty cell; a Decimal keeps the digits that were printed: 77.0 is not 77."""
    if text in ("", None) or isinstance(text, Decimal):
        return text or None
    if not re.fullmatch(r"-?\d+(\.\d+)?", str(text)):
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


class Reported(Record):
    """One number as a source prints it: percent, but for `rmse` and `distance`. `value` is None where only the spread is known.

    `settings` are what the row or column says beside the method: recipe fields (`base=flyp`: of mixtures, the method that is mixed),
    or words of the paper (`shots=4`). A split `a+b` is the mean of splits a and b; a benchmark `average-6` that of six columns.
    `words` are the source's: table | benchmark | split | metric | method | backbone | spread_kind | seeds.
    """

    table: Name
    benchmark: Name
    split: Name
    metric: Name
    method: Name
    settings: Annotated[dict[str, str], BeforeValidator(_settings)] = {}
    backbone: str = Field(default="", description="empty: several, or unknown")
    value: Annotated[Decimal | None, BeforeValidator(_number)] = None
    above: bool = Field(default=False, description="the source says only that it is more than `value`")
    spread: Annotated[Decimal | None, BeforeValidator(_number)] = None
    spread_kind: Literal["", "ci90", "ci95", "std", "unknown"] = Field(default="", description="ci: half-width; std: over runs")
    seeds: Annotated[int | None, BeforeValidator(lambda text: text or None)] = Field(default=None, ge=1)
    confidence: Literal["verified", "recalled"] = Field(description="recalled: from memory, no source was found; never a pass or a fail")
    source: str = Field(min_length=1)
    words: str

    @property
    def cell(self) -> tuple[str, ...]:
        """What names the cell; several sources of one cell share it."""
        settings = ";".join(f"{key}={value}" for key, value in sorted(self.settings.items()))
        return (self.table, self.benchmark, self.split, self.metric, self.method, settings, self.backbone)

    @property
    def derived(self) -> bool:
        """Computed from other cells: a difference, or an average over benchmarks."""
        return self.metric == "delta" or self.benchmark.startswith("average")

    @property
    def shown(self) -> str:
        """As it was printed: `77.8 (0.7)`."""
        value = "–" if self.value is None else f"{'>' if self.above else ''}{self.value}"
        return value if self.spread is None else f"{value} ({self.spread})"

    @property
    def quoted(self) -> str:
        """With what it is a number of: `77.8 (0.7) ci90, 3 seeds, verified, table 1, living17 ood_test accuracy`."""
        seeds = f", {self.seeds} seeds" if self.seeds else ""
        kind = f" {self.spread_kind}" if self.spread_kind else ""
        return f"{self.shown}{kind}{seeds}, {self.confidence}, table {self.table}, {self.benchmark} {self.split} {self.metric}"


class Interval(Record):
    """How a paper makes the number after ±: `factor`·s, over √n where `of_mean`, with s of n − `ddof` degrees of freedom."""

    kind: Literal["ci90", "ci95", "std"]
    factor: float = Field(gt=0)
    of_mean: bool = Field(description="True: an interval of the mean over seeds; False: the spread of single runs")
    ddof: Literal[0, 1] | None = Field(default=None, description="None: not stated")
    ddof_on: dict[str, Literal[0, 1]] = Field(default={}, description="benchmarks where it is another")
    source: str


class Gap(Record):
    """What no source states of a paper's protocol; empty `benchmarks` or `methods` mean all, `settings` those cells that have them."""

    fields: tuple[str, ...] = Field(min_length=1)
    why: str
    benchmarks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    settings: dict[str, str] = {}

    def covers(self, benchmark: str, method: str, settings: dict[str, str]) -> bool:
        named = benchmark in (self.benchmarks or (benchmark,)) and method in (self.methods or (method,))
        return named and self.settings.items() <= settings.items()


class Publication(Record):
    """Who, where, when, and how the paper's own numbers are to be read."""

    title: str
    authors: str
    year: int
    venue: str
    arxiv: str = ""
    code: str = Field(default="", description="repository@commit whose behaviour is meant by 'as released'")
    interval: Interval | None = Field(default=None, description="None: no source says what its spreads are")
    interval_in: dict[str, Interval] = Field(
        default={}, description="tables (as reported.csv names them) whose spreads are made by another rule"
    )
    notes: tuple[str, ...] = Field(default=(), description="contradictions between sources, and what its numbers are not comparable with")
    unknown: tuple[Gap, ...] = ()

    def of_table(self, table: str) -> Publication:
        """As it is for one of its tables: with that table's own interval."""
        return self.model_copy(update={"interval": self.interval_in.get(table, self.interval)})


def papers() -> list[str]:
    """Those with reported numbers: the folders are the registry."""
    return sorted(path.parent.name for path in tables_dir().glob("*/reported.csv"))


def has(paper: str) -> bool:
    """Whether there are reported numbers of a paper."""
    return bool(paper) and (tables_dir() / paper / "reported.csv").is_file()


def _folder(paper: str) -> Path:
    if not has(paper):
        raise unknown("paper with reported numbers", paper, papers(), "repro list papers")
    return tables_dir() / paper


def load(paper: str) -> tuple[Reported, ...]:
    """All reported numbers of a paper, in the file's order; an unknown name suggests the nearest."""
    path = _folder(paper) / "reported.csv"
    return _stored(path, path.stat().st_mtime_ns)


@cache
def _stored(path: Path, changed: int) -> tuple[Reported, ...]:
    return read(path)


def read(path: Path) -> tuple[Reported, ...]:
    """The numbers in `path`; a fault in it is a `UserError` that names the line."""
    columns = [name for name in Reported.model_fields if name != "above"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if header != columns:
                raise UserError(f"{path}:1: its columns are {', '.join(header)}", f"they must be {', '.join(columns)}", f"mend it: {path}")
            return tuple(_line(path, lines.line_num, columns, line) for line in lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the reported numbers {path}", str(error), f"mend it: {path}") from None


def _line(path: Path, number: int, columns: list[str], line: list[str]) -> Reported:
    if len(line) != len(columns):
        raise UserError(f"{path}:{number}: {len(line)} cells", f"a line has {len(columns)}", f"mend it: {path}")
    fields = dict(zip(columns, line, strict=True))
    try:
        return Reported(**{**fields, "value": fields["value"].removeprefix(">")}, above=fields["value"].startswith(">"))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}:{number}: {first['loc'][0]}: {fields[first['loc'][0]]!r}", first["msg"], f"mend it: {path}") from None


def publication(paper: str) -> Publication:
    """The facts about a paper; a fault in its file is a `UserError` that names the place."""
    path = _folder(paper) / "paper.toml"
    try:
        return Publication.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the facts of a paper in {path}", str(error), f"mend it: {path}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{path} does not describe a paper", f"{'.'.join(map(str, first['loc']))}: {first['msg']}", f"mend it: {path}"
        ) from None


def of(
    paper: str,
    table: str | None = None,
    benchmark: str | None = None,
    split: str | None = None,
    method: str | None = None,
    metric: str | None = None,
    settings: dict[str, str] | None = None,
    backbone: str | None = None,
) -> tuple[Reported, ...]:
    """The reported numbers of a paper that match all that is given; every source of a cell, in the file's order."""
    wanted = {"table": table, "benchmark": benchmark, "split": split, "method": method, "metric": metric, "settings": settings}
    wanted |= {"backbone": backbone}
    asked = {name: value for name, value in wanted.items() if value is not None}
    return tuple(entry for entry in load(paper) if all(getattr(entry, name) == value for name, value in asked.items()))
