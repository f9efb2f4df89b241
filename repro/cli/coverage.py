"""`repro coverage`: how much of the papers' tables this program can run."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from repro.cli.context import complete_paper, places
from repro.papers import coverage as covering
from repro.papers import reported
from repro.papers.coverage import STATES, Judged


def coverage(
    context: typer.Context,
    paper: Annotated[
        str | None, typer.Argument(help="A paper (repro list papers); all of them where left out.", autocompletion=complete_paper)
    ] = None,
    reasons: Annotated[bool, typer.Option("--reasons", help="What stands in the way of the cells that cannot be run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, reasons included.")] = False,
) -> None:
    """Count the reported cells that can be run, and those that cannot, by reason."""
    where = places(context)
    judged = {name: covering.judge(name, where) for name in ([paper] if paper else reported.papers())}
    if as_json:
        print(json.dumps({name: _as_json(cells) for name, cells in judged.items()}, indent=1))
        return
    _counts(judged)
    if reasons:
        for name, cells in judged.items():
            _reasons(name, cells)


def _as_json(cells: list[Judged]) -> dict[str, Any]:
    listed = [{"state": state, "reason": why, "cells": number, "tables": where} for state, why, number, where in covering.reasons(cells)]
    return {"cells": len(cells), "states": covering.counts(cells), "reasons": listed}


def _counts(judged: dict[str, list[Judged]]) -> None:
    """A line per paper, states as columns; a last line adds them up where there are several."""
    lines = [(name, len(cells), *covering.counts(cells).values()) for name, cells in judged.items()]
    if len(lines) > 1:
        lines.append(("all", *(sum(column) for column in list(zip(*lines, strict=True))[1:])))
    width = max(len(name) for name, *_ in lines)
    print(f"{'':<{width}}  cells  {'  '.join(STATES)}")
    for name, total, *numbers in lines:
        print(f"{name:<{width}}  {total:>5}  {'  '.join(f'{number:>{len(state)}}' for state, number in zip(STATES, numbers, strict=True))}")


def _reasons(name: str, cells: list[Judged]) -> None:
    print(f"\n{name}")
    last = None
    for state, why, number, where in covering.reasons(cells):
        if state != last:
            print(f"  {state}")
        last = state
        print(f"    {number:>4}  {why}  [{', '.join(where)}]")
