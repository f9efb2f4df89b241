"""A finished run where it lies: named by its key, or by its folder in any store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from repro.errors import UserError
from repro.outcomes import selection
from repro.outcomes.store import Store
from repro.types import Checkpoint, Result


class Finished(NamedTuple):
    """What a run left behind, and its folder."""

    result: Result
    folder: Path

    @property
    def store(self) -> Store:
        """The store that its folder is in."""
        return Store(self.folder.parent.parent)

    def parents(self) -> dict[str, Finished]:
        """Role → run, of those that it started from and that are still in its store."""
        found = {}
        for role, key in self.result.run.parents.items():
            try:
                found[role] = find(self.store, key)
            except UserError:
                continue
        return found

    def reported(self, rule: str = "id_val") -> Checkpoint:
        """The checkpoint that `rule` selects; the last where its benchmark has no split for that, or nothing was judged."""
        return selection.reported(self.result, rule if rule in applicable(self.result) else "last")


def find(store: Store, named: str) -> Finished:
    """The run whose key starts with `named`, or whose folder that is; a run without a result is a `UserError`."""
    folder = Path(named).expanduser().absolute() if os.sep in named else store.find(named)
    result = store.read_result(folder)
    if result is not None:
        return Finished(result, folder)
    if (failure := store.failure(folder)) is not None:
        raise UserError(f"run {folder.name} has no result: it failed", failure.error, f"repro show {failure.key}")
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} is not the folder of a run", "there is no run.json in it", "repro show")
    raise UserError(
        f"run {folder.name} is not finished", "it was interrupted, or is being worked on", "run the same command again to continue it"
    )


def applicable(result: Result) -> tuple[str, ...]:
    """The selection rules that can be followed for a run: those whose splits were judged."""
    benchmark, judged = result.run.benchmark, result.checkpoints[-1].metrics
    return tuple(rule for rule in selection.RULES if rule == "last" or selection.possible(rule, benchmark, judged))
