"""Datasets and checkpoints as text and as plain data: the list, one in detail, what a fetch will cost, what a check saw."""

from __future__ import annotations

from typing import Any

from repro.data.amounts import size
from repro.data.holdings import State
from repro.data.manifest import Manifest
from repro.data.wanted import size_of, wanted_files

WIDTH = 80
ACCESS = {"open": "open", "manual": "by hand", "registration": "register"}


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def here(now: State, manifest: Manifest) -> str:
    """`yes`, `part` or `no`."""
    if now.complete:
        return "yes"
    return "part" if now.root and len(now.missing) < max(1, len(wanted_files(manifest))) else "no"


def listing(held: list[tuple[Manifest, State]]) -> list[str]:
    """Two lines for each: name, size, access, here, licence; then what it is. No line is wider than 80 columns."""
    lines = []
    for kind, title in (("dataset", "datasets"), ("checkpoint", "checkpoints")):
        lines += (
            ["", f"{title:<22} {'size':>9}  {'access':<8}  {'here':<4}  licence"]
            if lines
            else [f"{title:<22} {'size':>9}  {'access':<8}  {'here':<4}  licence"]
        )
        for manifest, now in held:
            if manifest.kind == kind:
                told = size(*size_of(wanted_files(manifest))) if manifest.files else "–"
                line = f"{manifest.name:<22} {told:>9}  {ACCESS[manifest.access]:<8}  {here(now, manifest):<4}  {manifest.licence or 'unknown'}"
                lines += [_cut(line, WIDTH), _cut(f"  {manifest.caption}", WIDTH)]
    return lines


def as_json(manifest: Manifest, now: State) -> dict[str, Any]:
    total = size_of(wanted_files(manifest))
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "title": manifest.title,
        "caption": manifest.caption,
        **total._asdict(),
        "licence": manifest.licence,
        "access": manifest.access,
        "here": here(now, manifest),
        **now.model_dump(mode="json", exclude={"name", "approximate", "unsized"}),
    }


def detail(manifest: Manifest, now: State) -> list[str]:
    """Everything a user may ask about one of them."""
    lines = [f"{manifest.name}: {manifest.title}", manifest.caption]
    facts = {
        "licence": manifest.licence or "unknown",
        "homepage": manifest.homepage or "",
        "cite": manifest.citation,
        "used by": ", ".join(manifest.used_by),
        "requires": ", ".join(manifest.requires),
        "here": now.detail,
        "folder": str(now.root or ""),
    }
    lines += [f"  {label:<9} {text}" for label, text in facts.items() if text]
    lines += [f"  {'step ' + str(number):<9} {step}" for number, step in enumerate(manifest.steps, 1)]
    for file in manifest.files:
        optional = "  (optional: --with)" if file.optional else ""
        lines.append(f"  file      {file.name}  {size(*size_of([file]))}{optional}")
    lines += [f"  note      {' '.join(note.text.split())}" for note in manifest.notes]
    return lines


def cost(manifest: Manifest, now: State, disk: int) -> list[str]:
    """What a fetch of it will bring and need; one line where nothing is to be done."""
    if now.complete:
        return [f"{manifest.name}: {now.detail}"]
    lines = [f"{manifest.name}: {manifest.title}", f"  licence   {manifest.licence or 'unknown'}"]
    if not now.missing:
        return [*lines, f"  to do     {now.detail}"]
    files = "1 file" if len(now.missing) == 1 else f"{len(now.missing)} files"
    lines.append(f"  {'by hand' if now.by_hand else 'to fetch':<9} {files}, {size(now.bytes_to_fetch, now.approximate, now.unsized)}")
    if now.by_hand:
        return lines + [f"  {'step ' + str(number):<9} {step}" for number, step in enumerate(manifest.steps, 1)]
    return [*lines, f"  disk      {room(disk, now.unsized)} with what is unpacked"]


def room(disk: int, unsized: int) -> str:
    """Bytes that will be written, as far as they are known."""
    return "unknown" if unsized and not disk else f"{'more than' if unsized else 'about'} {size(disk)}"
