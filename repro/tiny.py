"""Tiny subsets on disk, in the official layout: synthetic ones written on demand, or real ones taken from a full copy.

<data>/tiny/<data set>/{…, tiny.json last}
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from repro import plugins
from repro.errors import UserError
from repro.paths import Places, make_writable
from repro.types import digest

MARKER = "tiny.json"


class Subset(NamedTuple):
    """A tiny subset on disk."""

    folder: Path
    files: int


def folder_of(name: str, places: Places) -> Path:
    """Where the tiny subset of a data set lies or will lie."""
    return places.data / "tiny" / name


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def content(name: str, places: Places) -> list[Any]:
    """What names a tiny subset in keys: the bytes that were taken from a real copy, else the version of what draws the synthetic one."""
    marker = _marker(folder_of(name, places))
    if marker and marker["taken"]:
        return ["taken", name, marker["taken"]]
    return ["synthetic", name, plugins.dataset(name).VERSION]


def ensure(name: str, folder: Path) -> None:
    """Write the synthetic subset into `folder` unless a subset that can be used is there: one taken from a real copy, or of this version."""
    marker = _marker(folder)
    if marker and (marker["taken"] or marker["version"] == plugins.dataset(name).VERSION):
        return
    _place(name, folder, plugins.dataset(name).write_tiny, taken=False, again=False)


def sources(benchmark: str, given: Path | None, places: Places) -> dict[str, Path]:
    """Data set → folder of its full copy, for every published data set of a benchmark; `given` is one of them, or holds them by name."""
    described = plugins.benchmark(benchmark).describe({}, places)
    names = sorted(described.roots.keys() & plugins.names("datasets").keys())
    if not names:
        raise UserError(
            f"{benchmark} has no published data set to take a subset of", "its tiny subset needs no files", f"repro run {benchmark} --tiny"
        )
    if given is None:
        return {name: Path(described.roots[name]) for name in names}
    folders = {name: given / name if (given / name).is_dir() or len(names) > 1 else given for name in names}
    absent = [str(folder) for folder in folders.values() if not folder.is_dir()]
    if absent:
        raise UserError(
            f"there is no folder {absent[0]}", f"{benchmark} is made of {', '.join(names)}", "name where the full copy lies: --from DIR"
        )
    return folders


def take(name: str, source: Path | None, places: Places) -> Subset:
    """Put a tiny subset in place of what there was: a real one out of the full copy at `source`, or a synthetic one."""
    folder, reader = folder_of(name, places), plugins.dataset(name)
    write = reader.write_tiny if source is None else lambda target: reader.take_tiny(source, target)
    return Subset(folder, _place(name, folder, write, taken=source is not None, again=True))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(name: str, folder: Path, write: Callable[[Path], None], taken: bool, again: bool) -> int:
    """Write beside and rename, the marker last, so that a half-written subset is never read; returns the number of files."""
    make_writable(folder.parent, "data")
    temporary = folder.with_name(f".{name}.unfinished")
    with FileLock(folder.with_name(f".{name}.lock")):
        marker = _marker(folder)
        if not again and marker and marker["version"] == plugins.dataset(name).VERSION:
            return marker["files"]  # another process was quicker
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            write(temporary)
            files = sorted(path for path in temporary.rglob("*") if path.is_file())
            if not files:
                raise UserError(
                    f"the tiny subset of {name} came out empty", f"nothing of it was found for {folder}", f"repro data verify {name}"
                )
            hashes = {path.relative_to(temporary).as_posix(): _sha256(path) for path in files} if taken else {}
            marker = {"version": plugins.dataset(name).VERSION, "taken": digest(hashes) if taken else None, "files": len(files)}
            (temporary / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(temporary, folder)
            return len(files)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
