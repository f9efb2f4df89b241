"""Damaged results that a command of many leaves out: told on standard error, whatever else becomes of the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from repro.outcomes.stored import Damaged, left_out


@contextmanager
def telling(tiny: bool | None = None) -> Iterator[list[Damaged]]:
    """A list for what the block meets; where it ends, or breaks, that is told, of `tiny` subsets or of the others alone where asked for."""
    met: list[Damaged] = []
    own = None
    try:
        yield met
    except Damaged as error:  # which is told in three lines of its own
        own = error.folder
        raise
    finally:
        for line in left_out(one for one in met if tiny in (None, one.tiny) and one.folder != own):
            typer.echo(line, err=True)
