"""Quirks: what of a run departs from what a reader would take for granted, each with a name and its source.

They are facts in quirks.toml; which of them a run has follows from the run alone, so another setting makes a quirk vanish. No key
depends on them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from repro.record import Record
from repro.types import Run

FILE = Path(__file__).with_name("quirks.toml")


class When(Record):
    """The runs that have a quirk: all conditions hold; one that is not given holds always."""

    benchmarks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    recipe: dict[str, Any] = {}


class Quirk(Record):
    """`name` is how tables and people call it; `text` is one sentence; `source` is repository@commit path:lines."""

    name: str
    text: str
    source: str
    when: When
    inherited: bool = Field(default=False, description="a run that starts from one with this quirk has it, too")


@cache
def known() -> tuple[Quirk, ...]:
    """Every quirk, in the order of the file."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(Quirk(name=name, **entry) for name, entry in entries.items())


def of(run: Run, find: Callable[[str], Run | None] = lambda key: None) -> tuple[Quirk, ...]:
    """The quirks of a run, in the order of the file. `find` gives the run of a key, for what is inherited from parents."""
    own = {
        quirk.name
        for quirk in _possible(run.benchmark.name, run.method, run.backbone.name)
        if all(_plain(getattr(run.recipe, field)) == value for field, value in quirk.when.recipe.items())
    }
    from_parents = {quirk.name for key in run.parents.values() if (parent := find(key)) for quirk in of(parent, find) if quirk.inherited}
    return tuple(quirk for quirk in known() if quirk.name in own | from_parents) if own or from_parents else ()


@cache
def _possible(benchmark: str, method: str, backbone: str) -> tuple[Quirk, ...]:
    """Those that a run has if its recipe is such."""
    return tuple(
        quirk
        for quirk in known()
        if (not quirk.when.benchmarks or benchmark in quirk.when.benchmarks)
        and (not quirk.when.methods or method in quirk.when.methods)
        and (not quirk.when.backbones or backbone in quirk.when.backbones)
    )


def _plain(value: Any) -> Any:
    """As TOML has it."""
    return list(map(_plain, value)) if isinstance(value, tuple) else value
