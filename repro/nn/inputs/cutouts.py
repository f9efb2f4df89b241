"""Cut-outs: for each image of a split the mask of its figure, at the size of training images, packed once beside the split.

<pack>-cutouts-<side>/{masks.bin, boxes.npy, kinds.npy, cutouts.json last}: of each mask only the box that it fills is kept. A mask is
made as i-gao/targeted-augs@f1ce502 makes it (examples/data_augmentation/copy_paste.py:57-66, utils.py:58-77,
wilds/datasets/iwildcam_dataset.py:232-260): the mask's file resized by Pillow's default filter and cut at 0, or where that is empty the
boxes filled and blurred with radius 5.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image, ImageDraw, ImageFilter

from repro.errors import UserError, a_few, quoted
from repro.nn.inputs.decoding import UNREADABLE, cores
from repro.outcomes.store import write_atomically
from repro.reading.targets import Outline

FORMAT = 1
KINDS = ("no figure", "mask", "boxes", "nothing found", "missing")
BLUR = 5
MOST_MISSING = 0.05  # of the images with a figure; the rest would silently not be augmented


@dataclass(frozen=True)
class Cutouts:
    """Masks of N images: `boxes` (N, 4) of (top, left, height, width), zeros where there is none; `kinds` (N,) into KINDS."""

    flat: torch.Tensor
    boxes: np.ndarray
    starts: np.ndarray
    kinds: np.ndarray
    side: int
    content: str

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def usable(self) -> torch.Tensor:
        """bool (N,): those that can be cut out."""
        return torch.from_numpy((self.kinds == KINDS.index("mask")) | (self.kinds == KINDS.index("boxes")))

    @property
    def counts(self) -> dict[str, int]:
        """Images of each kind."""
        return {kind: int((self.kinds == number).sum()) for number, kind in enumerate(KINDS)}

    def gather(self, index: torch.Tensor) -> torch.Tensor:
        """uint8 masks (B, side, side), 255 where the figure covers the ground wholly."""
        masks = torch.zeros(len(index), self.side, self.side, dtype=torch.uint8)
        for row, example in enumerate(index.tolist()):
            top, left, height, width = self.boxes[example].tolist()
            start = int(self.starts[example])
            masks[row, top : top + height, left : left + width] = self.flat[start : start + height * width].view(height, width)
        return masks


def mask_of(outline: Outline | None, side: int) -> tuple[str, np.ndarray | None]:
    """The kind of an outline and its mask, uint8 (side, side)."""
    if outline is None:
        return "no figure", None
    broken = False
    if outline.mask is not None:
        try:
            with Image.open(outline.mask) as opened:
                covered = np.asarray(opened.resize((side, side))) > 0
        except UNREADABLE:
            broken = True
        else:
            covered = covered.any(axis=2) if covered.ndim == 3 else covered
            if covered.any():
                return "mask", covered.astype(np.uint8) * 255
    if outline.boxes:
        return "boxes", _blurred(outline.boxes, side)
    return ("missing" if outline.boxes is None and (broken or outline.mask is None) else "nothing found"), None


def _blurred(boxes: Sequence[tuple[float, float, float, float]], side: int) -> np.ndarray:
    image = Image.new("L", (side, side), 0)
    for left, top, width, height in boxes:
        corners = (left * side, top * side, (left + width) * side, (top + height) * side)
        ImageDraw.Draw(image).rectangle(tuple(map(int, corners)), fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(BLUR)))


def _cropped(outline: Outline | None, side: int) -> tuple[int, tuple[int, int, int, int], bytes]:
    kind, mask = mask_of(outline, side)
    if mask is None or not mask.any():
        return KINDS.index(kind if mask is None else "nothing found"), (0, 0, 0, 0), b""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left, height, width = int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
    return KINDS.index(kind), (top, left, height, width), mask[top : top + height, left : left + width].tobytes()


def folder_beside(pack: Path, side: int) -> Path:
    """Where the cut-outs of a pack are."""
    return pack.with_name(f"{pack.name}-cutouts{FORMAT}-{side}")


def build(
    folder: Path, outlines: Sequence[Outline | None], side: int, cure: str, on_mask: Callable[[int], None] = lambda done: None
) -> None:
    """Make the cut-outs at `folder` unless they are there. Too many images with a figure of which nothing is known: `UserError`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.unfinished")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if (folder / "cutouts.json").exists():
            return
        for left in (temporary, folder):
            shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir()
        try:
            kinds, boxes, seen = np.zeros(len(outlines), np.int64), np.zeros((len(outlines), 4), np.int64), hashlib.sha256()
            with open(temporary / "masks.bin", "wb") as file, ThreadPoolExecutor(cores(), "cutouts") as pool:
                for row, (kind, box, pixels) in enumerate(pool.map(lambda outline: _cropped(outline, side), outlines)):
                    kinds[row], boxes[row] = kind, box
                    file.write(pixels)
                    seen.update(pixels)
                    on_mask(row + 1)
                file.flush()
                os.fsync(file.fileno())
            _require_most(kinds, outlines, cure)
            seen.update(kinds.astype("<i8").tobytes() + boxes.astype("<i8").tobytes())
            np.save(temporary / "kinds.npy", kinds)
            np.save(temporary / "boxes.npy", boxes)
            write_atomically(temporary / "cutouts.json", json.dumps({"content": seen.hexdigest(), "side": side, "examples": len(kinds)}))
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _require_most(kinds: np.ndarray, outlines: Sequence[Outline | None], cure: str) -> None:
    """Of images with a figure all but a few must have been looked at."""
    missing = np.flatnonzero(kinds == KINDS.index("missing"))
    figures = int((kinds != KINDS.index("no figure")).sum())
    if len(missing) > MOST_MISSING * figures:
        named = [outlines[row].mask.name if outlines[row].mask else f"image {row}" for row in missing]
        raise UserError(
            f"{len(missing):,} of {figures:,} images with a figure have neither mask nor boxes: {a_few(named)}",
            f"with more than {MOST_MISSING:.0%} missing, copy-paste would hardly change the training that it is for",
            cure,
        )


def open_cutouts(folder: Path) -> Cutouts:
    """Map finished cut-outs; their sizes are checked against one another, a mismatch is a `UserError`."""
    try:
        marker = json.loads((folder / "cutouts.json").read_text(encoding="utf-8"))
        kinds, boxes = np.load(folder / "kinds.npy"), np.load(folder / "boxes.npy")
        areas = boxes[:, 2] * boxes[:, 3]
        size = (folder / "masks.bin").stat().st_size
        if not len(kinds) == len(boxes) == marker["examples"] or size != areas.sum():
            raise ValueError(f"{size} bytes of masks for {areas.sum()} pixels")
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"the cut-outs {folder} are damaged", str(error), f"rm -r {quoted(folder)}, then run the same command again"
        ) from None
    flat = torch.from_numpy(np.memmap(folder / "masks.bin", np.uint8, mode="c")) if size else torch.zeros(0, dtype=torch.uint8)
    return Cutouts(flat, boxes, np.concatenate([[0], np.cumsum(areas)[:-1]]), kinds, marker["side"], marker["content"])
