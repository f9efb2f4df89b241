"""`repro diff`: why two results differ, and how far."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.cli.context import complete_key, places
from repro.cli.options import AsJson
from repro.errors import unknown
from repro.outcomes import difference, finished, metrics
from repro.outcomes.difference import ENVIRONMENT, SETTINGS, Difference, short
from repro.outcomes.selection import RULES
from repro.outcomes.store import Store

MOST = 12  # changes of one aspect that are printed; JSON has all

HELP = "A run's key or its first digits, or the folder of a run in any store."


def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help=HELP, autocompletion=complete_key)],
    second: Annotated[str, typer.Argument(help="The other, likewise.", autocompletion=complete_key)],
    select: Annotated[
        str, typer.Option("--select", help="At which checkpoints the numbers are compared.", autocompletion=lambda: list(RULES))
    ] = "id_val",
    as_json: AsJson = False,
) -> None:
    """Say why two results differ: data, settings, parents, environment; and by how much."""
    if select not in RULES:
        raise unknown("selection rule", select, RULES, "repro diff --help")
    store = Store(places(context).runs)
    found = difference.compare(finished.find(store, first), finished.find(store, second), select)
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    print(f"first       {found.keys[0]}, at {found.checkpoints[0]}\nsecond      {found.keys[1]}, at {found.checkpoints[1]}")
    show_changes(found)
    show_numbers(found)
    print(found.verdict)


def show_changes(found: Difference) -> None:
    """Each aspect in which something differs, those of the settings first."""
    for aspect in (*SETTINGS, *ENVIRONMENT):
        changes = [change for change in found.changes if change.aspect == aspect]
        if changes:
            print(aspect)
        for change in changes[:MOST]:
            print(f"  {change.title:<28} {short(change.first):<24} {short(change.second)}".rstrip())
        if len(changes) > MOST:
            print(f"  and {len(changes) - MOST} more (--json)")


def show_numbers(found: Difference) -> None:
    """The headline metrics side by side, and how far logits and predictions are apart."""
    if found.exact or not found.shifts:
        return
    print(f"numbers ({metrics.spell_units((shift.split, shift.metric) for shift in found.shifts)})")
    outputs = {split.split: split for split in found.outputs.splits} if found.outputs else {}
    for shift in found.shifts:
        own = outputs.get(shift.split)
        beside = f"   |Δ logit| ≤ {own.largest:.2g}, {own.changed} of {own.examples} predictions changed" if own else ""
        scale, digits = (100, 2) if metrics.is_share(shift.metric) else (1, 4)
        values = f"{scale * shift.first:6.{digits}f} {scale * shift.second:6.{digits}f} {scale * (shift.second - shift.first):+6.{digits}f}"
        print(f"  {shift.split:<12} {values}{beside}")
