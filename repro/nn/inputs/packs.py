"""Packs: each split decoded once, resized once, and kept as a memory map of uint8, faithful to PIL bit by bit.

packs/<benchmark>-<data>/<split>-<transform>/{images.bin, shapes.npy, labels.npy, captions.json, pack.json last}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from repro.errors import UserError, quoted
from repro.nn.inputs.decoding import Chunk, Resize, decoded, expected_bytes
from repro.nn.inputs.packed import Pack
from repro.outcomes.store import write_atomically
from repro.paths import FULL, no_room, require_space
from repro.reading.broken_images import Broken, BrokenImages
from repro.reading.examples import Examples
from repro.record import digest
from repro.types import Benchmark, Split

FORMAT = 2  # raised when the bytes of a pack would change


def _write(folder: Path, examples: Examples, chunks: Iterator[Chunk], on_image: Callable[[int], None], split: str) -> str:
    """Write everything but the marker and return the hash of the content; all broken images are found before the error names them."""
    shapes: list[tuple[int, int]] = []
    broken: list[Broken] = []
    seen = hashlib.sha256()
    with open(folder / "images.bin", "wb") as file, contextlib.closing(chunks):
        for chunk in chunks:
            broken += chunk.broken
            if not broken:  # otherwise there will be no pack, and the rest is only looked at
                file.write(chunk.pixels)
                seen.update(chunk.pixels)
            for shape in chunk.shapes:
                shapes.append(shape)
                on_image(len(shapes))
        file.flush()
        os.fsync(file.fileno())
    if broken:
        raise BrokenImages({split: (broken, len(examples.sources))})
    arrays = {"shapes": np.array(shapes, np.int64).reshape(-1, 2), "labels": examples.labels}
    if examples.caption_of is not None:
        arrays["caption_of"] = examples.caption_of
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.astype(np.int64))
    if examples.groups:
        np.savez(folder / "groups.npz", **examples.groups)
    _hash_arrays(seen, arrays, examples.groups, examples.captions)
    return seen.hexdigest()


def _hash_arrays(seen: Any, arrays: dict[str, np.ndarray], groups: dict[str, np.ndarray], captions: Sequence[str]) -> None:
    """Take all but the pixels into the hash `seen`."""
    for name, array in (arrays | {f"groups/{name}": values for name, values in sorted(groups.items())}).items():
        seen.update(f"{name} {array.shape} ".encode() + array.astype("<i8").tobytes())
    seen.update(json.dumps(captions).encode())


_intact: set[tuple[str, str, int, int]] = set()  # packs whose content this process has read in full


def _require_intact(folder: Path, pack: Pack) -> None:
    """Read all of the pack once per process and file: a flipped bit changes no size, and would change numbers unseen."""
    seen = (folder / "images.bin").stat()
    known = (str(folder), pack.content, seen.st_ino, seen.st_mtime_ns)
    if known in _intact:
        return
    with open(folder / "images.bin", "rb") as file:
        hashed = hashlib.file_digest(file, "sha256")
    arrays = {"shapes": pack.shapes, "labels": pack.labels.numpy()}
    if pack.caption_of is not None:
        arrays["caption_of"] = pack.caption_of.numpy()
    _hash_arrays(hashed, arrays, pack.groups, pack.captions)
    if hashed.hexdigest() != pack.content:
        raise _damaged(folder, "its bytes are not those that were packed: their hash is another")
    _intact.add(known)


def folder_of(packs: Path, benchmark: Benchmark, split: Split, resize: Resize, rows: np.ndarray | None = None) -> Path:
    """A pack is named by the content that it is made from, and by the `rows` (M,) of the split that it holds (None: all)."""
    whole = benchmark.identity() if split.content is None else [benchmark.name, benchmark.version, benchmark.classes, split.content]
    content = [FORMAT, resize, *([split.apart.data] if split.apart else []), *([] if rows is None else [rows.tolist()])]
    return packs / f"{benchmark.folder}-{digest(whole)[:12]}" / f"{split.name}-{digest(content)[:12]}"


def _marker(folder: Path) -> dict[str, Any] | None:
    """The marker of the pack in `folder`, None where there is no whole one."""
    try:
        marker = json.loads((folder / "pack.json").read_text())
    except (OSError, ValueError):
        return None
    return marker if "content" in marker else None  # packs had none once; such a one is made again, because results name it


def exists(folder: Path) -> bool:
    return _marker(folder) is not None


def _histogram(labels: np.ndarray) -> dict[str, int]:
    return {str(label): int(count) for label, count in zip(*np.unique(labels, return_counts=True), strict=True)}


def build(
    folder: Path,
    examples: Examples,
    resize: Resize,
    on_image: Callable[[int], None],
    split: str | None = None,
    threads: int | None = None,
) -> None:
    """Make the pack at `folder` unless it is there; a half-made one is never seen under its name.

    `split` is what errors call it; `threads` decode (None: one per core). `BrokenImages` where images are missing or unreadable,
    `UserError` where the disk has too little room.
    """
    split = split or folder.name
    if len(examples.labels) != len(examples.sources):
        raise ValueError(f"{split} has {len(examples.sources)} images and {len(examples.labels)} labels")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.unfinished")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if exists(folder):
            return
        for left in (temporary, folder):  # by a process that was killed, or by somebody who began to remove the pack
            shutil.rmtree(left, ignore_errors=True)
        expected = expected_bytes(examples.sources, resize, examples.border)
        require_space(folder.parent, expected, f"the pack of {split}", "packs")
        temporary.mkdir()
        chunks = decoded(examples.sources, resize, expected, threads, examples.border)
        try:
            marker = {"content": _write(temporary, examples, chunks, on_image, split)}
            marker |= {
                "examples": len(examples.sources),
                "image_bytes": (temporary / "images.bin").stat().st_size,
                "resize": resize.model_dump(),
                "labels": _histogram(examples.labels),
                "captions": examples.captions,
            }
            write_atomically(temporary / "pack.json", json.dumps(marker, indent=1))
            open_pack(temporary)  # what was written is what the examples said
            os.rename(temporary, folder)
        except OSError as error:
            if error.errno not in FULL:
                raise
            why = f"{error.strerror}: its images need {expected:,} bytes"
            raise no_room(folder.parent, f"the pack of {split}", why, "packs") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _damaged(folder: Path, why: str) -> UserError:
    return UserError(f"the pack {folder} is damaged", why, f"rm -r {quoted(folder)}, then run the same command again")


def open_pack(folder: Path) -> Pack:
    """Map a finished pack; its sizes and labels are checked against its marker, a mismatch is a `UserError`."""
    marker = _marker(folder)
    if marker is None:
        raise _damaged(folder, "its pack.json is not there or not whole")
    try:
        shapes, labels = np.load(folder / "shapes.npy"), np.load(folder / "labels.npy")
        areas = shapes[:, 0] * shapes[:, 1] * 3
        actual = (folder / "images.bin").stat().st_size
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, str(error)) from None
    if not (len(labels) == len(shapes) == marker["examples"] and actual == marker["image_bytes"] == areas.sum()):
        raise _damaged(folder, f"{actual} bytes of images, {marker['image_bytes']} expected")
    if _histogram(labels) != marker["labels"]:
        raise _damaged(folder, "its labels are not those that were packed")
    flat = torch.from_numpy(np.memmap(folder / "images.bin", np.uint8, mode="c"))
    uniform = len(shapes) > 0 and (shapes == shapes[0]).all()
    try:
        caption_of = torch.from_numpy(np.load(folder / "caption_of.npy")) if (folder / "caption_of.npy").exists() else None
        groups = dict(np.load(folder / "groups.npz")) if (folder / "groups.npz").exists() else {}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(folder, str(error)) from None
    pack = Pack(
        images=flat.view(len(shapes), *shapes[0].tolist(), 3) if uniform else flat,
        shapes=shapes,
        starts=np.concatenate([[0], np.cumsum(areas)[:-1]]),
        labels=torch.from_numpy(labels),
        captions=tuple(marker["captions"]),
        caption_of=caption_of,
        groups=groups,
        content=marker["content"],
    )
    _require_intact(folder, pack)
    return pack
