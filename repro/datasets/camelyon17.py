"""Camelyon17 of WILDS v1.0: lymph-node patches of 96 × 96 pixels from five hospitals.

camelyon17_v1.0/{patches/patient_<p>_node_<n>/patch_patient_<p>_node_<n>_x_<x>_y_<y>.png, metadata.csv, RELEASE_v1.0.txt}
Source: p-lambda/wilds@4726775 wilds/datasets/camelyon17_dataset.py:60-120 (columns, paths, splits by hospital).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repro.reading.metadata import copy_all, few, read_csv
from repro.reading.synthetic import paint

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1  # of the synthetic subset
FOLDER = "camelyon17_v1.0"
COLUMNS = ("patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split")
HOSPITALS = 5
VAL_HOSPITAL, TEST_HOSPITAL = 1, 2  # whatever the csv says of their rows
PER_PATIENT = 3  # synthetic patches of each class and split
SIDE = 96


def read(root: Path) -> pd.DataFrame:
    """One row per patch: the columns of metadata.csv, `part` (train, id_val, ood_val, ood_test) and `path` below the root."""
    import numpy as np

    frame = read_csv(root / FOLDER / "metadata.csv", COLUMNS, index_col=0, dtype={"patient": "str"})
    inside = np.where(frame["split"] == 0, "train", "id_val")
    frame["part"] = np.select([frame["center"] == VAL_HOSPITAL, frame["center"] == TEST_HOSPITAL], ["ood_val", "ood_test"], inside)
    frame["path"] = [
        f"{FOLDER}/patches/patient_{patient}_node_{node}/patch_patient_{patient}_node_{node}_x_{x}_y_{y}.png"
        for patient, node, x, y in zip(frame["patient"], frame["node"], frame["x_coord"], frame["y_coord"], strict=True)
    ]
    return frame


def _write_table(root: Path, frame: pd.DataFrame) -> None:
    (root / FOLDER).mkdir(exist_ok=True)
    frame[list(COLUMNS)].to_csv(root / FOLDER / "metadata.csv")
    (root / FOLDER / "RELEASE_v1.0.txt").write_text("tiny subset\n", encoding="utf-8")


def write_tiny(root: Path) -> None:
    """Synthetic patches: hospital is the domain, tumour the class; two patients per hospital."""
    import pandas as pd
    from PIL import Image

    rows = []
    for center in range(HOSPITALS):
        for patient in (center * 20 + 4, center * 20 + 9):
            for part in (0, 1):
                for tumor in (0, 1):
                    for number in range(PER_PATIENT * (1 if part else 3)):
                        x, y = 1000 + 32 * number + 512 * tumor, 2000 + 32 * number + 1024 * part
                        rows.append((f"{patient:03}", number % 2, x, y, tumor, center * 10 + patient % 10, center, part))
    _write_table(root, pd.DataFrame(rows, columns=list(COLUMNS)))
    for row in read(root).itertuples():
        path = root / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(paint(row.tumor, row.center, (SIDE, SIDE), row.Index)).save(path)


def take_tiny(source: Path, root: Path) -> None:
    """A few patches of each split, class and hospital."""
    chosen = few(read(source), ("part", "tumor", "center"), 24)
    _write_table(root, chosen)
    copy_all((source / path, root / path) for path in chosen["path"])
