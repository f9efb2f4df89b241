"""Progress of a plan: bars on a terminal, a line per finished run elsewhere; always on standard error."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from repro.outcomes.costs import duration
from repro.outcomes.metrics import shown
from repro.outcomes.predicted import error, prediction, typical
from repro.outcomes.selection import headline
from repro.types import Failure, Result, Run


class Watcher:
    """The listener of `repro.run.execute`, or of several workers, a lane each. `quiet` keeps the lines away, not the bars.

    In brackets behind the time that a run took is what had been predicted.
    """

    def __init__(self, todo: int, quiet: bool = False, lanes: int = 1):
        self.console = Console(stderr=True, highlight=False)
        self.live = self.console.is_terminal
        self.quiet = quiet
        self.began: dict[str, float] = {}
        self.ended = 0
        self.errors: list[float] = []
        self.shares = [0.0] * lanes
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
        self.total = self.overall.add_task("all runs", total=todo)
        self.current = [self.overall.add_task("starting", total=None) for _ in range(lanes)]

    def __enter__(self) -> Watcher:
        self.overall.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        if self.errors and not self.quiet:
            many = f"median of {len(self.errors)} runs" if len(self.errors) > 1 else "1 run"
            self.console.print(f"predicted times, in brackets, were off by {100 * typical(self.errors):.0f} % ({many})", markup=False)

    def stop(self) -> None:
        """Remove the bars and show the cursor again."""
        self.overall.stop()

    def note(self, text: str, lane: int = 0) -> None:
        self.overall.update(self.current[lane], description=text)

    def started(self, run: Run, lane: int = 0) -> None:
        self.began[run.key] = time.monotonic()
        self.overall.reset(self.current[lane], description=run.label, total=None)

    def proceeded(self, run: Run, done: int, total: int, what: str, lane: int = 0) -> None:
        self.overall.update(self.current[lane], description=f"{run.label} {what}", completed=done, total=total)
        if what.startswith(("epoch", "trial")):  # the rest takes no time worth showing
            self.shares[lane] = done / total
            self.overall.update(self.total, completed=self.ended + sum(self.shares))

    def finished(self, run: Run, result: Result, lane: int = 0) -> None:
        told, off = prediction(result), error(result)
        self.errors += [] if off is None else [off]
        self._ended(run, _headline(result), lane, f"({duration(told.seconds)})" if told else "")

    def failed(self, run: Run, failure: Failure, lane: int = 0) -> None:
        self._ended(run, f"FAILED {failure.error}", lane)

    def crashed(self, run: Run | None, status: int, log: str, lane: int = 0) -> None:
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        on = f"on {run.label}, which another takes over" if run else "before its first run"
        self.note("crashed", lane)
        self.console.print(f"  worker {lane} ended by {how} {on} ({log})", soft_wrap=True, markup=False)

    def waiting(self, runs: Sequence[Run | None], lane: int = 0) -> None:
        self.note(f"another process has {len(runs)} runs", lane)

    def _ended(self, run: Run, text: str, lane: int, predicted: str = "") -> None:
        self.ended, self.shares[lane] = self.ended + 1, 0.0
        self.overall.update(self.total, completed=self.ended + sum(self.shares))
        if not self.quiet:
            seconds = time.monotonic() - self.began.get(run.key, time.monotonic())
            self.console.print(f"  {run.label:<20} {duration(seconds):>6} {predicted:<8} {text}", soft_wrap=True, markup=False)


def _headline(result: Result) -> str:
    """The last checkpoint's reported metrics, with its name where there are others; which of them a table shows is decided later."""
    benchmark = result.run.benchmark
    name = f"{result.checkpoints[-1].name}: " if len(result.checkpoints) > 1 else ""
    told = [
        f"{split.name} {shown(benchmark.metric_of(split), headline(result.checkpoints[-1], split, benchmark))}"
        for split in benchmark.splits
        if split.column and split.name in result.checkpoints[-1].metrics
    ]
    if "best" in result.extras:
        return f"trial {result.extras['best']['trial']} of {len(result.extras['trials'])}"
    return f"{name}{'  '.join(told)}" if told else f"loss {result.checkpoints[-1].train.get('loss', float('nan')):.3f}"
