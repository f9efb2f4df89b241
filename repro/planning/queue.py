"""The store as the queue of a plan: what can be run now, what others have, what failed; any number of processes pull from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from repro.outcomes.store import Store
from repro.types import Failure, Result, Run

POLL_SECONDS = 1.0


class Told(Protocol):
    """Who hears of runs that were not attempted here."""

    def failed(self, run: Run, failure: Failure) -> None: ...
    def waiting(self, runs: list[Run]) -> None: ...


class Queue:
    """The unfinished runs of a plan, parents first.

    `before`: what tells the failures that were there when the work began from new ones (key → `Store.failed_at`); a run that fails
    anywhere after that is not tried again by any of those who share it. None: as it is now.
    """

    def __init__(self, runs: Iterable[Run], store: Store, before: Mapping[str, int | None] | None = None):
        self.store = store
        self.pending = {run.key: run for run in runs if store.result(run) is None}
        self.folders: dict[str, Path] = {key: store.folder(run) for key, run in self.pending.items()}
        self.before = failures_of(self.pending.values(), store) if before is None else before
        self.failures: dict[str, Failure] = {}

    def work_off(self, attempt: Callable[[Run], Result | Failure | None], listener: Told, stay: bool = True) -> list[Failure]:
        """Attempt every run; those that another process has (None) are waited for, or left to it where `stay` is False and nothing else is left.

        Returns what failed, here or elsewhere.
        """
        while self.pending:
            progressed, elsewhere = False, []
            for key, run in list(self.pending.items()):
                ended = self._ended(key, run)
                if ended is None:
                    if any(parent in self.pending for parent in run.parents.values()):
                        continue
                    outcome = attempt(run)
                    if outcome is None:
                        elsewhere.append(run)
                        continue
                    if isinstance(outcome, Failure):
                        self.failures[key] = outcome
                elif isinstance(ended, Failure):
                    self.failures[key] = ended
                    listener.failed(run, ended)
                del self.pending[key]
                progressed = True
            if not progressed:
                if not stay and len(elsewhere) == len(self.pending):
                    break
                listener.waiting(elsewhere or list(self.pending.values()))
                time.sleep(POLL_SECONDS)
        return list(self.failures.values())

    def _ended(self, key: str, run: Run) -> Failure | bool | None:
        """A failure elsewhere or of a parent, True for finished elsewhere, None: to be done."""
        broken = next((self.failures[parent] for parent in run.parents.values() if parent in self.failures), None)
        if broken:
            return broken.model_copy(update={"key": key, "run": run, "error": f"its parent {broken.run.label} ({broken.key}) failed"})
        if (self.folders[key] / "result.json").exists():
            return True
        return self.failed_elsewhere(run)

    def failed_elsewhere(self, run: Run) -> Failure | None:
        """How the run broke since the work began, at somebody's who shares it."""
        folder = self.folders[run.key]
        return self.store.failure(folder) if self.store.failed_at(run, folder) not in (None, self.before.get(run.key)) else None


def failures_of(runs: Iterable[Run], store: Store) -> dict[str, int | None]:
    """What tells the failures that are recorded now from later ones."""
    return {run.key: at for run in runs if (at := store.failed_at(run)) is not None}
