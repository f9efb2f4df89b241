"""What the user already has, taken in by links: a file, a folder with the archives, an unpacked tree, or a copy in another packing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from repro.data.convert import Conversion, convert, convertible
from repro.data.fields import Record
from repro.data.holdings import State, ensure, state
from repro.data.layout import check_layout, check_members, faults, tops, tree_in, unpacked
from repro.data.manifest import File, Manifest
from repro.data.marker import forget_marker, lock_of_dataset, read_brought, write_brought
from repro.data.receipt import adopt_file, beside, check_file, place
from repro.data.wanted import wanted_files
from repro.errors import UserError, a_few, quoted
from repro.paths import Places, make_writable

Progress = Callable[[str, int, int | None], None]


class Adopted(Record):
    """What was linked (names below the dataset's folder), and how the dataset stands now."""

    linked: tuple[str, ...]
    state: State


def adopt(manifest: Manifest, path: Path, places: Places, on_progress: Progress | None = None) -> Adopted:
    """Verify what lies at `path`, link it below the writable data folder, and unpack, count and mark the dataset where nothing lacks.

    Nothing is copied and nothing at `path` is changed. `UserError`: nothing there is of this manifest, or its bytes or counts are wrong.
    """
    source = path.expanduser().absolute()
    if not source.exists():
        raise UserError(f"there is nothing at {source}", "no such file or folder", f"repro data add {manifest.name} PATH")
    root = places.data / manifest.name
    if source.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{source} is in the dataset's own folder", "there is nothing to link", f"repro data fetch {manifest.name}")
    make_writable(root, "data")
    with lock_of_dataset(root):
        tree = tree_in(manifest, source, unpacked(manifest)) if source.is_dir() else None
        linked = _adopt_tree(manifest, tree, source, root) if tree else _adopt_files(manifest, source, root)
    return Adopted(linked=tuple(linked), state=_complete(manifest, places, on_progress))


def adopt_conversion(
    manifest: Manifest, source: Path, places: Places, on_progress: Progress | None = None
) -> tuple[list[Conversion], State]:
    """Write the official layout from a copy in another packing; the archives that it stands for need not be fetched any more.

    No conversions where an earlier one, killed since, had come to its end.
    """
    copies = convertible(manifest)
    root = make_writable(places.data / manifest.name, "data")
    with lock_of_dataset(root):
        earlier = read_brought(root)
        packed = {file.name for file in wanted_files(manifest) if file.unpack != "none"}
        forget_marker(root)
        # Noted first: a kill between the conversion and its note would leave data that nobody knows the origin of.
        write_brought(root, source, earlier | ({copies[0].of} if copies and copies[0].of else packed))
        try:
            there = manifest.layout.required and not faults(check_layout(manifest, root))
            done = [] if there else convert(manifest, source.expanduser().absolute(), root)
        except BaseException:
            write_brought(root, source, earlier)
            raise
    return done, _complete(manifest, places, on_progress)


def _complete(manifest: Manifest, places: Places, on_progress: Progress | None) -> State:
    """Unpack, count and mark where every file is here, or the file itself of a checkpoint family; then how things stand."""
    root = places.data / manifest.name
    only = [file.name for file in manifest.files if check_file(file, root).ok] if manifest.kind == "checkpoint" else []
    now = state(manifest, places, only=only)
    if not now.missing and not now.complete:
        ensure(manifest, places, only=only, check="quick", on_progress=on_progress)
    return state(manifest, places)


def _adopt_files(manifest: Manifest, source: Path, root: Path) -> list[str]:
    """Link each file of the manifest that is found at `source`, once its size and hashes are right."""
    pairs = [(_file_for(manifest, source), source)] if source.is_file() else list(_files_in(manifest, source))
    if not pairs:
        expected = a_few(list(dict.fromkeys([*(file.name for file in manifest.files), *manifest.layout.required])))
        below = source / manifest.name
        cure = f"repro data add {manifest.name} {quoted(below)}" if below.is_dir() else f"repro data list {manifest.name}"
        raise UserError(f"nothing of {manifest.name} is in {source}", f"looked for {expected}", cure)
    for file, found in pairs:
        if not (check_file(file, root).ok and place(file, root).samefile(found)):
            forget_marker(root)
            adopt_file(file, found, root)
    return [file.name for file, _ in pairs]


def _file_for(manifest: Manifest, source: Path) -> File:
    """The file of the manifest that `source` is, by its name, else by its size."""
    by_name = [file for file in manifest.files if file.name.rpartition("/")[2] == source.name]
    by_size = [file for file in manifest.files if file.bytes == source.stat().st_size]
    found = by_name or by_size
    if len(found) != 1:
        known = ", ".join(file.name for file in manifest.files) or "none"
        raise UserError(
            f"{source} is no file of {manifest.name}", f"neither its name nor its size is that of one: {known}", "name it as one of these"
        )
    return found[0]


def _files_in(manifest: Manifest, folder: Path) -> Iterable[tuple[File, Path]]:
    for file in manifest.files:
        for candidate in (folder / file.name, folder / file.name.rpartition("/")[2]):
            if candidate.is_file():
                yield file, candidate
                break


def _adopt_tree(manifest: Manifest, tree: Path, source: Path, root: Path) -> list[str]:
    """Link the top entries of an unpacked tree, count what they hold, and note that its archives are not needed.

    A plain file is linked by itself, so that one that is still to be fetched is never written into the user's folder.
    """
    plain = {file.name: file for file in manifest.files if file.unpack == "none"}
    of_trees = {path.partition("/")[0] for path in manifest.layout.required if path not in plain}
    alone = {name: file for name, file in plain.items() if name.partition("/")[0] not in of_trees}
    heads = tops(manifest) - {name.partition("/")[0] for name in alone}
    names = sorted({path.name for head in heads for path in tree.glob(head)})
    here = [file for name, file in alone.items() if (tree / name).is_file()]
    absent = {name for name in alone if name in manifest.layout.required and not (tree / name).is_file()}
    forget_marker(root)
    made = []
    try:
        for name in names:
            if _link(tree / name, root / name, manifest.name):
                made.append(name)
        for file in here:
            adopt_file(file, tree / file.name, root)
        findings = faults([*check_layout(manifest, root), *check_members(manifest, root)])
        # A plain file that is still to be fetched is no fault of the tree.
        wrong = [finding for finding in findings if not (absent and finding.unit == "required paths")]
        if wrong:
            why = "; ".join(finding.sentence() for finding in wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
            raise UserError(f"{source} is not a whole {manifest.name}", why, "name a whole copy, or a folder with the archives")
    except BaseException:
        for name in made:
            (root / name).unlink()
        raise
    given = {file.name for file in manifest.files if not file.optional} - absent - {file.name for file in here}
    write_brought(root, tree, given)
    return [*names, *(file.name for file in here)]


def _link(source: Path, target: Path, dataset: str) -> bool:
    """A link to `source` under `target`'s name; True where it was made now. What is no link is never replaced."""
    if target.is_symlink() and target.resolve() == source.resolve():
        return False
    if os.path.lexists(target) and not target.is_symlink():
        raise UserError(
            f"{target} is in the way", "something of this dataset is here already", f"repro data remove {dataset}, then add again"
        )
    link = beside(target, ".link")
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    os.replace(link, target)
    return True
