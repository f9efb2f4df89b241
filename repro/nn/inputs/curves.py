"""Light curves as batches: packed once as they were measured, then windowed, padded and scaled per batch.

packs/<benchmark>-<data>/<split>-curves-<format>/{curves.bin, lengths.npy, labels.npy, groups.npz, pack.json last}
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock

from repro.errors import UserError, quoted
from repro.outcomes.store import write_atomically
from repro.paths import require_space
from repro.reading.examples import Examples
from repro.record import digest
from repro.settings import Recipe
from repro.types import Benchmark, Split

FORMAT = 1  # raised when the bytes of a pack would change
FIELDS = 4  # of an observation: time, wavelength, flux, error of the flux
CHANNELS = 5  # of a batch: flux, error, time, wavelength, and 1 where the network is to look


class Scaling(NamedTuple):
    """What a network of light curves expects: the most observations, and what it sees of the padding.

    `padding` "masked": of a batch as long as its longest curve, observations are scaled among themselves and the rest is hidden.
    "attended", as Connect Later's release has it: every curve is padded with zeros to `size`, the zeros count in the scaling of the
    flux, their times and wavelengths are scaled with the observations' (far below 0), and nothing is hidden
    (helenqu/connect-later@6a12eab connect_later/dataset_preprocess_raw.py:47-65, 117-125; informer_models.py:468-474, 573-582).
    """

    size: int = 300
    padding: str = "masked"

    def with_recipe(self, recipe: Recipe) -> Scaling:
        return self  # a recipe's fields for images mean nothing here


@dataclass(frozen=True)
class CurvePack:
    """One packed split: `values` float64 (all observations, FIELDS), of which example i has `lengths[i]` from `starts[i]` on."""

    values: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    groups: dict[str, np.ndarray]
    content: str

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, rows: torch.Tensor) -> CurvePack:
        """The examples of `rows` (M,), in that order; `content` still names the whole pack."""
        picked = {name: values[rows.numpy()] for name, values in self.groups.items()}
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows], labels=self.labels[rows], groups=picked)

    def gather(self, index: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Observations (B, L, FIELDS), zeros after the last, and bool (B, L) of what is one; L is the longest, at most `size`.

        Of a longer curve it is the `size` observations in its middle.
        """
        index = index.to(self.starts.device)
        lengths = self.lengths[index].clamp(max=size)
        starts = self.starts[index] + (self.lengths[index] - lengths) // 2
        place = torch.arange(int(lengths.max()), device=starts.device)
        there = place < lengths[:, None]
        rows = (starts[:, None] + place).clamp(max=len(self.values) - 1)
        return torch.where(there[..., None], self.values[rows], 0.0), there


