"""Is what is here still what it was? Every file by size or by hash, every count again; nothing is written."""

from __future__ import annotations

from pathlib import Path

from repro.data.fields import Record
from repro.data.holdings import find, needed, root_of, state
from repro.data.layout import Finding, faults
from repro.data.manifest import File, Manifest
from repro.data.marker import folder_of, read_brought, read_marker
from repro.data.receipt import Check, check_file, place
from repro.data.unpack import check_unpacked
from repro.data.wanted import wanted_files
from repro.paths import Places


class Verification(Record):
    """What was looked at: files, then counts. `cure` is the command that mends what is wrong, "" where all is well."""

    name: str
    files: tuple[Check, ...]
    findings: tuple[Finding, ...]
    cure: str

    @property
    def ok(self) -> bool:
        return not self.cure


def verify(manifest: Manifest, places: Places, *, full: bool = False) -> Verification:
    """Look at the required files, and at those optional ones that are here: sizes and counts; with `full`, hashes too.

    What it requires is looked at by its marker. Of a checkpoint family, which may be held in part, only what is here. `UserError`: data that cannot be read.
    """
    root = root_of(manifest.name, places)
    if not root.is_dir():
        absent = state(manifest, places)
        return Verification(
            name=manifest.name, files=(Check(name=manifest.name, ok=False, detail=absent.detail),), findings=(), cure=absent.cure
        )
    brought, marker = read_brought(root), read_marker(root)
    here = [file for file in manifest.files if place(file, root).exists() or (marker and file.name in marker.files)]
    looked_at = here if manifest.kind == "checkpoint" and here else wanted_files(manifest, [file.name for file in here])
    checks = [_check(file, root, full) for file in looked_at if file.name not in brought]
    required = [state(other, places) for other in needed([manifest.name])[:-1]]
    checks += [Check(name=now.name, ok=now.complete, detail=now.detail) for now in required]
    findings = find(manifest, root)
    wrong = faults(findings) or not all(check.ok for check in checks)
    return Verification(
        name=manifest.name, files=tuple(checks), findings=tuple(findings), cure=_cure(manifest, places, full) if wrong else ""
    )


def _check(file: File, root: Path, full: bool) -> Check:
    check = check_file(file, root, full=full)
    if not check.ok or file.unpack == "none":
        return check
    unpacked = check_unpacked(place(file, root), folder_of(file, root))
    return check.model_copy(update={"ok": unpacked.ok, "detail": f"{check.detail}; {unpacked.detail}"})


def _cure(manifest: Manifest, places: Places, full: bool) -> str:
    root = root_of(manifest.name, places)
    if root != places.data / manifest.name:
        return f"tell the owner of {root}; or fetch a copy of your own: repro data fetch {manifest.name}"
    if read_brought(root) or manifest.access != "open":
        return f"repro data remove {manifest.name}, then repro data add {manifest.name} PATH with a whole copy"
    return f"repro data fetch {manifest.name}{' --full' if full else ''}"
