"""Unpack what a manifest declares: each archive where it belongs, then the archives that came out of it, where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from repro.data.manifest import File, Manifest
from repro.data.marker import folder_of
from repro.data.members import Kind
from repro.data.receipt import beside, place
from repro.data.unpack import standing, unpack
from repro.errors import UserError

Progress = Callable[[str, int, int | None], None]


def unpack_declared(manifest: Manifest, files: Sequence[File], root: Path, on_progress: Progress | None = None) -> set[str]:
    """Unpack all `files` that are archives; the names of those that were not unpacked before. Raises `UserError` as `unpack` does."""
    fresh = set()
    for file in files:
        if file.unpack == "none":
            continue
        archive, into = place(file, root), folder_of(file, root)
        if not standing(archive, into):
            fresh.add(file.name)
        _unpack(archive, into, file.unpack, manifest.name, file.name, on_progress)
        for inner in nested_archives(file, root):
            _unpack(inner, inner.parent, kind_of(inner), manifest.name, inner.name, on_progress)
    return fresh


def nested_archives(file: File, root: Path) -> list[Path]:
    """The archives that came out of `file`, in order. `UserError` where a pattern finds none."""
    found = []
    for pattern in file.nested:
        # pathlib's patterns match hidden files too, which are the droppings of other systems
        matches = sorted(path for path in root.glob(pattern) if path.is_file() and not path.name.startswith("."))
        if not matches:
            cure = f"repro data fetch {root.name} --full"
            raise UserError(f"{file.name} did not hold what it should", f"nothing in it is named {pattern}", cure)
        found += [path for path in matches if path not in found]
    return found


def kind_of(archive: Path) -> Kind:
    """How an inner archive is packed, by its name."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        return "zip"
    if ".tar" in name or name.endswith((".tgz", ".tbz2", ".txz")):
        return "tar"
    return "gz"


def forget_unpacked(files: Sequence[File], root: Path) -> None:
    """Let the next `unpack_declared` write everything again, over what is there."""
    for file in files:
        inner = [path for pattern in file.nested for path in root.glob(pattern)]
        for archive in (place(file, root), *inner):
            beside(archive, ".unpacked.json").unlink(missing_ok=True)


def _unpack(archive: Path, into: Path, kind: Kind, dataset: str, name: str, on_progress: Progress | None) -> None:
    told = partial(_report, on_progress, f"unpack {name}") if on_progress else None
    done = unpack(archive, into, kind, dataset=dataset, on_progress=told)
    if on_progress:
        on_progress(f"unpack {name}", done.bytes, done.bytes)


def _report(on_progress: Progress, name: str, files: int, size: int) -> None:
    on_progress(name, size, None)
