"""Packs: each split decoded once, resized once, and kept as a memory map of uint8, faithful to PIL bit by bit.

packs/<benchmark>-<data>/<split>-<transform>/{images.bin, shapes.npy, labels.npy, captions.json, pack.json last}
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from repro.errors import UserError
from repro.examples import Examples
from repro.store import write_atomically
from repro.types import Benchmark, Record, Split, digest

FORMAT = 2  # raised when the bytes of a pack would change


class Resize(Record):
    """How images enter a pack: `side` in pixels; `crop` resizes the short side to it, `squash` both sides; antialiased as PIL does."""

    side: int
    mode: str
    interpolation: str = "bilinear"

    def __call__(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if self.mode == "squash":
            size = (self.side, self.side)
        else:  # torchvision.transforms.Resize(int): the long side is truncated
            short = min(width, height)
            size = (int(self.side * width / short), int(self.side * height / short))
        # In two calls, so that columns come first in every version of Pillow: from 13 on, one call may take the rows first, which
        # changes 8-bit roundings (python-pillow#9549), and the papers' numbers are from before.
        filter = Image.Resampling[self.interpolation.upper()]
        return image.resize((size[0], height), filter).resize(size, filter)


class Pack(NamedTuple):
    """One packed split. `images`: uint8, (N, H, W, 3) where all sizes agree, else flat with `shapes` (N, 2) and `starts` (N,)."""

    images: torch.Tensor
    shapes: np.ndarray
    starts: np.ndarray
    labels: torch.Tensor
    captions: tuple[str, ...]
    caption_of: torch.Tensor | None
    groups: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def uniform(self) -> bool:
        return self.images.ndim == 4

    def gather(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 images (B, H, W, 3), padded with zeros on the right and below where sizes differ, and their sizes (B, 2)."""
        sizes = torch.from_numpy(self.shapes[index.cpu().numpy()])
        if self.uniform:
            return self.images[index.to(self.images.device)], sizes
        height, width = sizes.amax(dim=0).tolist()
        batch = torch.zeros(len(index), height, width, 3, dtype=torch.uint8)
        for row, (example, (h, w)) in enumerate(zip(index.tolist(), sizes.tolist(), strict=True)):
            start = int(self.starts[example])
            batch[row, :h, :w] = self.images[start : start + h * w * 3].view(h, w, 3)
        return batch, sizes


def _decode(source: Path | np.ndarray) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source)
    with Image.open(source) as image:
        return image.convert("RGB")


def _write(folder: Path, examples: Examples, resize: Resize, on_image: Callable[[int], None]) -> None:
    """Decode everything into `folder`; unreadable images are all collected before the error names them."""
    shapes = np.zeros((len(examples.sources), 2), np.int64)
    unreadable: list[str] = []
    with open(folder / "images.bin", "wb") as file:
        for row, source in enumerate(examples.sources):
            try:
                pixels = np.asarray(resize(_decode(source)))
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow calls a broken PNG a SyntaxError
                unreadable.append(str(source))
                continue
            shapes[row] = pixels.shape[:2]
            file.write(pixels.tobytes())
            on_image(row + 1)
        file.flush()
        os.fsync(file.fileno())
    if unreadable:
        shown = ", ".join(unreadable[:5]) + (f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else "")
        raise UserError(
            f"{len(unreadable)} of {len(examples.sources)} images cannot be read: {shown}",
            "the file is truncated or no image",
            f"replace or remove {'it' if len(unreadable) == 1 else 'them'}, then run the same command again",
        )
    np.save(folder / "shapes.npy", shapes)
    np.save(folder / "labels.npy", examples.labels.astype(np.int64))
    if examples.caption_of is not None:
        np.save(folder / "caption_of.npy", examples.caption_of.astype(np.int64))
    if examples.groups:
        np.savez(folder / "groups.npz", **examples.groups)


def folder_of(packs: Path, benchmark: Benchmark, split: Split, resize: Resize) -> Path:
    """A pack is named by the content that it is made from."""
    name = f"{benchmark.name}{'-tiny' if benchmark.tiny else ''}-{digest(benchmark.identity())[:12]}"
    return packs / name / f"{split.name}-{digest([FORMAT, resize])[:12]}"


def exists(folder: Path) -> bool:
    return (folder / "pack.json").exists()


def build(folder: Path, examples: Examples, resize: Resize, on_image: Callable[[int], None]) -> None:
    """Make the pack at `folder` unless it is there; a half-made one is never seen under its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.unfinished")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if exists(folder):
            return
        for left in (temporary, folder):  # by a process that was killed, or by somebody who began to remove the pack
            shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir()
        try:
            _write(temporary, examples, resize, on_image)
            histogram = {str(label): int(count) for label, count in zip(*np.unique(examples.labels, return_counts=True), strict=True)}
            marker = {
                "examples": len(examples.sources),
                "image_bytes": (temporary / "images.bin").stat().st_size,
                "resize": resize.model_dump(),
                "labels": histogram,
                "captions": examples.captions,
            }
            write_atomically(temporary / "pack.json", json.dumps(marker, indent=1))
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _damaged(folder: Path, why: str) -> UserError:
    return UserError(f"the pack {folder} is damaged", why, f"rm -r {folder}, then run the same command again")


def open_pack(folder: Path) -> Pack:
    """Map a finished pack; its sizes are checked against its marker, a mismatch is a `UserError`."""
    try:
        marker = json.loads((folder / "pack.json").read_text())
        shapes, labels = np.load(folder / "shapes.npy"), np.load(folder / "labels.npy")
        areas = shapes[:, 0] * shapes[:, 1] * 3
        actual = (folder / "images.bin").stat().st_size
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, str(error)) from None
    if not (len(labels) == len(shapes) == marker["examples"] and actual == marker["image_bytes"] == areas.sum()):
        raise _damaged(folder, f"{actual} bytes of images, {marker['image_bytes']} expected")
    flat = torch.from_numpy(np.memmap(folder / "images.bin", np.uint8, mode="c"))
    uniform = len(shapes) > 0 and (shapes == shapes[0]).all()
    caption_of = torch.from_numpy(np.load(folder / "caption_of.npy")) if (folder / "caption_of.npy").exists() else None
    groups = dict(np.load(folder / "groups.npz")) if (folder / "groups.npz").exists() else {}
    return Pack(
        images=flat.view(len(shapes), *shapes[0].tolist(), 3) if uniform else flat,
        shapes=shapes,
        starts=np.concatenate([[0], np.cumsum(areas)[:-1]]),
        labels=torch.from_numpy(labels),
        captions=tuple(marker["captions"]),
        caption_of=caption_of,
        groups=groups,
    )
