"""Progress of a plan: bars on a terminal, a line per finished run elsewhere; always on standard error."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from repro.outcomes.costs import duration
from repro.outcomes.metrics import shown
from repro.outcomes.selection import headline
from repro.planning.forecast import Forecast
from repro.types import Failure, Result, Run


class Watcher:
    """The listener of `repro.run.execute`. `quiet` keeps the lines away, not the bars."""

    def __init__(self, forecast: Forecast, quiet: bool = False):
        self.console = Console(stderr=True, highlight=False)
        self.live = self.console.is_terminal
        self.quiet = quiet
        self.began: dict[str, float] = {}
        self.ended = 0
        self.overall = Progress(
            TextColumn("{task.description:<28.28}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.live,
        )
        self.total = self.overall.add_task("all runs", total=len(forecast.todo))
        self.current = self.overall.add_task("starting", total=None)

    def __enter__(self) -> Watcher:
        self.overall.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the bars and show the cursor again."""
        self.overall.stop()

    def note(self, text: str) -> None:
        self.overall.update(self.current, description=text)

    def started(self, run: Run) -> None:
        self.began[run.key] = time.monotonic()
        self.overall.reset(self.current, description=run.label, total=None)

    def proceeded(self, run: Run, done: int, total: int, what: str) -> None:
        self.overall.update(self.current, description=f"{run.label} {what}", completed=done, total=total)
        if what.startswith("epoch"):  # the rest takes no time worth showing
            self.overall.update(self.total, completed=self.ended + done / total)

    def finished(self, run: Run, result: Result) -> None:
        self._ended(run, _headline(result))

    def failed(self, run: Run, failure: Failure) -> None:
        self._ended(run, f"FAILED {failure.error}")

    def waiting(self, runs: list[Run]) -> None:
        self.note(f"another process has {len(runs)} runs")

    def _ended(self, run: Run, text: str) -> None:
        self.ended += 1
        self.overall.update(self.total, completed=self.ended)
        if not self.quiet:
            seconds = time.monotonic() - self.began.get(run.key, time.monotonic())
            self.console.print(f"  {run.label:<24} {duration(seconds):>7}  {text}", soft_wrap=True, markup=False)


def _headline(result: Result) -> str:
    """The last checkpoint's reported metrics; which checkpoint a table shows is decided later."""
    benchmark = result.run.benchmark
    told = [
        f"{split.name} {shown(benchmark.metric_of(split), headline(result.checkpoints[-1], split, benchmark))}"
        for split in benchmark.splits
        if split.column and split.name in result.checkpoints[-1].metrics
    ]
    return "  ".join(told) or f"loss {result.checkpoints[-1].train.get('loss', float('nan')):.3f}"
