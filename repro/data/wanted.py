"""Which files of a manifest are asked for, and how large they are together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from repro.data.manifest import File, Manifest
from repro.errors import UserError


class Total(NamedTuple):
    """Bytes of several files: None where of none a size is known; `approximate` where some are rounded, `unsized` are left out."""

    bytes: int | None
    approximate: bool
    unsized: int


def wanted_files(manifest: Manifest, optional: Iterable[str] = (), only: Iterable[str] = ()) -> list[File]:
    """The files to have: all but the optional ones that are not named; of a checkpoint family, `only` those where some are named.

    `UserError`: a name that is no file of the manifest; part of a dataset, which could not be counted.
    """
    added, alone = set(optional), set(only)
    for name in sorted(added | alone):
        manifest.file(name)
    if alone and manifest.kind != "checkpoint":
        why = "its layout and counts are of the whole; only checkpoint families come in parts"
        raise UserError(f"{manifest.name} cannot be had in part", why, f"repro data fetch {manifest.name}")
    return [file for file in manifest.files if file.name in added | alone or not (alone or file.optional)]


def options_for(chosen: Sequence[Manifest], optional: Iterable[str], only: Iterable[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Which of the named files belong to which of the chosen manifests; `UserError` for a name that none of them has."""
    options: dict[str, dict[str, tuple[str, ...]]] = {manifest.name: {"optional": (), "only": ()} for manifest in chosen}
    for kind, names in (("optional", optional), ("only", only)):
        for name in names:
            owners = [manifest for manifest in chosen if any(file.name == name for file in manifest.files)]
            for owner in owners or [chosen[0]]:
                options[owner.name][kind] += (owner.file(name).name,)
    return options


def size_of(files: Iterable[File]) -> Total:
    """How large these files are together, as far as the manifest knows."""
    files = list(files)
    known = [size for file in files if (size := file.bytes or file.bytes_approx)]
    return Total(sum(known) if known or not files else None, any(file.bytes_approx for file in files), len(files) - len(known))
