"""What a dataset's folder says of itself: `dataset.complete.json`, written last of all, and `dataset.brought.json`, what the user gave.

Beside them lie the files of the manifest with a receipt each (see repro/receipt.py), and whatever they unpack to.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from repro.data.fields import Record
from repro.data.manifest import File, Manifest, digest
from repro.data.receipt import beside, check_file, lock_of, place, write_json
from repro.data.unpack import standing
from repro.errors import UserError

COMPLETE, BROUGHT = ".complete.json", ".brought.json"


class Marker(Record):
    """Proof that a dataset was whole: `manifest` is the digest it was checked against, `files` their bytes, `findings` each count."""

    name: str
    manifest: str
    date: str
    files: dict[str, int]
    findings: tuple[dict[str, Any], ...]


class Brought(Record):
    """Files that are not needed here, because what they unpack to was given by the user: `source` says where it lies."""

    source: str
    files: tuple[str, ...]


def lock_of_dataset(root: Path) -> FileLock:
    """The lock of whoever changes what lies below `root`."""
    return lock_of(root / "dataset")


def read_marker(root: Path) -> Marker | None:
    try:
        return Marker.model_validate_json(beside(root / "dataset", COMPLETE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_marker(manifest: Manifest, root: Path, files: dict[str, int], findings: Iterable[dict[str, Any]]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    marker = Marker(name=manifest.name, manifest=digest(manifest), date=now, files=files, findings=tuple(findings))
    write_json(beside(root / "dataset", COMPLETE), marker.model_dump())


def forget_marker(root: Path) -> None:
    """From here on the dataset counts as incomplete."""
    beside(root / "dataset", COMPLETE).unlink(missing_ok=True)


def read_brought(root: Path) -> frozenset[str]:
    """Names of the files whose content the user gave in another form."""
    try:
        return frozenset(Brought.model_validate_json(beside(root / "dataset", BROUGHT).read_bytes()).files)
    except (OSError, ValidationError):
        return frozenset()


def write_brought(root: Path, source: Path, files: Iterable[str]) -> None:
    write_json(beside(root / "dataset", BROUGHT), Brought(source=str(source), files=tuple(sorted(files))).model_dump())


def folder_of(file: File, root: Path) -> Path:
    """Where `file` is unpacked to."""
    return root / file.unpack_to if file.unpack_to else root


def is_unpacked(file: File, root: Path) -> bool:
    return file.unpack == "none" or standing(place(file, root), folder_of(file, root)) is not None


def stands(manifest: Manifest, root: Path, files: Iterable[File]) -> bool:
    """Whether the marker below `root` still holds for `files`: a look at sizes, receipts and required paths; writes nothing."""
    marker = read_marker(root)
    if marker is None or marker.manifest != digest(manifest):
        return False
    brought = read_brought(root)
    return all((root / path).exists() for path in manifest.layout.required) and all(
        file.name in brought or (file.name in marker.files and check_file(file, root).ok and is_unpacked(file, root)) for file in files
    )


def not_by_hand(manifest: Manifest, missing: Iterable[str]) -> None:
    """Refuse to fetch what its owner gives out only in person; the cure lists the steps."""
    missing = list(missing)
    if missing and manifest.access != "open":
        how = "its owner asks for a registration" if manifest.access == "registration" else "its owner does not let programs fetch it"
        steps = " ".join(f"{number}. {step}" for number, step in enumerate(manifest.steps, 1))
        raise UserError(
            f"{manifest.name} must be brought by hand: {', '.join(missing)}",
            f"{how} ({manifest.homepage or 'see its paper'})",
            steps if "repro data add" in steps else f"{steps} Then: repro data add {manifest.name} PATH",
        )