def _unit(values: torch.Tensor, of: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """`values` scaled so that the least and the greatest where `of` is true become 0 and 1 over `dims`; 0 where there is no range."""
    low = torch.where(of, values, torch.inf).amin(dim=dims, keepdim=True)
    high = torch.where(of, values, -torch.inf).amax(dim=dims, keepdim=True)
    span = high - low
    return torch.where(span > 0, (values - low) / span, 0.0)


class Curves:
    """One split as batches, in the place of `Images`: gather, scale."""

    def __init__(self, pack: CurvePack, preprocess: Scaling, device: torch.device):
        self.pack, self.preprocess, self.device = pack, preprocess, device
        self.labels = pack.labels.to(device)

    def leave_device(self) -> bool:
        """As `Images.leave_device`; curves are gathered where the program is."""
        return False

    def __len__(self) -> int:
        return len(self.pack)

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Name → (N,): what is known of the examples besides their labels."""
        return self.pack.groups

    def uniforms(self, *seed: int | str) -> None:
        """No transform of a light curve is random: what is augmented are files, or what a method does to a batch."""
        return

    def batch(self, index: torch.Tensor, uniforms: None = None) -> torch.Tensor:
        """float32 (B, L, CHANNELS): flux and its error scaled together to [0, 1] per example, time and wavelength each.

        connect_later/dataset_preprocess_raw.py:47-59, as `Scaling` says of the padding. A curve in one band has wavelength 0, for which
        the release drops it.
        """
        values, there = self.pack.gather(index, self.preprocess.size)
        if attended := self.preprocess.padding == "attended":
            missing = self.preprocess.size - values.shape[1]
            values, there = torch.nn.functional.pad(values, (0, 0, 0, missing)), torch.nn.functional.pad(there, (0, missing))
        seen = torch.ones_like(there) if attended else there
        flux = _unit(values[..., 2:], seen[..., None].expand_as(values[..., 2:]), (1, 2))
        place = torch.cat([_unit(values[..., axis : axis + 1], there[..., None], (1,)) for axis in (0, 1)], dim=-1)
        made = torch.cat([flux, place, torch.ones_like(values[..., :1])], dim=-1)
        return torch.where(seen[..., None], made, 0.0).float().to(self.device)


def folder_of(packs: Path, benchmark: Benchmark, split: Split) -> Path:
    """A pack is named by the content that it is made from."""
    return packs / f"{benchmark.folder}-{digest(benchmark.identity())[:12]}" / f"{split.name}-curves-{FORMAT}"


def exists(folder: Path) -> bool:
    return (folder / "pack.json").is_file()


def build(folder: Path, examples: Examples, on_example: Callable[[int], None], split: str) -> None:
    """Make the pack at `folder` unless it is there; a half-made one is never seen under its name. A curve that is none is a `UserError`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.unfinished")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if exists(folder):
            return
        for left in (temporary, folder):
            shutil.rmtree(left, ignore_errors=True)
        lengths = np.array([len(curve) for curve in examples.sources], np.int64)
        require_space(folder.parent, int(lengths.sum()) * FIELDS * 8, f"the pack of {split}", "packs")
        temporary.mkdir()
        try:
            seen = hashlib.sha256()
            with open(temporary / "curves.bin", "wb") as file:
                for number, curve in enumerate(examples.sources):
                    _require_curve(curve, f"example {number} of {split}")
                    written = np.ascontiguousarray(curve, "<f8").tobytes()
                    file.write(written)
                    seen.update(written)
                    on_example(number + 1)
            arrays = {"lengths": lengths, "labels": examples.labels}
            for name, array in arrays.items():
                np.save(temporary / f"{name}.npy", array)
            np.savez(temporary / "groups.npz", **examples.groups)
            arrays |= {f"groups/{name}": values for name, values in sorted(examples.groups.items())}
            for name, array in arrays.items():
                seen.update(f"{name} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
            marker = {"content": seen.hexdigest(), "examples": len(lengths), "observations": int(lengths.sum())}
            write_atomically(temporary / "pack.json", json.dumps(marker, indent=1))
            open_pack(temporary)
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _require_curve(curve: np.ndarray, where: str) -> None:
    if curve.ndim != 2 or curve.shape[1] != FIELDS or not len(curve) or not np.isfinite(curve).all():
        why = "an observation is a finite time, wavelength, flux and error"
        raise UserError(f"{where} is no light curve: shape {curve.shape}", why, "mend or remove it, then the same command again")


def open_pack(folder: Path) -> CurvePack:
    """Map a finished pack; its size is checked against its marker, a mismatch is a `UserError`."""
    try:
        marker = json.loads((folder / "pack.json").read_text())
        lengths, labels = np.load(folder / "lengths.npy"), np.load(folder / "labels.npy")
        groups = dict(np.load(folder / "groups.npz"))
        actual = (folder / "curves.bin").stat().st_size
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"the pack {folder} is damaged", str(error), f"rm -r {quoted(folder)}, then run the same command again") from None
    if not (
        len(labels) == len(lengths) == marker["examples"] and actual == marker["observations"] * FIELDS * 8 == lengths.sum() * FIELDS * 8
    ):
        why = f"{actual} bytes, {marker['observations'] * FIELDS * 8} expected"
        raise UserError(f"the pack {folder} is damaged", why, f"rm -r {quoted(folder)}, then run the same command again")
    flat = torch.from_numpy(np.memmap(folder / "curves.bin", np.float64, mode="c"))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    tensors = (torch.from_numpy(array) for array in (starts, lengths, labels))
    return CurvePack(flat.view(-1, FIELDS), *tensors, groups, marker["content"])
