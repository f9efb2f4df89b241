"""Progress of files under way: a bar each on a terminal, a line per finished file elsewhere; always on standard error."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from repro.data.amounts import size


class Transfers:
    """What `repro.data.holdings.ensure` reports to, from several threads at once. `total`: bytes of all files together, where known."""

    def __init__(self, total: int | None = None):
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description:<28.28}"),
            BarColumn(bar_width=16),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.done: dict[str, int] = {}
        self.ended: set[str] = set()
        self.lock = threading.Lock()
        self.whole = self.progress.add_task("all files", total=total) if total else None

    def __enter__(self) -> Transfers:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def report(self, name: str, done: int, total: int | None) -> None:
        """`done` of `total` bytes of the file `name` are here."""
        with self.lock:
            if name in self.ended:
                return
            if name not in self.tasks:
                # Speed is of what comes now: bytes of an earlier, interrupted fetch count as done, not as fast.
                self.tasks[name], self.done[name] = self.progress.add_task(name, total=total, completed=done), done
                self._advance_whole(name, done)
            self._advance_whole(name, done - self.done[name])
            self.done[name] = done
            self.progress.update(self.tasks[name], completed=done, total=total)
            if total is not None and done >= total:
                self.ended.add(name)
                self.progress.remove_task(self.tasks[name])
                self.console.print(f"  {name}  {size(done)}", markup=False, soft_wrap=True)

    def _advance_whole(self, name: str, more: int) -> None:
        if self.whole is not None and not name.startswith("unpack "):
            self.progress.advance(self.whole, more)
