"""Datasets carried to a machine without network: one tar of the fetched files, each checked by hash where it arrives.

A bundle holds `bundle.json` (which datasets, which files, their sizes and sha256) and `<dataset>/<file>`, nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from repro.data import manifest as manifests
from repro.data.fields import Record, SafePath
from repro.data.holdings import ensure, needed, root_of, state
from repro.data.manifest import File, Manifest
from repro.data.marker import lock_of_dataset, read_brought
from repro.data.members import BROKEN, Member, Refused, members_of
from repro.data.receipt import (
    BUFFER,
    Receipt,
    algorithms_for,
    beside,
    check_file,
    contradiction,
    hash_file,
    lock_of,
    place,
    read_receipt,
    write_json,
)
from repro.data.writer import Writer, safe_name
from repro.errors import UserError
from repro.paths import Places, make_writable, require_space

Progress = Callable[[str, int, int | None], None]
LISTING = "bundle.json"
LARGEST_LISTING = 1 << 20  # bytes


class Listing(Record):
    """What a bundle holds: receipts by dataset and file."""

    format: int = 1
    datasets: dict[str, dict[SafePath, Receipt]]


def export(names: Sequence[str], places: Places, target: Path, on_progress: Progress | None = None) -> Listing:
    """Write the files that are here of these datasets, and of those they require, to the tar `target`.

    `UserError`: something required is missing or was brought unpacked, no room, `target` exists.
    """
    target = target.expanduser().absolute()
    if target.exists():
        raise UserError(f"{target} is there already", "a bundle does not replace a file", f"remove {target}, or name another")
    holdings: dict[str, list[tuple[File, Path]]] = {}
    for manifest in needed(names):
        holdings[manifest.name] = _exportable(manifest, places)
    listing = Listing(datasets={name: {file.name: read_receipt(path) for file, path in files} for name, files in holdings.items()})
    require_space(target.parent, sum(path.stat().st_size for files in holdings.values() for _, path in files), target.name)
    partial = beside(target, ".part")
    try:
        with tarfile.open(partial, "w", copybufsize=BUFFER) as tar:
            text = json.dumps(listing.model_dump(), indent=1).encode()
            _add(tar, LISTING, len(text), io.BytesIO(text))
            for name, files in holdings.items():
                for file, path in files:
                    size = path.stat().st_size
                    with path.open("rb") as content:
                        _add(tar, f"{name}/{file.name}", size, _Watched(content, file.name, size, on_progress))
        os.replace(partial, target)
    except OSError as error:
        cure = "free some space, or name a file elsewhere with --to"
        raise UserError(f"cannot write {target}", error.strerror or str(error), cure) from None
    finally:
        partial.unlink(missing_ok=True)
    return listing


def _exportable(manifest: Manifest, places: Places) -> list[tuple[File, Path]]:
    now, root = state(manifest, places), root_of(manifest.name, places)
    here = [file for file in manifest.files if check_file(file, root).ok]
    if now.missing and not (manifest.kind == "checkpoint" and here):
        raise UserError(f"{manifest.name} cannot be exported", f"{now.detail}: {', '.join(now.missing)}", now.cure)
    if brought := read_brought(root):
        why = f"it was brought unpacked: there is no verified file for {', '.join(sorted(brought))}"
        raise UserError(
            f"{manifest.name} cannot be exported", why, f"copy its folder by other means, then there: repro data add {manifest.name} PATH"
        )
    return [(file, place(file, root)) for file in here]


def _add(tar: tarfile.TarFile, name: str, size: int, content: BinaryIO | _Watched) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, content)


class _Watched:
    """A file whose reading is reported."""

    def __init__(self, content: BinaryIO, name: str, size: int, on_progress: Progress | None):
        self._content, self._name, self._size, self._on_progress, self._done = content, name, size, on_progress, 0

    def read(self, most: int) -> bytes:
        chunk = self._content.read(most)
        self._done += len(chunk)
        if self._on_progress:
            self._on_progress(self._name, self._done, self._size)
        return chunk


def import_(source: Path, places: Places, on_progress: Progress | None = None) -> list[str]:
    """Take in a bundle: every member must be a file that a manifest names, and have its hash; then unpack, count and mark.

    The names of the datasets. Nothing is written outside the data folder, and nothing under its final name before it is verified.
    """
    source = source.expanduser().absolute()
    if not source.is_file():
        raise UserError(f"there is no bundle {source}", "it is not a file", "repro data export NAME --to FILE.tar makes one")
    make_writable(places.data, "data")
    require_space(places.data, source.stat().st_size, source.name)
    stage = places.data / ".importing"
    with lock_of(stage):
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        try:
            listing = _read_bundle(source, stage, on_progress)
            for name, receipts in listing.datasets.items():
                _take(manifests.load(name), receipts, stage / name, places, source)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    for name in listing.datasets:
        manifest = manifests.load(name)
        only = list(listing.datasets[name]) if manifest.kind == "checkpoint" else []
        ensure(manifest, places, only=only, optional=() if only else list(listing.datasets[name]), check="quick", on_progress=on_progress)
    return list(listing.datasets)


def _read_bundle(source: Path, stage: Path, on_progress: Progress | None) -> Listing:
    """All members in `stage`, none of which is anything but a file that the listing and a manifest name."""
    refused = "nothing of it was taken in; make it again with repro data export"
    try:
        with contextlib.closing(members_of(source, "tar")) as members:
            first = next(members, None)
            if first is None or first.name != LISTING or first.kind != "file" or first.size > LARGEST_LISTING:
                raise Refused(f"it does not begin with {LISTING}: it is no bundle")
            listing = Listing.model_validate_json(first.data.read(first.size))
            for name, receipts in listing.datasets.items():
                for file in receipts:
                    manifests.load(name).file(file)
            Writer(stage, source.stat().st_size, 100_000).write_all(_listed(members, listing, on_progress))
    except Refused as error:
        raise UserError(f"{source} is refused", str(error), refused) from None
    except (*BROKEN, ValidationError, OSError) as error:
        why = getattr(error, "strerror", None) or f"it is damaged or cut short ({type(error).__name__})"
        raise UserError(f"{source} could not be read", why, refused) from None
    return listing


def _listed(members: Iterator[Member], listing: Listing, on_progress: Progress | None) -> Iterator[Member]:
    for member in members:
        dataset, _, file = safe_name(member.name).partition("/")
        if member.kind != "file" or file not in listing.datasets.get(dataset, {}):
            raise Refused(f"{member.name!r} is no file of a manifest")
        if on_progress:
            on_progress(file, 0, member.size)
        yield member
        if on_progress:
            on_progress(file, member.size, member.size)


def _take(manifest: Manifest, receipts: dict[str, Receipt], staged: Path, places: Places, source: Path) -> None:
    root = make_writable(places.data / manifest.name, "data")
    with lock_of_dataset(root):
        for name, receipt in receipts.items():
            file, path = manifest.file(name), staged / name
            if check_file(file, root).ok:
                continue
            if not path.is_file():
                raise UserError(f"{source} is not whole", f"{name} of {manifest.name} is missing in it", "export it again")
            # Other bytes of the same content are only what a host gave that the manifest knows for it.
            other = not receipt.identical and any(mirror.url == receipt.url and not mirror.identical for mirror in file.mirrors)
            facts = File(name=file.name) if other else file
            digests = hash_file(path, algorithms_for(facts))
            if wrong := contradiction(facts, path.stat().st_size, digests, receipt):
                raise UserError(f"{name} in {source} is damaged", f"it has {wrong}", "export it again, or copy the bundle again")
            target = place(file, root)
            target.parent.mkdir(parents=True, exist_ok=True)
            with lock_of(target):
                os.replace(path, target)
                write_json(beside(target, ".complete.json"), receipt.model_dump() | {"identical": not other})
