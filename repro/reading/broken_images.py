"""Images that gave no pixels: all of them are named, split by split, and none is ever left out of a pack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from repro.errors import UserError, a_few


class Broken(NamedTuple):
    """One image without pixels: its path, what Pillow or the system said, and whether there is no such file."""

    path: str
    why: str
    missing: bool


class BrokenImages(UserError):
    """Images of one or more splits that are not on disk or cannot be read. `found`: split → (them, number of images in the split).

    `mend`: the command that brings the data in order, where there is one; `listing`: the file that names all.
    """

    def __init__(self, found: dict[str, tuple[Sequence[Broken], int]], mend: str | None = None, listing: Path | None = None):
        self.found = found
        everything = [image for images, _ in found.values() for image in images]
        missing = [image for image in everything if image.missing]
        unreadable = [image for image in everything if not image.missing]
        what = [sentence for split, (images, total) in found.items() for sentence in _sentences(split, images, total)]
        why = ["what is not there was moved or never unpacked"] if missing else []
        why += [f"what cannot be read is truncated or no image; the first: {unreadable[0].why}"] if unreadable else []
        them = "it" if len(everything) == 1 else "them"
        verb = "put {} back" if not unreadable else "replace or remove {}" if not missing else "put back or replace {}"
        super().__init__(
            "; ".join(what) + (f"; all are listed in {listing}" if listing else ""),
            "; ".join(why),
            f"{mend or verb.format(them)}, then run the same command again",
        )

    @classmethod
    def together(cls, errors: Iterable[BrokenImages], mend: str | None, listing: Path) -> BrokenImages:
        """One error for several splits, whose images are all written to `listing`, a line each."""
        found = {split: entry for error in errors for split, entry in error.found.items()}
        lines = [
            f"{split}\t{'missing' if image.missing else 'unreadable'}\t{image.path}\t{image.why}\n"
            for split, (images, _) in found.items()
            for image in images
        ]
        listing.write_text("".join(lines), encoding="utf-8")
        return cls(found, mend, listing)


def _sentences(split: str, images: Sequence[Broken], total: int) -> Iterable[str]:
    for missing, said in ((True, "named by {} are not on disk"), (False, "of {} cannot be read")):
        paths = [image.path for image in images if image.missing == missing]
        if paths:
            yield f"{len(paths):,} of {total:,} images {said.format(split)}: {a_few(paths)}"
