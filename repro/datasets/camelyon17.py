"""Camelyon17 of WILDS v1.0: lymph-node patches of 96 × 96 pixels from five hospitals.

camelyon17_v1.0/{patches/patient_<p>_node_<n>/patch_patient_<p>_node_<n>_x_<x>_y_<y>.png, metadata.csv, RELEASE_v1.0.txt}, and of patches
without labels from other slides of the same hospitals camelyon17_unlabeled_v1.0, which is as large as seven of the first and optional.
Source: p-lambda/wilds@4726775 wilds/datasets/{camelyon17_dataset.py:60-120, unlabeled/camelyon17_unlabeled_dataset.py:49-125} (columns,
paths, splits by hospital).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError
from repro.reading.metadata import copy_all, few, read_csv
from repro.reading.synthetic import paint

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2  # of the synthetic subset
FOLDER, UNLABELLED = "camelyon17_v1.0", "camelyon17_unlabeled_v1.0"
COLUMNS = ("patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split")
HOSPITALS = 5
VAL_HOSPITAL, TEST_HOSPITAL = 1, 2  # whatever the csv says of their rows
PER_PATIENT = 3  # synthetic patches of each class and split
NO_LABEL = -1  # what the csv of the second folder has for tumour
SIDE = 96


def read(root: Path) -> pd.DataFrame:
    """One row per patch: the columns of metadata.csv, `part` (train, id_val, ood_val, ood_test) and `path` below the root."""
    import numpy as np

    frame = _read_table(root, FOLDER, COLUMNS)
    inside = np.where(frame["split"] == 0, "train", "id_val")
    frame["part"] = np.select([frame["center"] == VAL_HOSPITAL, frame["center"] == TEST_HOSPITAL], ["ood_val", "ood_test"], inside)
    return frame


def read_unlabelled(root: Path) -> pd.DataFrame:
    """As `read` of the patches without labels: `part` is train_unlabeled, val_unlabeled or test_unlabeled. `UserError` where they are not here."""
    import numpy as np

    if not (root / UNLABELLED).is_dir():
        raise UserError(
            f"{root / UNLABELLED} is not there",
            "the patches without labels are 69 GB of their own, and only fetched when asked for",
            f"repro data fetch camelyon17 --with {UNLABELLED}.tar.gz",
        )
    frame = _read_table(root, UNLABELLED, [column for column in COLUMNS if column not in ("split", "tumor")])
    hospitals = [frame["center"] == VAL_HOSPITAL, frame["center"] == TEST_HOSPITAL]
    frame["part"] = np.select(hospitals, ["val_unlabeled", "test_unlabeled"], "train_unlabeled")
    return frame


def _read_table(root: Path, folder: str, columns: Sequence[str]) -> pd.DataFrame:
    frame = read_csv(root / folder / "metadata.csv", columns, index_col=0, dtype={"patient": "str"})
    frame["path"] = [
        f"{folder}/patches/patient_{patient}_node_{node}/patch_patient_{patient}_node_{node}_x_{x}_y_{y}.png"
        for patient, node, x, y in zip(frame["patient"], frame["node"], frame["x_coord"], frame["y_coord"], strict=True)
    ]
    return frame


def _write_table(root: Path, frame: pd.DataFrame, folder: str = FOLDER) -> None:
    (root / folder).mkdir(exist_ok=True)
    frame[[column for column in COLUMNS if column in frame]].to_csv(root / folder / "metadata.csv")
    (root / folder / "RELEASE_v1.0.txt").write_text("tiny subset\n", encoding="utf-8")


def write_tiny(root: Path) -> None:
    """Synthetic patches: hospital is the domain, tumour the class; two patients per hospital, and a third whose patches have no labels."""
    import pandas as pd
    from PIL import Image

    rows, bare = [], []
    for center in range(HOSPITALS):
        for patient in (center * 20 + 4, center * 20 + 9):
            for part in (0, 1):
                for tumor in (0, 1):
                    for number in range(PER_PATIENT * (1 if part else 3)):
                        x, y = 1000 + 32 * number + 512 * tumor, 2000 + 32 * number + 1024 * part
                        rows.append((f"{patient:03}", number % 2, x, y, tumor, center * 10 + patient % 10, center, part))
        for number in range(8 * PER_PATIENT):
            patient = center * 20 + 17
            bare.append((f"{patient:03}", 0, 1000 + 32 * number, 2000, NO_LABEL, center * 10 + patient % 10, center))
    _write_table(root, pd.DataFrame(rows, columns=list(COLUMNS)))
    _write_table(root, pd.DataFrame(bare, columns=list(COLUMNS[:-1])), UNLABELLED)
    painted = [(row.path, row.tumor, row.center, (row.Index,)) for row in read(root).itertuples()]
    painted += [(row.path, row.Index % 2, row.center, (row.Index, 1)) for row in read_unlabelled(root).itertuples()]
    for name, kind, center, seed in painted:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(paint(kind, center, (SIDE, SIDE), *seed)).save(path)


def take_tiny(source: Path, root: Path) -> None:
    """A few patches of each split, class and hospital, and of those without labels, where they are there."""
    chosen = few(read(source), ("part", "tumor", "center"), 24)
    _write_table(root, chosen)
    copy_all((source / path, root / path) for path in chosen["path"])
    if (source / UNLABELLED).is_dir():
        bare = few(read_unlabelled(source), ("part", "center"), 24)
        _write_table(root, bare, UNLABELLED)
        copy_all((source / path, root / path) for path in bare["path"])
