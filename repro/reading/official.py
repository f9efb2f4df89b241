"""Where a benchmark's published data sets lie, and what names their content in keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.data import holdings, manifest
from repro.errors import UserError, nearest
from repro.paths import Places
from repro.reading import tiny as tiny_subsets
from repro.record import digest
from repro.types import Apart, Split

# Tiny subsets need no download of weights: a small CLIP is pretrained in the run, on synthetic images with captions.
SYNTHETIC = Split(name="synthetic", role="pretrain", caption="synthetic images with captions, for the tiny subset's own backbone")


def no_options(name: str, options: dict[str, Any]) -> None:
    """Refuse the options that other benchmarks take."""
    if options:
        raise UserError(f"{name} takes no --{next(iter(options))}", "its splits are the published ones", f"repro run {name}")


def chosen(
    name: str, options: dict[str, Any], option: str, known: Sequence[str], always: str, usual: Sequence[str] = ()
) -> tuple[str, ...]:
    """The splits that `option` names by commas, in the order of `known`, with `always` among them; without the option `usual`, or all of them."""
    no_options(name, {key: value for key, value in options.items() if key != option})
    if option not in options:
        return tuple(usual or known)
    named = {part.strip() for part in options[option].split(",") if part.strip()}
    for wrong in sorted(named - set(known)):
        near = nearest(wrong, known)
        why = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"--{option}: {name} has no split {wrong!r}", why, f"for example repro run {name} --{option} {','.join(known[:2])}")
    return tuple(split for split in known if split in named | {always})


def content(name: str) -> list[Any]:
    """What a manifest says of a data set's content: name, version and counts. A mirror or a hash that is found later changes no key."""
    record = manifest.load(name)
    return [record.name, record.version, sorted([count.split, count.n] for count in record.counts)]


def apart(name: str, places: Places, tiny: bool) -> Apart:
    """A data set of its own, for a split that is there to be searched on."""
    if tiny:
        return Apart(name=name, data=digest(tiny_subsets.content(name, places)), root=str(tiny_subsets.folder_of(name, places)))
    return Apart(name=name, data=digest(content(name)), root=str(holdings.root_of(name, places)))


def declare(
    names: tuple[str, ...],
    splits: tuple[Split, ...],
    places: Places,
    tiny: bool,
    pretrained: tuple[str, str] = ("digits-clip", "clip-pretrain"),
    of: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The fields of a `Benchmark` that follow from its data sets `names` (of `repro/datasets`) and its splits.

    `of`: split → data set, where there is a choice of splits, so that each keeps its packs whatever else is chosen.

    For a tiny subset the official counts do not hold, nothing is needed from elsewhere, and its backbone is made in the run, by `pretrained`:
    the network and the method, the usual one of synthetic images with captions, others of the benchmark's own split for that.
    """
    if not tiny:
        roots = {name: str(holdings.root_of(name, places)) for name in names}
        splits = tuple(split.model_copy(update={"content": digest(content(of[split.name]))}) if of else split for split in splits)
        return {"data": digest([content(name) for name in names]), "roots": roots, "splits": splits, "needs": names}
    backbone, method = pretrained
    synthetic = (SYNTHETIC,) if method == "clip-pretrain" else ()
    return {
        "data": digest([tiny_subsets.content(name, places) for name in names]),
        "roots": {name: str(tiny_subsets.folder_of(name, places)) for name in names},
        "splits": (*synthetic, *(split.model_copy(update={"count": None, "per_class": None}) for split in splits)),
        "tiny": True,
        "backbone": backbone,
        "pretrained_by": method,
    }
