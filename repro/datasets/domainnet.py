"""DomainNet: clip art, paintings, photographs and sketches, of which SENTRY's lists name those of 40 classes.

{clipart,painting,real,sketch}/<category>/<file>, SENTRY_splits/<domain>_{train,test}_mini.txt with lines `<path> <label>`, CRLF at their ends.
Source: virajprabhu/SENTRY@7d594a5 data/DomainNet/txt; AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/datasets/domainnet.py:35-50.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError
from repro.reading.metadata import copy_all, few
from repro.reading.synthetic import paint

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1  # of the synthetic subset
DOMAINS = ("sketch", "real", "painting", "clipart")
PARTS = ("train", "test")
LISTS = "SENTRY_splits"
# By label, which follows the alphabet but for the last four.
CLASSES = tuple(
    "airplane ambulance apple backpack banana bathtub bear bed bee bicycle bird book bridge bus cake calculator camera car cat chair clock "
    "cow dog dolphin duck elephant fence fork horse house rabbit scissors strawberry table telephone truck butterfly sheep drums donut".split()
)
TINY = {("sketch", "train"): 5, ("sketch", "test"): 2}  # images of each class; of other lists one
SIDES = (40, 61)  # of synthetic images, in pixels


def _list_of(root: Path, domain: str, part: str) -> Path:
    return root / LISTS / f"{domain}_{part}_mini.txt"


def read(root: Path, domain: str, part: str) -> pd.DataFrame:
    """`path` below the root and `label` of each image in one list (of DOMAINS and PARTS), in its order. Raises `UserError`."""
    import pandas as pd

    path = _list_of(root, domain, part)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"cannot read {path}", why, "repro data fetch domainnet brings SENTRY's lists") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        name, _, label = line.rpartition(" ")
        category = name.removeprefix(f"{domain}/").partition("/")[0]
        if not name.startswith(f"{domain}/") or not label.isdecimal() or CLASSES[int(label) : int(label) + 1] != (category,):
            raise UserError(
                f"{path}:{number} is no line of the published list: {line[:80]!r}",
                f"each names {domain}/<category>/<file> and the category's label, 0 to {len(CLASSES) - 1}",
                "repro data verify domainnet --full",
            )
        rows.append((name, int(label)))
    return pd.DataFrame(rows, columns=["path", "label"])


def _write_list(root: Path, domain: str, part: str, frame: pd.DataFrame) -> None:
    path = _list_of(root, domain, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{row.path} {row.label}\r\n" for row in frame.itertuples()).encode())


def write_tiny(root: Path) -> None:
    """Synthetic images of different sizes, a few of each class in every list."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    rng = np.random.default_rng(0)
    for place, domain in enumerate(DOMAINS):
        number = 0
        for part in PARTS:
            rows = []
            for label, category in enumerate(CLASSES):
                (root / domain / category).mkdir(parents=True, exist_ok=True)
                for _ in range(TINY.get((domain, part), 1)):
                    number += 1
                    path = f"{domain}/{category}/{domain}_{label + 1:03}_{number:06}.jpg"
                    size = tuple(rng.integers(*SIDES, size=2).tolist())
                    Image.fromarray(paint(label, place, size, number)).save(root / path, quality=90)
                    rows.append((path, label))
            _write_list(root, domain, part, pd.DataFrame(rows, columns=["path", "label"]))


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each class in every list."""
    for domain in DOMAINS:
        for part in PARTS:
            chosen = few(read(source, domain, part), ("label",), TINY.get((domain, part), 1))
            _write_list(root, domain, part, chosen)
            copy_all((source / path, root / path) for path in chosen["path"])
