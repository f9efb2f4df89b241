"""The store: one folder per run, whose state can be read with `ls`, and which is its own queue.

runs/<benchmark>[-tiny]/<method>-s<seed>-<key>/
    run.json        what it is (written at the first claim)
    claim.json      somebody works on it now (repro/outcomes/claims.py)
    progress.json   how far that is
    checkpoint/     where an interrupted run continues
    result.json     finished: written last, by rename
    failed.json     broke: shown and retried, never reused
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import UserError
from repro.outcomes import claims, stored
from repro.outcomes.stored import Damaged
from repro.paths import make_writable
from repro.types import Failure, Result, Run

if TYPE_CHECKING:
    import pandas

PROGRESS = "progress.json"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary name beside `path`, flush to disk, rename: readers see the old file or the new one, whole.

    A device or a pipe, such as /dev/stdout, is written into.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def safe(name: str) -> str:
    """As a folder below another can be called."""
    return re.sub(r"^\.+|[^A-Za-z0-9._-]", "_", name) or "_"


class Store:
    """The runs below one folder. `launch` names the workers who work together, where this process is one of them."""

    def __init__(self, root: Path, launch: str | None = None):
        self.root, self.launch = root, launch
        self.claims = claims.Claims()

    def prepare(self) -> None:
        """Create the folder and prove it writable."""
        make_writable(self.root, "runs")

    def folder(self, run: Run) -> Path:
        return self.root / safe(run.benchmark.folder) / f"{safe(run.method)}-s{run.seed}-{run.key}"

    def find(self, prefix: str) -> Path:
        """The folder of the run whose key starts with `prefix`."""
        if not re.fullmatch(r"[0-9a-f]{4,20}", prefix):
            raise UserError(
                f"{prefix!r} is not a run's key", "a key is 4 to 20 hexadecimal digits, as the command below lists them", "repro show"
            )
        found = sorted(self.root.glob(f"*/*-s*-{prefix}*"))
        if not found:
            raise UserError(f"no run's key starts with {prefix}", f"looked in {self.root}", "repro show")
        if len(found) > 1:
            raise UserError(
                f"{len(found)} runs' keys start with {prefix}",
                ", ".join(path.name for path in found[:4]),
                "repro show KEY with more digits",
            )
        return found[0]

    # reading

    def result(self, run: Run, damaged: list[Damaged] | None = None) -> Result | None:
        return self.read_result(self.folder(run), damaged)

    def read_result(self, folder: Path, damaged: list[Damaged] | None = None) -> Result | None:
        """The finished result in `folder`, None where there is none; one that is `Damaged` is raised, or added to a list where one is given."""
        try:
            return stored.read(folder)
        except Damaged as error:
            if damaged is None:
                raise
            damaged.append(error)
            return None

    def failure(self, folder: Path) -> Failure | None:
        try:
            return Failure.model_validate_json((folder / "failed.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def folders(self, benchmark: str | None = None) -> Iterator[Path]:
        """Every run's folder, or those of one benchmark and of its tiny subset."""
        if self.root.is_dir():
            names = [safe(name) for name in (benchmark, f"{benchmark}-tiny")] if benchmark else ["*"]
            yield from sorted(path for name in names for path in self.root.glob(f"{name}/*-s*-*") if path.is_dir())

    def results(self, benchmark: str | None = None, damaged: list[Damaged] | None = None) -> list[Result]:
        """Every finished result, oldest first; `damaged` as in `read_result`."""
        found = [result for folder in self.folders(benchmark) if (result := self.read_result(folder, damaged))]
        return sorted(found, key=lambda result: (result.finished, result.key))

    def frame(self, damaged: list[Damaged] | None = None) -> pandas.DataFrame:
        """Tidy: one row per run × checkpoint × split × metric, with the recipe's fields that are not neutral as `recipe.*` columns.

        `headline` marks a split's headline metric; the accuracy of a group is a metric of its own, such as `region=Africa`. `damaged` as in
        `read_result`.
        """
        import pandas

        rows = [
            {
                "key": result.key,
                "benchmark": result.run.benchmark.name,
                "title": result.run.benchmark.title,
                "tiny": result.run.benchmark.tiny,
                "method": result.run.method,
                "backbone": result.run.backbone.name,
                "seed": result.run.seed,
                "checkpoint": point.name,
                "epoch": point.epoch,
                "split": split,
                "metric": metric,
                "value": value,
                "headline": metric == headlines.get(split),
                "seconds": result.seconds.get("total"),
                "finished": result.finished,
                **{f"recipe.{field}": str(val) if isinstance(val, list) else val for field, val in result.run.recipe.told().items()},
            }
            for result in self.results(damaged=damaged)
            for headlines in [{split.name: result.run.benchmark.metric_of(split) for split in result.run.benchmark.splits}]
            for point in result.checkpoints
            for split, metrics in point.metrics.items()
            for metric, value in metrics.items()
        ]
        return pandas.DataFrame(rows)

    # claiming

    def claim(self, run: Run) -> Path | None:
        """Take the run for this process; None where another living process has it. The folder is created and `run.json` written."""
        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.claims.take(folder, now(), self.launch):
            return None
        try:
            if not (folder / "run.json").exists():
                write_atomically(folder / "run.json", run.model_dump_json(indent=1))
        except BaseException:  # a full disk, Ctrl-C: nobody would work on it under a living process's claim
            self.release(folder)
            raise
        return folder

    def beat(self, folder: Path) -> bool:
        """Show that the claim's owner lives; False where another process has taken the run over."""
        return self.claims.beat(folder)

    def release(self, folder: Path) -> None:
        """Give the run back to whoever comes next."""
        if self.claims.held(folder):
            (folder / PROGRESS).unlink(missing_ok=True)
        self.claims.release(folder)

    def busy(self, run: Run) -> bool:
        owner = claims.end_of_chain(self.folder(run))
        return owner is not None and not self.claims.gone(owner)

    # how far

    def proceed(self, folder: Path, done: int, total: int, what: str) -> None:
        """Leave word of how far a run is."""
        write_atomically(folder / PROGRESS, json.dumps({"done": done, "total": total, "what": what}))

    def progress(self, folder: Path) -> dict[str, Any] | None:
        """What `proceed` left last: done, total, what."""
        try:
            found = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
            return found if {"done", "total", "what"} <= found.keys() else None
        except (OSError, ValueError, AttributeError):
            return None

    def failed_at(self, run: Run, folder: Path | None = None) -> int | None:
        """What tells one failure of a run from its next; None where none is recorded."""
        try:
            return ((folder or self.folder(run)) / "failed.json").stat().st_mtime_ns
        except OSError:
            return None

    # ending

    def finish(self, folder: Path, result: Result) -> None:
        """Write `result.json` last, then remove what only an interrupted run needs."""
        (folder / "failed.json").unlink(missing_ok=True)
        write_atomically(folder / "result.json", stored.text(result))
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        for left in folder.glob(".*.tmp"):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)

    def fail(self, folder: Path, failure: Failure) -> None:
        write_atomically(folder / "failed.json", failure.model_dump_json(indent=1))

    def remove(self, folder: Path) -> None:
        shutil.rmtree(folder)
