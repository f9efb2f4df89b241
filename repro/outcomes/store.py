"""The store: one folder per run, whose state can be read with `ls`, and which is its own queue.

runs/<benchmark>[-tiny]/<method>-s<seed>-<key>/
    run.json        what it is (written at the first claim)
    claim.json      somebody works on it now
    checkpoint/     where an interrupted run continues
    result.json     finished: written last, by rename
    failed.json     broke: shown and retried, never reused
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from repro.errors import UserError
from repro.paths import make_writable
from repro.types import SCHEMA, Failure, Result, Run

if TYPE_CHECKING:
    import pandas

BEAT_SECONDS = 20.0
STALE_SECONDS = 120.0  # a claim from another host whose heartbeat is older than this has no owner


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary name beside `path`, flush to disk, rename: readers see the old file or the new one, whole."""
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
    """As a folder can be called."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


class Store:
    """The runs below one folder."""

    def __init__(self, root: Path):
        self.root = root

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

    def result(self, run: Run) -> Result | None:
        return self.read_result(self.folder(run))

    def read_result(self, folder: Path) -> Result | None:
        """The finished result in `folder`, None where there is none; a damaged or newer file is a `UserError` naming it."""
        path = folder / "result.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["schema_version"]
            if version != SCHEMA:
                raise UserError(
                    f"{path} has schema {version}, this program reads {SCHEMA}",
                    "it was written by another version",
                    f"rm -r {folder}, then run again; or install the version that wrote it",
                )
            return Result.model_validate(content)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise UserError(f"{path} is damaged", str(error).split("\n")[0], f"rm -r {folder}, then run the same command again") from None

    def failure(self, folder: Path) -> Failure | None:
        try:
            return Failure.model_validate_json((folder / "failed.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None

    def folders(self, benchmark: str | None = None) -> Iterator[Path]:
        """Every run's folder, or those of one benchmark and of its tiny subset."""
        if self.root.is_dir():
            names = [safe(name) for name in (benchmark, f"{benchmark}-tiny")] if benchmark else ["*"]
            yield from sorted(path for name in names for path in self.root.glob(f"{name}/*-s*-*") if path.is_dir())

    def results(self, benchmark: str | None = None) -> list[Result]:
        """Every finished result, oldest first."""
        found = [result for folder in self.folders(benchmark) if (result := self.read_result(folder))]
        return sorted(found, key=lambda result: (result.finished, result.key))

    def frame(self) -> pandas.DataFrame:
        """Tidy: one row per run × checkpoint × split × metric, with the recipe's fields that are not neutral as `recipe.*` columns.

        `headline` marks a split's headline metric; the accuracy of a group is a metric of its own, such as `region=Africa`.
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
                **{f"recipe.{field}": str(val) if isinstance(val, list) else val for field, val in result.run.recipe.changed().items()},
            }
            for result in self.results()
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
        path = folder / "claim.json"
        owner = this_process()
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(owner)
        except FileExistsError:
            if not _take_over(path, owner):
                return None
        if not (folder / "run.json").exists():
            write_atomically(folder / "run.json", run.model_dump_json(indent=1))
        return folder

    def beat(self, folder: Path) -> None:
        """Show that the claim's owner lives."""
        touch(folder / "claim.json")

    def release(self, folder: Path) -> None:
        (folder / "claim.json").unlink(missing_ok=True)

    def busy(self, run: Run) -> bool:
        path = self.folder(run) / "claim.json"
        return path.exists() and not _abandoned(path)

    # ending

    def finish(self, folder: Path, result: Result) -> None:
        """Write `result.json` last, then remove what only an interrupted run needs."""
        (folder / "failed.json").unlink(missing_ok=True)
        write_atomically(folder / "result.json", result.model_dump_json(indent=1))
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)

    def fail(self, folder: Path, failure: Failure) -> None:
        write_atomically(folder / "failed.json", failure.model_dump_json(indent=1))

    def remove(self, folder: Path) -> None:
        shutil.rmtree(folder)


def this_process() -> str:
    """What a claim says of its owner."""
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": _process_start(os.getpid()), "since": now()})


@contextlib.contextmanager
def beating(claim: Path) -> Iterator[None]:
    """Within the block a thread shows that the owner of `claim` lives; at the end the claim is released."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            touch(claim)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        claim.unlink(missing_ok=True)


def touch(claim: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.utime(claim)


def abandoned(claim: Path) -> bool:
    """Whether nobody works under a claim: it is not there, or left behind."""
    return not claim.exists() or _abandoned(claim)


def _process_start(pid: int) -> str | None:
    """When the process started, in the kernel's ticks since boot: with the pid, it names the process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _alive(owner: dict[str, Any]) -> bool:
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return owner.get("started") in (None, _process_start(owner["pid"]))


def _abandoned(path: Path) -> bool:
    """Whether nobody works under this claim any more: its process is gone (same host), or its heartbeat stopped (another host)."""
    try:
        age = time.time() - path.stat().st_mtime
        owner = json.loads(path.read_text())
        return not _alive(owner) if owner["host"] == socket.gethostname() else age > STALE_SECONDS
    except FileNotFoundError:  # released, not left behind
        return False
    except (ValueError, KeyError, TypeError):  # its writer was killed between creating and filling it, or is just about to fill it
        return age > 5


def _take_over(path: Path, owner: str) -> bool:
    """Replace the claim of an owner that is gone. One process at a time looks and replaces: of two that saw the same dead claim, the
    second would else replace the first's new one. The kernel frees the lock of a process that dies.
    """
    import fcntl

    if not _abandoned(path):
        return False
    with open(path.with_name(".claim.lock"), "w") as lock:
        with contextlib.suppress(OSError):  # a file system without locks: the second look alone leaves a window of microseconds
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not _abandoned(path):
            return False
        write_atomically(path, owner)
    return True
