"""What a run needs on disk before it starts: datasets and weights by manifest; what is missing, how large, and how to get it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from repro import plugins
from repro.data import holdings, manifest
from repro.data.amounts import size
from repro.data.holdings import Progress
from repro.data.receipt import check_file, place, read_receipt
from repro.errors import UserError
from repro.paths import PLACES, Places
from repro.preflight.doctor import Diagnosis
from repro.record import Record
from repro.types import Run


class Need(Record):
    """One dataset, or one `file` of a checkpoint family, and whether it is here.

    `bytes` are still to be fetched (None: unknown), `unsized` files of unknown size not among them; `disk` are written on the way, unpacking included; `steps`: what the user does
    where it may not be fetched.
    """

    name: str
    file: str | None = None
    root: Path
    here: bool
    bytes: int | None = 0
    approximate: bool = False
    unsized: int = 0
    disk: int = 0
    steps: tuple[str, ...] = ()
    detail: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} {self.file}" if self.file else self.name

    @property
    def amount(self) -> str:
        """Of what is to be fetched."""
        return "size unknown" if self.bytes is None else size(self.bytes, self.approximate, self.unsized)


class Weights(NamedTuple):
    """A weights file where it lies or will lie, and its sha256 where that can be told without reading it."""

    path: Path
    sha256: str | None


def assess(names: Sequence[str], weights: str | None, places: Places) -> tuple[Need, ...]:
    """Look at every dataset in `names`, what their manifests require in turn, and the `weights` ("manifest:file").

    Raises `UserError` for a name without a manifest.
    """
    needs = [look(record, places) for record in holdings.needed(names)]
    if weights:
        name, file = _split(weights)
        needs.append(look(manifest.load(name), places, file))
    return tuple(needs)


def look(record: manifest.Manifest, places: Places, file: str | None = None) -> Need:
    """The need for all of a manifest that is not optional, or for one `file` of a checkpoint family."""
    only = (file,) if file else ()
    state = holdings.state(record, places, only=only)
    return Need(
        name=record.name,
        file=file,
        root=state.root or places.data / record.name,
        here=state.complete,
        bytes=state.bytes_to_fetch,
        approximate=state.approximate,
        unsized=state.unsized,
        disk=0 if state.complete or state.by_hand else holdings.disk_needed(record, places, only=only),
        steps=record.steps if state.by_hand else (),
        detail=state.detail,
    )


def _split(weights: str) -> tuple[str, str]:
    """Manifest and file of "manifest:file"."""
    name, _, file = weights.partition(":")
    return name, file


def weights_of(weights: str, places: Places) -> Weights:
    """Where the weights "manifest:file" lie, and their hash: by the receipt of what is here, else by the manifest where that is binding."""
    name, wanted = _split(weights)
    file, root = manifest.load(name).file(wanted), holdings.root_of(name, places)
    path = place(file, root)
    receipt = read_receipt(path) if check_file(file, root).ok else None
    told = file.sha256 if any(mirror.identical for mirror in file.mirrors) else None
    return Weights(path, receipt.sha256 if receipt else told)


def missing(needs: Sequence[Need]) -> tuple[Need, ...]:
    return tuple(need for need in needs if not need.here)


def of_file(needs: Sequence[Need]) -> tuple[Need, ...]:
    """Those that are a single weights file."""
    return tuple(need for need in needs if need.file)


def listed(needs: Sequence[Need]) -> str:
    """`cifar10 (170 MB), clip RN50.pt (256 MB)`."""
    return ", ".join(f"{need.title} ({'by hand' if need.steps else need.amount})" for need in needs)


def total(needs: Sequence[Need]) -> str:
    """Bytes to fetch in all, as far as they are known."""
    unsized = sum(need.unsized for need in needs)
    known = sum(need.bytes or 0 for need in needs)
    return size(known, any(need.approximate for need in needs), unsized) if known or not unsized else "an unknown number of bytes"


def command(places: Places, rest: str) -> str:
    """`rest` as a whole command: with the options by which this call named its places."""
    named = {name: str(getattr(places, name)) for name in PLACES} | {"data": os.pathsep.join(map(str, places.data_roots))}
    options = [f"--{name} {shlex.quote(folder)}" for name, folder in named.items() if places.sources.get(name) == f"--{name}"]
    return " ".join(["repro", *options, rest])


def cure(need: Need, places: Places) -> str:
    """The command, or the steps by hand, that bring one need here."""
    if need.steps:
        return " ".join(f"{number}. {step}" for number, step in enumerate(need.steps, 1))
    return command(places, f"data fetch {need.name}{f' --only {shlex.quote(need.file)}' if need.file else ''}")


def require(needs: Sequence[Need], places: Places, fetching: bool = False) -> None:
    """Raise the `UserError` with the exact commands where something is missing; with `fetching`, where it cannot be fetched."""
    absent = [need for need in missing(needs) if need.steps or not fetching]
    if not absent:
        return
    by_hand = [need for need in absent if need.steps]
    fetched = [need for need in absent if not need.steps]
    why = f"looked in {places.data}"
    if fetched:
        why += f"; {total(fetched)} to fetch"
    if by_hand:
        why += f"; nobody but you may fetch {', '.join(need.title for need in by_hand)}"
    commands = []
    if datasets := [need.name for need in fetched if not need.file]:
        commands.append(command(places, f"data fetch {' '.join(datasets)}"))
    commands += [cure(need, places) for need in fetched if need.file]
    cures = [*(cure(need, places) for need in by_hand), *([" && ".join(commands)] if commands else [])]
    hint = " (or the same command with --fetch)" if fetched and not fetching else ""
    raise UserError(f"not here: {listed(absent)}", why, "; then: ".join(cures) + hint)


def require_optional(runs: Sequence[Run]) -> None:
    """The optional files of data sets whose images runs train on must be here, unpacked: told before the first of these runs, or `UserError`."""
    for run in runs:
        splits = plugins.declared(run.method).trained_on(run.benchmark, run.recipe) if run.benchmark.needs else ()
        for name, split in ((name, split) for name in run.benchmark.needs for split in splits if split.optional):
            folder = Path(run.benchmark.roots[name]) / (manifest.load(name).file(split.optional).unpack_to or "")
            if not folder.is_dir():
                raise UserError(
                    f"{run.method} trains on {split.name} of {run.benchmark.name}, which is not here",
                    f"looked for {folder}; its file is optional",
                    f"repro data fetch {name} --with {split.optional}",
                )


def fetch(needs: Sequence[Need], places: Places, on_progress: Progress | None = None) -> None:
    """Bring what is missing, one need after another; what is done stays done. Raises `UserError`."""
    for need in missing(needs):
        holdings.ensure(manifest.load(need.name), places, only=(need.file,) if need.file else (), on_progress=on_progress)


# what `repro doctor` says of it


def diagnose(needs: Sequence[Need], places: Places) -> list[Diagnosis]:
    """One line per dataset or weights that a benchmark needs: here and whole, or how to get it."""
    return [
        Diagnosis(subject=need.title, state="ok", detail=need.detail)
        if need.here
        else Diagnosis(
            subject=need.title,
            state="fail",
            detail=need.detail if need.steps else f"{need.detail}; to fetch: {need.amount}",
            cure=cure(need, places),
        )
        for need in needs
    ]


def overview(records: Sequence[manifest.Manifest], places: Places) -> list[Diagnosis]:
    """One line per manifest: here, not here (which is no fault while nothing asks for it), or begun and not whole."""
    diagnoses = []
    for record in records:
        need = look(record, places)
        begun = need.root.is_dir() and any(need.root.iterdir())
        wanted = f"to fetch: {need.amount}" if record.files else f"its files are those of {', '.join(record.requires)}"
        detail = need.detail if need.here or need.steps else f"{need.detail}, {wanted}"
        state, mend = ("warn", cure(need, places)) if begun and not need.here else ("ok", "")
        diagnoses.append(Diagnosis(subject=record.name, state=state, detail=detail, cure=mend))
    return diagnoses
