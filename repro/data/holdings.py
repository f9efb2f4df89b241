"""What is held of each dataset and checkpoint family: where it lives, what is missing, and the one call that makes it whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from repro.data import manifest as manifests
from repro.data.fields import Record
from repro.data.manifest import File, Manifest, digest
from repro.data.marker import (
    folder_of,
    forget_marker,
    is_unpacked,
    lock_of_dataset,
    not_by_hand,
    read_brought,
    read_marker,
    stands,
    write_marker,
)
from repro.data.receipt import beside, check_file, place
from repro.data.unpack import check_unpacked
from repro.data.wanted import size_of, wanted_files
from repro.errors import UserError
from repro.paths import Places, make_writable, require_space

if TYPE_CHECKING:
    from repro.data.layout import Finding

Progress = Callable[[str, int, int | None], None]
Check = Literal["marker", "quick", "full"]


class State(Record):
    """What is here of one manifest. `bytes_to_fetch` is of `missing` alone, without what it requires; None: of none is a size known.

    `approximate`: some of the sizes are rounded; `unsized`: so many files have no known size and are left out. `by_hand`: what is missing cannot be fetched.
    `cure` is the command that makes it complete, "" where it is.
    """

    name: str
    root: Path | None
    complete: bool
    missing: tuple[str, ...] = ()
    bytes_to_fetch: int | None = 0
    approximate: bool = False
    unsized: int = 0
    by_hand: bool = False
    detail: str
    cure: str = ""


def root_of(name: str, places: Places) -> Path:
    """The folder of a dataset: the first of the data folders that has it whole, else has something of it, else where it will be."""
    folders = [root / name for root in places.data_roots]
    whole = (folder for folder in folders if read_marker(folder))
    some = (folder for folder in folders if folder.is_dir())
    return next(whole, None) or next(some, None) or folders[0]


def needed(names: Iterable[str]) -> list[Manifest]:
    """The manifests of those names and of all that they require, each once, what is required first."""
    found: dict[str, Manifest] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise UserError(f"{name} requires itself", " requires ".join((*above, name)), f"edit {name}.toml")
        if name not in found:
            loaded = manifests.load(name)
            for other in loaded.requires:
                visit(other, (*above, name))
            found[name] = loaded

    for name in names:
        visit(name, ())
    return list(found.values())


def state(manifest: Manifest, places: Places, *, optional: Iterable[str] = (), only: Iterable[str] = ()) -> State:
    """Look at what is here, by sizes and receipts; writes nothing and asks no host. `complete` includes what it requires."""
    root = root_of(manifest.name, places)
    wanted = wanted_files(manifest, optional, only)
    whole = stands(manifest, root, wanted)
    brought = read_brought(root)
    missing = [] if whole else [file for file in wanted if file.name not in brought and not check_file(file, root).ok]
    absent = [other.name for other in needed([manifest.name])[:-1] if not stands(other, root_of(other.name, places), wanted_files(other))]
    total, by_hand = size_of(missing), bool(missing) and manifest.access != "open"
    cure = "" if whole and not absent else f"repro data {'add' if by_hand else 'fetch'} {manifest.name}{' PATH' if by_hand else ''}"
    return State(
        name=manifest.name,
        root=root if root.is_dir() else None,
        complete=whole and not absent,
        missing=tuple(file.name for file in missing),
        bytes_to_fetch=None if total.bytes is None else _rest(missing, root),
        approximate=total.approximate,
        unsized=total.unsized,
        by_hand=by_hand,
        detail=_detail(manifest, root, wanted, [file.name for file in missing], absent, whole),
        cure=cure,
    )


def _detail(manifest: Manifest, root: Path, wanted: Sequence[File], missing: Sequence[str], absent: Sequence[str], whole: bool) -> str:
    """One sentence for people."""
    marker = read_marker(root)
    if whole:
        counted = sum(finding["found"] is not None for finding in marker.findings)
        told = f"complete: {len(marker.files)} files, {f'{counted} counts' if counted else 'sizes'} agreed on {marker.date[:10]}"
        return f"{told}, but it requires {', '.join(absent)}" if absent else told
    if missing:
        here = f"{len(missing)} of {len(wanted)} files are missing" if len(missing) < len(wanted) else "is not here"
        return f"{here}; it must be brought by hand" if manifest.access != "open" else here
    if marker and marker.manifest != digest(manifest):
        return "was checked against other facts than its manifest has now"
    return "is not here" if not root.is_dir() else "its files are here, but not all unpacked and counted"


def _rest(missing: Sequence[File], root: Path) -> int:
    """Bytes still to come, without those that an interrupted fetch left."""
    arrived = [beside(place(file, root), ".part") for file in missing]
    sizes = [part.stat().st_size if part.exists() else 0 for part in arrived]
    return sum(max(0, (file.bytes or file.bytes_approx or 0) - size) for file, size in zip(missing, sizes, strict=True))


def disk_needed(manifest: Manifest, places: Places, *, optional: Iterable[str] = (), only: Iterable[str] = ()) -> int:
    """Bytes that `ensure` will write, about: what is to come, and as much again for what is to be unpacked."""
    root = root_of(manifest.name, places)
    wanted, brought = wanted_files(manifest, optional, only), read_brought(root)
    by_hand = manifest.access != "open"  # and linked from where it lies
    return 0 if by_hand or stands(manifest, root, wanted) else _disk_needed([file for file in wanted if file.name not in brought], root)


def _disk_needed(files: Sequence[File], root: Path) -> int:
    missing = [file for file in files if not check_file(file, root).ok]
    packed = [file for file in files if not is_unpacked(file, root)]
    return _rest(missing, root) + sum(file.bytes or file.bytes_approx or 0 for file in packed)


def ensure(
    manifest: Manifest,
    places: Places,
    *,
    mirror: str | None = None,
    optional: Iterable[str] = (),
    only: Iterable[str] = (),
    check: Check = "marker",
    on_progress: Progress | None = None,
) -> Path:
    """Make a dataset whole, with what it requires, and return its folder: fetched, unpacked, counted, its marker written last.

    A second call does nothing; a call after a kill does the rest. `optional` files come only when named;
    `only` takes single files of a checkpoint family. `check`: believe the marker,
    count again ("quick"), or hash again too ("full"); what is found damaged is then fetched or unpacked anew. `on_progress(file,
    bytes_done, bytes_total_or_None)` is called from several threads. Raises `UserError`: by hand only, no host, no room, wrong counts.
    """
    for required in manifest.requires:
        ensure(manifests.load(required), places, check=check, on_progress=on_progress)
    wanted = wanted_files(manifest, optional, only)
    found, root = root_of(manifest.name, places), places.data / manifest.name
    if stands(manifest, found, wanted) and (check == "marker" or _is_sound(manifest, found, wanted, check)):
        return found
    brought = read_brought(root)
    missing = [file.name for file in wanted if file.name not in brought and not check_file(file, root).ok]
    if mirror is None:
        not_by_hand(manifest, missing)
    make_writable(root, "data")
    with lock_of_dataset(root):
        if check == "marker" and stands(manifest, root, wanted):  # another process was faster
            return root
        _make_whole(manifest, root, [file for file in wanted if file.name not in brought], mirror, check, on_progress)
    return root


def _is_sound(manifest: Manifest, root: Path, wanted: Sequence[File], check: Check) -> bool:
    """Whether what the marker tells of is still so; writes nothing, so that a shared folder can be asked."""
    from repro.data.layout import faults

    brought = read_brought(root)
    files = [file for file in wanted if file.name not in brought]
    packed = [file for file in files if file.unpack != "none"]
    return (
        (check != "full" or all(check_file(file, root, full=True).ok for file in files))
        and all(check_unpacked(place(file, root), folder_of(file, root)).ok for file in packed)
        and not faults(find(manifest, root))
    )


def _make_whole(
    manifest: Manifest, root: Path, files: Sequence[File], mirror: str | None, check: Check, on_progress: Progress | None
) -> None:
    # Heavy imports are made where bytes move, so that listings start fast.
    from repro.data.archives import forget_unpacked, unpack_declared
    from repro.data.fetch import fetch_files
    from repro.data.layout import faults

    if check == "full":
        for file in files:
            if place(file, root).exists() and not check_file(file, root, full=True).ok:
                place(file, root).unlink()  # its receipt stays: the same bytes must come again
    packed = [file for file in files if file.unpack != "none"]
    if check != "marker":
        forget_unpacked([file for file in packed if not check_unpacked(place(file, root), folder_of(file, root)).ok], root)
    if not stands(manifest, root, files):
        forget_marker(root)
    require_space(root, _disk_needed(files, root), manifest.name)
    fetch_files(files, root, dataset=manifest.name, mirror=mirror, on_progress=on_progress)
    fresh = unpack_declared(manifest, files, root, on_progress)
    findings = find(manifest, root)
    stale = [file for file in packed if file.name not in fresh]
    if faults(findings) and stale:  # something was taken away or changed since it was unpacked
        forget_marker(root)
        forget_unpacked(stale, root)
        unpack_declared(manifest, files, root, on_progress)
        findings = find(manifest, root)
    if wrong := faults(findings):
        forget_marker(root)
        raise _not_as_told(manifest, root, [finding.sentence() for finding in wrong])
    # Optional files that came earlier stay in the marker.
    held = [file for file in manifest.files if check_file(file, root).ok and is_unpacked(file, root)]
    write_marker(
        manifest, root, {file.name: place(file, root).stat().st_size for file in held}, [finding.model_dump() for finding in findings]
    )


def find(manifest: Manifest, root: Path) -> list[Finding]:
    """Every count, required path and member hash of what lies below `root`."""
    from repro.data.layout import check_layout, check_members

    return check_layout(manifest, root) + check_members(manifest, root)


def _not_as_told(manifest: Manifest, root: Path, sentences: Sequence[str]) -> UserError:
    if manifest.access != "open":
        steps = " ".join(f"{number}. {step}" for number, step in enumerate(manifest.steps, 1))
        return UserError(f"{manifest.name} is not whole in {root}", "; ".join(sentences), steps)
    if read_brought(root):
        cure = f"repro data remove {manifest.name}, then repro data add {manifest.name} PATH with a whole copy, or fetch it"
        return UserError(f"{manifest.name} is not whole: what was brought lacks something", "; ".join(sentences), cure)
    cure = f"repro data fetch {manifest.name} --full reads every byte again; or name another host with --mirror"
    return UserError(f"{manifest.name} is here, but not what its manifest says", "; ".join(sentences), cure)


__all__ = ["Progress", "State", "disk_needed", "ensure", "find", "needed", "root_of", "state"]
