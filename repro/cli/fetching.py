"""Progress of a fetch: a bar per file on a terminal, a line per finished file elsewhere; always on standard error."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from repro.amounts import in_units


class FetchBars:
    """Called with (file, bytes done, bytes in all or None) from several threads at once."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.live = self.console.is_terminal
        self.bars = Progress(
            TextColumn("{task.description:<28.28}"),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.live,
        )
        self.tasks: dict[str, TaskID] = {}
        self.ended: set[str] = set()
        self.lock = threading.Lock()

    def __enter__(self) -> FetchBars:
        self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        with self.lock:
            if name not in self.tasks:
                self.tasks[name] = self.bars.add_task(name, total=total)
            ends = total is not None and done >= total and name not in self.ended
            if ends:
                self.ended.add(name)
        self.bars.update(self.tasks[name], completed=done, total=total)
        if ends:
            self.console.print(f"  {name}  {in_units(done)}", soft_wrap=True, markup=False)
