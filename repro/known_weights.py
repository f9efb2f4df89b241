"""A weights file given by path that a manifest knows belongs to one backbone: under the name of another it is refused."""

from __future__ import annotations

from pathlib import Path

from repro import backbones
from repro.backbones import Entry
from repro.data import manifest
from repro.data.manifest import File
from repro.data.receipt import contradiction, hash_file
from repro.errors import UserError, quoted


def sha256_for(entry: Entry, path: Path) -> str:
    """sha256 of a weights file that may start `entry`.

    `UserError`: it cannot be read, or its hash is that of a file which another named backbone starts from, or of one beside it in its
    manifest: it would fit where only the images or the activation differ, and the numbers would be wrong.
    """
    try:
        size, digests = path.stat().st_size, hash_file(path, ("sha256", "md5"))
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"cannot read the weights file {path}", why, "name an existing file: --weights FILE") from None
    if known := _recognise(size, digests):
        _require_own(entry, path, known)
    return digests["sha256"]


def _recognise(size: int, digests: dict[str, str]) -> str | None:
    """The "manifest:file" whose hash, or the part of it that is known, is that of these bytes."""
    families = dict.fromkeys(entry.weights.partition(":")[0] for entry in backbones.named().values() if entry.weights)
    for name in families:
        for file in manifest.load(name).files:
            if _hashed(file) and contradiction(file, size, digests) is None:
                return f"{name}:{file.name}"
    return None


def _hashed(file: File) -> bool:
    return bool(file.sha256 or file.sha256_prefix or file.md5 or file.md5_prefix)


def _network(entry: Entry) -> tuple:
    """What makes a library's own spelling the same backbone as a named one."""
    return entry.library, entry.arch, entry.kwargs, entry.preprocess


def _require_own(entry: Entry, path: Path, known: str) -> None:
    owner = next((other for other in backbones.named().values() if other.weights == known), None)
    one = owner and (owner.name == entry.name or (entry.name not in backbones.named() and _network(owner) == _network(entry)))
    if owner and not one:
        raise UserError(
            f"{path} does not belong to {entry.name}",
            f"by its hash it is {known}, which {owner.name} starts from",
            f"--backbone {owner.name} --weights {quoted(path)}",
        )
    if owner is None and entry.weights:
        raise UserError(
            f"{path} does not belong to {entry.name}",
            f"by its hash it is {known}, and {entry.name} starts from {entry.weights}",
            "leave --weights out, or name the network as its library does (repro list backbones)",
        )
