"""Image files and arrays as the bytes of a pack: decoded and resized on all cores, handed over in the order of the examples.

Threads are enough, for Pillow lets go of the interpreter while it decodes and while it resizes. JPEGs are decoded whole:
`Image.draft`, which reduces large ones by 2, 4 or 8 while decoding, is several times faster, but it filters otherwise, so that pixels
would not be those that the papers' loaders give.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from repro.reading.broken_images import Broken
from repro.record import Record

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # Pillow calls a broken PNG a SyntaxError
SAMPLE = 100  # images whose sizes stand for all
BATCH_BYTES = 1 << 20  # of one thread's work: enough that handing it over costs nothing, and little memory times many threads
MOST = 256  # images of one thread's work
AHEAD = 2  # batches per thread that are finished or under way before the writer takes them


class Resize(Record):
    """How images enter a pack; antialiased as Pillow does.

    `crop` resizes the short side to `side` pixels, `squash` both sides; `limit` only reduces, where the short side is longer than
    `side`, and leaves every image as it is where `side` is 0.
    """

    side: int
    mode: str
    interpolation: str = "bilinear"

    def target(self, width: int, height: int) -> tuple[int, int]:
        """The size that an image of `width` × `height` pixels will have."""
        short = min(width, height)
        if self.mode == "squash":
            return self.side, self.side
        if self.mode == "limit" and (not self.side or short <= self.side):
            return width, height
        return int(self.side * width / short), int(self.side * height / short)  # torchvision.transforms.Resize(int) truncates the long side

    def __call__(self, image: Image.Image) -> Image.Image:
        size = self.target(*image.size)
        if size == image.size:
            return image
        # In two calls, so that columns come first in every version of Pillow: from 13 on, one call may take the rows first, which
        # changes 8-bit roundings (python-pillow#9549), and the papers' numbers are from before.
        filter = Image.Resampling[self.interpolation.upper()]
        return image.resize((size[0], image.height), filter).resize(size, filter)


class Chunk(NamedTuple):
    """Consecutive images: their (height, width), (0, 0) for a broken one; the bytes of all of them; and what was broken."""

    shapes: list[tuple[int, int]]
    pixels: bytes
    broken: list[Broken]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_ready(source: Path | np.ndarray, resize: Resize) -> bool:
    """Whether an array needs no resize, and so no Pillow: its resize to the same size is a copy."""
    return isinstance(source, np.ndarray) and resize.target(source.shape[1], source.shape[0]) == source.shape[1::-1]


def _inner(size: tuple[int, int], border: int) -> tuple[int, int]:
    """Width and height within a border; ValueError where nothing is left."""
    width, height = (side - 2 * border for side in size)
    if min(width, height) < 1:
        raise ValueError(f"{size[0]} × {size[1]} pixels have nothing within a border of {border}")
    return width, height


def _pixels(source: Path | np.ndarray, resize: Resize, border: int) -> tuple[tuple[int, int], bytes]:
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise TypeError(f"an array of {source.dtype} {source.shape} is no image: uint8 (H, W, 3) is")
        if _is_ready(source, resize):
            return source.shape[:2], source.tobytes()
        image = resize(Image.fromarray(source))
    else:
        with Image.open(source) as opened:
            opened.load()
            # convert() copies even what is RGB already, and holds the interpreter while it does
            image = opened if opened.mode == "RGB" else opened.convert("RGB")
            if border:
                width, height = _inner(image.size, border)
                image = image.crop((border, border, border + width, border + height))
            image = resize(image)
    return (image.height, image.width), image.tobytes()


def _decode(sources: Sequence[Path | np.ndarray], resize: Resize, border: int) -> Chunk:
    chunk, parts = Chunk([], b"", []), []
    for source in sources:
        try:
            shape, pixels = _pixels(source, resize, border)
        except UNREADABLE as error:
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            chunk.broken.append(Broken(str(source), " ".join(str(error).split()), missing))
            shape, pixels = (0, 0), b""
        chunk.shapes.append(shape)
        parts.append(pixels)
    return chunk._replace(pixels=b"".join(parts))


def expected_bytes(sources: Sequence[Path | np.ndarray], resize: Resize, border: int = 0) -> int:
    """What all images will take, from a hundred of them spread over the split, of whose files only the headers are read.

    Exact where all come out alike, as they do where both sides are given; 0 where none can be read.
    """
    sizes = []
    for source in sources[:: -(-len(sources) // SAMPLE) or 1]:
        try:
            if isinstance(source, np.ndarray):
                sizes.append(resize.target(source.shape[1], source.shape[0]))
            else:
                with Image.open(source) as image:
                    sizes.append(resize.target(*_inner(image.size, border)))
        except UNREADABLE:  # named when its turn comes
            continue
    return round(sum(3 * width * height for width, height in sizes) / len(sizes) * len(sources)) if sizes else 0


def decoded(
    sources: Sequence[Path | np.ndarray], resize: Resize, expected: int, threads: int | None = None, border: int = 0
) -> Iterator[Chunk]:
    """All images in order, the same bytes whatever the number of `threads` (None: one per core); `expected` bytes in all.

    `border`: pixels to be cut off each side of a file's image before its resize.
    """
    threads = cores() if threads is None else threads
    batch = max(1, min(MOST, BATCH_BYTES * len(sources) // max(expected, 1)))
    parts = (sources[start : start + batch] for start in range(0, len(sources), batch))
    if threads == 1 or (len(sources) and _is_ready(sources[0], resize)):  # copies only, which threads would make no faster
        yield from (_decode(part, resize, border) for part in parts)
        return
    Image.init()  # here, because of two threads that load Pillow's plug-ins at once, one may find a format unknown
    ahead: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(threads, "decode") as pool:
        try:
            for part in parts:
                ahead.append(pool.submit(_decode, part, resize, border))
                if len(ahead) >= AHEAD * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
