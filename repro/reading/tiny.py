"""Tiny subsets on disk, in the official layout: synthetic ones written on demand, or real ones taken from a full copy.

<data>/tiny/<data set>/{…, tiny.json last}
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from repro import plugins
from repro.data import manifest
from repro.data.layout import tree_in, unpacked
from repro.errors import UserError, a_few
from repro.paths import FULL, Places, make_writable, no_room
from repro.record import digest

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
    if not _usable(name, _marker(folder)):
        _place(name, folder, plugins.dataset(name).write_tiny, taken=False, again=False)


def _usable(name: str, marker: dict[str, Any] | None) -> bool:
    return bool(marker) and bool(marker["taken"] or marker["version"] == plugins.dataset(name).VERSION)


def check_whole(name: str, folder: Path) -> None:
    """`UserError` where files of the subset are gone: a reader that lists folders would not miss them."""
    names = (_marker(folder) or {}).get("names", ())
    if absent := [str(folder / file) for file in names if not (folder / file).is_file()]:
        raise UserError(
            f"{len(absent):,} of the {len(names):,} files of the tiny subset of {name} are not on disk: {a_few(absent)}",
            "they were there when it was made",
            "repro data tiny BENCHMARK makes it again",
        )


def cure(benchmark: str) -> str:
    """The commands that mend a tiny subset, whatever is wrong with its files."""
    return f"repro data tiny {benchmark} --synthetic, or out of your full copy: repro data tiny {benchmark} --from DIR"


def data_sets(benchmark: str, places: Places) -> dict[str, Path]:
    """Data set → folder where a full copy is or would be, for every published data set of a benchmark. `UserError`: it has none."""
    described = plugins.benchmark(benchmark).describe({}, places)
    roots = described.roots | {split.apart.name: split.apart.root for split in described.splits if split.apart}
    names = sorted(roots.keys() & plugins.names("datasets").keys())
    if not names:
        raise UserError(
            f"{benchmark} has no published data set to take a subset of", "its tiny subset needs no files", f"repro run {benchmark} --tiny"
        )
    return {name: Path(roots[name]) for name in names}


def sources(benchmark: str, given: Path | None, places: Places) -> dict[str, Path]:
    """Data set → root of its full copy, looked for in `given`, or where this program keeps data. `UserError`: one is not there.

    Of those that only a search needs, what is there.
    """
    always = plugins.benchmark(benchmark).describe({}, places).roots
    looked_in = {name: given.expanduser().absolute() if given else root for name, root in data_sets(benchmark, places).items()}
    trees = {name: _tree(name, folder) for name, folder in looked_in.items()}
    for name, tree in trees.items():
        if tree is None and name in always:
            wanted = ", ".join(_wanted(name)[:4])
            mend = f"name the folder that holds it, or folders of that name: repro data tiny {benchmark} --from DIR"
            raise UserError(f"there is no whole copy of {name} in {looked_in[name]}", f"looked for {wanted}", mend)
    return {name: tree for name, tree in trees.items() if tree}


def _tree(name: str, given: Path) -> Path | None:
    """The root of a data set's full copy: the folder `given`, its own name in it, or the folder above; None where there is no whole one."""
    return tree_in(manifest.load(name), given, _wanted(name))


def _wanted(name: str) -> Sequence[str]:
    """What a full copy has at its root."""
    record = manifest.load(name)
    return unpacked(record) or record.layout.required


def take(name: str, source: Path | None, places: Places) -> Subset:
    """Put a tiny subset in place of what there was: a real one out of the full copy at `source`, or a synthetic one."""
    folder, reader = folder_of(name, places), plugins.dataset(name)
    if source is None:
        return Subset(folder, _place(name, folder, reader.write_tiny, taken=False, again=True))
    mend = f"bring the copy in {source} in order, or name another: --from DIR"

    def write(target: Path) -> None:
        try:
            reader.take_tiny(source, target)
        except UserError as error:  # whose own cure is for a copy that this program keeps
            raise UserError(error.what, error.why, mend) from None

    return Subset(folder, _place(name, folder, write, taken=True, again=True))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(name: str, folder: Path, write: Callable[[Path], None], taken: bool, again: bool) -> int:
    """Write beside and rename, the marker last, so that a half-written subset is never read; returns the number of files."""
    make_writable(folder.parent, "data")
    temporary = folder.with_name(f".{name}.unfinished")
    with FileLock(folder.with_name(f".{name}.lock")):
        marker = _marker(folder)
        if not again and _usable(name, marker):
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
            names = [path.relative_to(temporary).as_posix() for path in files]
            hashes = {file: _sha256(temporary / file) for file in names} if taken else {}
            marker = {
                "version": plugins.dataset(name).VERSION,
                "taken": digest(hashes) if taken else None,
                "files": len(files),
                "names": names,
            }
            (temporary / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(temporary, folder)
            return len(files)
        except OSError as error:
            if error.errno in FULL:
                raise no_room(folder.parent, f"the tiny subset of {name}", error.strerror, "data") from None
            at = f" at {error.filename}" if error.filename else ""
            raise UserError(
                f"cannot make the tiny subset of {name}{at}", error.strerror or str(error), "mend that, then the same command again"
            ) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
