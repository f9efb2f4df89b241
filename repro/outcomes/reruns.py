"""What came of repeating a run: `reruns.jsonl` in its folder, a line each, beside the result and no part of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.errors import UserError, quoted
from repro.outcomes.claims import STALE_SECONDS
from repro.outcomes.difference import Difference
from repro.outcomes.finished import Finished
from repro.outcomes.store import Store, now
from repro.record import Record

FILE = "reruns.jsonl"


class Rerun(Record):
    """One repetition: `difference` is None and `error` says why where it broke."""

    date: str
    environment: dict[str, Any]
    seconds: float | None = None
    difference: Difference | None = None
    error: str = ""

    @property
    def sentence(self) -> str:
        return self.difference.verdict if self.difference else f"the repetition broke: {self.error}"


def record(folder: Path, environment: dict[str, Any], **fields: Any) -> Rerun:
    """Add a line to the run's file."""
    made = Rerun(date=now(), environment=environment, **fields)
    with open(folder / FILE, "a", encoding="utf-8") as file:
        file.write(made.model_dump_json() + "\n")
    return made


def recorded(folder: Path) -> tuple[Rerun, ...]:
    """What was recorded, oldest first; a line that a kill cut short, or that another version wrote, is passed over."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        with contextlib.suppress(ValidationError):
            found.append(Rerun.model_validate_json(line))
    return tuple(found)


@contextlib.contextmanager
def scratch(original: Finished) -> Iterator[Path]:
    """A folder beside the store, on the same disk, that is gone afterwards; one that a killed repetition left is removed first."""
    root = original.store.root
    prefix = f".rerun-{original.result.key}-"
    for left in root.parent.glob(f"{prefix}*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS and not Store(left).busy(original.result.run):
            shutil.rmtree(left, ignore_errors=True)
    try:
        if not os.access(original.folder, os.W_OK):
            raise PermissionError(f"the outcome could not be recorded in {original.folder}")
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root.parent))
    except OSError as error:
        raise UserError(
            f"run {original.result.key} cannot be repeated beside its store",
            str(error),
            f"chmod u+w {quoted(root.parent)} {quoted(original.folder)}",
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
