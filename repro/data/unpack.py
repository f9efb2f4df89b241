"""Archives made into folders: refused where they could do harm, counted, published by rename, the marker last.

Beside the archive lies `<archive>.unpacked.json` once all of it is in its folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from repro.data.manifest import Record
from repro.data.members import BROKEN, Kind, Refused, members_of
from repro.data.receipt import Check, beside, lock_of, sync_folder, write_json
from repro.data.writer import TooLarge, Writer
from repro.errors import UserError
from repro.paths import FULL, SPARE, require_space

RATIO = 100  # unpacked bytes per byte of archive; photographs give 1, text 10, and bombs over 1,000
FLOOR = 1 << 30  # bytes that any archive may unpack to, however small it is
MOST_MEMBERS = 5_000_000  # ImageNet-C, the largest, has 3,750,000 images
MOST_ENTRIES = 1000  # top-level names that a marker lists; where there are more, all of the folder is the archive's


class Unpacked(Record):
    """What an archive held: `files` (links count, folders do not), their `bytes`, and its top-level names, none where they are too many."""

    archive: str
    archive_bytes: int
    files: int
    bytes: int
    entries: tuple[str, ...]


def unpack(
    archive: Path,
    into: Path,
    kind: Kind,
    *,
    dataset: str = "",
    most_bytes: int | None = None,
    most_members: int = MOST_MEMBERS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Unpacked:
    """Put everything that `archive` holds into the folder `into`, which other archives may share, or find it there already.

    All is written to a hidden folder inside `into`, counted, and moved by renaming its top-level entries; a kill at any instant is made
    good by the same call. At most `most_bytes` (default: `RATIO` times the archive, and never more than the disk has) and `most_members`
    are written. `on_progress(files, bytes)` is called now and then. Raises `UserError` for a broken, harmful or too large archive;
    nothing of it stays then.
    """
    if done := standing(archive, into):
        return done
    into.mkdir(parents=True, exist_ok=True)
    with lock_of(beside(archive, ".unpacked")):
        stage = into / f".{archive.name}.unpacking"
        ready = _read(archive, ".unpacking.json")
        if done := standing(archive, into):
            return done
        written = ready is not None and ready.archive_bytes == archive.stat().st_size
        moved = written and not stage.exists() and bool(ready.entries) and _all_there(ready, into)
        if not moved and not (written and stage.is_dir()):
            _discard(stage)
            ready = _write_stage(archive, stage, kind, most_bytes, most_members, on_progress, dataset or archive.parent.name)
            write_json(beside(archive, ".unpacking.json"), ready.model_dump())
        try:
            if not moved:
                _move_all(stage, into)
        except Refused as error:
            raise UserError(f"{archive.name} is unpacked to {stage}", f"but {error}", "move that away and give the same command") from None
        sync_folder(into)
        os.replace(beside(archive, ".unpacking.json"), beside(archive, ".unpacked.json"))
    return ready


def standing(archive: Path, into: Path) -> Unpacked | None:
    """What `archive` was unpacked to, by its marker, or None where it was not, was replaced since, or was cleared away. Writes nothing."""
    done = _read(archive, ".unpacked.json")
    if done is None or (archive.exists() and archive.stat().st_size != done.archive_bytes):
        return None
    return done if _all_there(done, into) else None


def _all_there(done: Unpacked, into: Path) -> bool:
    return into.is_dir() and all(os.path.lexists(into / name) for name in done.entries)


def check_unpacked(archive: Path, into: Path) -> Check:
    """Count what the archive left in `into`: at least the files and bytes that its marker tells of (archives may share a folder)."""
    done = standing(archive, into)
    if done is None:
        return Check(name=archive.name, ok=False, detail=f"is not, or not wholly, unpacked in {into}")
    files, size = count((into / name for name in done.entries) if done.entries else into.iterdir())
    ok = files >= done.files and size >= done.bytes
    return Check(name=archive.name, ok=ok, detail=f"{files:,} files with {size:,} bytes, unpacked were {done.files:,} with {done.bytes:,}")


def count(paths: Iterable[Path]) -> tuple[int, int]:
    """Files (links included) at and below `paths`, and their bytes, of links 0."""
    files = total = 0
    waiting = []
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            waiting.append(os.fspath(path))
        elif os.path.lexists(path):
            files, total = files + 1, total + (0 if path.is_symlink() else path.stat().st_size)
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    files += 1
                    total += 0 if entry.is_symlink() else entry.stat(follow_symlinks=False).st_size
    return files, total


def _read(archive: Path, suffix: str) -> Unpacked | None:
    try:
        return Unpacked.model_validate_json(beside(archive, suffix).read_bytes())
    except (OSError, ValidationError):
        return None


def _write_stage(
    archive: Path,
    stage: Path,
    kind: Kind,
    most_bytes: int | None,
    most_members: int,
    on_progress: Callable[[int, int], None] | None,
    dataset: str,
) -> Unpacked:
    """Everything of the archive in `stage`, counted; or nothing, and a `UserError`."""
    size = archive.stat().st_size
    require_space(stage.parent, size, f"what {archive.name} holds")
    limit = most_bytes if most_bytes is not None else max(FLOOR, RATIO * size)
    free = shutil.disk_usage(stage.parent).free - SPARE
    try:
        stage.mkdir()
        writer = Writer(stage, min(limit, free), most_members, on_progress)
        with contextlib.closing(members_of(archive, kind)) as members:
            writer.write_all(members)
        found = count(stage.iterdir())
        if found != (writer.files, writer.bytes):
            raise Refused(f"{writer.files:,} files with {writer.bytes:,} bytes were written, {found[0]:,} with {found[1]:,} are there")
        entries = sorted(os.listdir(stage))
        listed = tuple(entries) if len(entries) <= MOST_ENTRIES else ()
        return Unpacked(archive=archive.name, archive_bytes=size, files=writer.files, bytes=writer.bytes, entries=listed)
    except BaseException as error:
        _discard(stage)
        if why := _reason(error):
            raise UserError(f"{archive.name} is not unpacked, and nothing of it is kept", why, _cure(error, dataset)) from None
        raise


def _move_all(stage: Path, into: Path) -> None:
    """Rename what is in `stage` into `into`, folder into folder where both exist; again after a kill, the rest."""
    for entry in sorted(os.listdir(stage)):
        source, target = stage / entry, into / entry
        source_is_folder = source.is_dir() and not source.is_symlink()
        if os.path.lexists(target) and source_is_folder != (target.is_dir() and not target.is_symlink()):
            raise Refused(f"{target} is in the way")
        if source_is_folder and target.is_dir():
            _move_all(source, target)
        else:
            os.replace(source, target)
    stage.rmdir()


def _discard(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _reason(error: BaseException) -> str | None:
    """The sentence for an error that the archive or the disk is to blame for; None for any other."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, BROKEN) or (isinstance(error, OSError) and error.errno is None):
        return f"it is damaged or cut short ({error or type(error).__name__})"
    if isinstance(error, OSError):
        return error.strerror
    return None


def _cure(error: BaseException, dataset: str) -> str:
    full = isinstance(error, OSError) and error.errno in FULL
    if full or isinstance(error, TooLarge):
        return f"free some space and give the same command; or unpack it by hand, then: repro data add {dataset} PATH"
    return f"repro data remove {dataset}, then repro data fetch {dataset}; or unpack it by hand, then: repro data add {dataset} PATH"
