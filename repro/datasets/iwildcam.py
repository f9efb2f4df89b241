"""iWildCam2020 of WILDS v2.0: photographs of camera traps in 182 classes, of which number 0 is the empty frame.

iwildcam_v2.0/{train/*.jpg, metadata.csv, categories.csv, RELEASE_v2.0.txt}: the images of every split lie in train/.
Source: p-lambda/wilds@4726775 wilds/datasets/iwildcam_dataset.py:47-118 (columns, splits); data_manifests/iwildcam_classes.json (names).
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from repro import paths
from repro.errors import UserError
from repro.reading import megadetector
from repro.reading.metadata import copy_all, few, read_csv
from repro.reading.synthetic import paint

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2  # of the synthetic subset
FOLDER = "iwildcam_v2.0"
COLUMNS = ("split", "location_remapped", "y", "filename")  # those that are read
PART = {"train": "train", "id_val": "id_val", "id_test": "id_test", "val": "ood_val", "test": "ood_test"}
UNUSED = 99999  # y of categories that are no class

# The synthetic subset: 24 classes with the empty frame and the two that are called lowland paca; cameras and images per class of each split.
KINDS = (0, 1, 2, 3, 4, 6, 8, 10, 24, 26, 32, 36, 40, 44, 49, 57, 71, 75, 82, 95, 105, 120, 148, 172)
CAMERAS = {"train": range(12), "id_val": range(12), "id_test": range(12), "val": range(12, 16), "test": range(16, 21)}
IMAGES = {"train": 7, "id_val": 2, "id_test": 3, "val": 2, "test": 3}
NOT_IN_TEST = KINDS[-4:]  # as in the full data, a split need not have every class
SIZES = ((96, 128), (112, 144), (120, 160))


@cache
def _classes() -> tuple[dict, ...]:
    text = (paths.manifests_dir() / "iwildcam_classes.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["classes"])


def names() -> tuple[str, ...]:
    """The 182 English names in lower case, by class number; four names stand for two classes each, as in the papers' prompts."""
    return tuple(row["english"].lower() for row in _classes())


def scientific_names() -> tuple[str, ...]:
    """The 182 scientific names, by class number; one stands for two classes."""
    return tuple(row["scientific"] for row in _classes())


def _check_categories(path: Path) -> None:
    """Scientific names tell that the numbers of these files mean the classes that the English names were written for."""
    frame = read_csv(path, ("y", "name"))
    found = [(int(y), str(name).strip().lower()) for y, name in zip(frame["y"], frame["name"], strict=True) if y < UNUSED]
    expected = [(row["y"], row["scientific"]) for row in _classes()]
    if wrong := sorted(set(found) ^ set(expected)):
        y = wrong[0][0]
        here = dict(found).get(y, "no class")
        raise UserError(
            f"{path} is not that of version 2.0: it has {len(found)} classes, number {y} is {here}",
            f"there are {len(expected)} classes, number {y} is {dict(expected).get(y, 'no class')}",
            f"replace {path} by the official file",
        )


def read(root: Path) -> pd.DataFrame:
    """One row per image: the columns of metadata.csv, `part` (train, id_val, id_test, ood_val, ood_test) and `path` below the root."""
    import pandas as pd

    _check_categories(root / FOLDER / "categories.csv")
    path = root / FOLDER / "metadata.csv"
    frame = read_csv(path, COLUMNS, dtype={"filename": "str"})
    numbers = pd.to_numeric(frame["y"], errors="coerce")
    unknown = ~numbers.isin(range(len(_classes())))
    if unknown.any():
        first = frame.index[unknown][0]
        raise UserError(
            f"{path} has a class {frame['y'][first]} in line {first + 2}",
            f"classes are numbered 0 to {len(_classes()) - 1}",
            f"replace {path} by the official file",
        )
    frame["part"] = frame["split"].map(PART)
    frame["path"] = f"{FOLDER}/train/" + frame["filename"]
    return frame


def _write_table(root: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(root / FOLDER / "metadata.csv", index=False)
    (root / FOLDER / "RELEASE_v2.0.txt").write_text("tiny subset\n", encoding="utf-8")


def _synthetic_rows() -> pd.DataFrame:
    import pandas as pd

    rows = []
    for split, cameras in CAMERAS.items():
        for place, kind in enumerate(KINDS):
            for number in range(IMAGES[split] * (2 if kind == 0 else 1)):  # no class has as many images as the empty frame
                if split == "test" and kind in NOT_IN_TEST:
                    continue
                index = len(rows)
                camera = cameras[(5 * place + number) % len(cameras)]
                name = f"{index:08x}-21bc-11ea-a13a-137349068a90"
                day = f"2013-{1 + list(CAMERAS).index(split):02}-{1 + number:02} {place:02}:{number:02}:{index % 60:02}.000"
                sequence = f"{index:08x}-21bc-11ea-ad36-13734906aaaa"
                category = _classes()[kind]["category_id"]
                rows.append((index, split, camera, 100 + camera, index, sequence, kind, category, day, f"{name}.jpg", name))
    columns = "index split location_remapped location sequence_remapped seq_id y category_id datetime filename image_id"
    return pd.DataFrame(rows, columns=columns.split()).rename(columns={"index": ""})


def write_tiny(root: Path) -> None:
    """Synthetic photographs: the camera is the domain; ID splits share their cameras, ood_val and ood_test have their own."""
    import pandas as pd
    from PIL import Image

    (root / FOLDER / "train").mkdir(parents=True)
    categories = pd.DataFrame(
        [(row["y"], row["category_id"], row["scientific"]) for row in _classes()], columns=["y", "category_id", "name"]
    )
    categories.loc[len(categories)] = (UNUSED, 5, "unused category")
    categories.to_csv(root / FOLDER / "categories.csv", index=False)
    _write_table(root, _synthetic_rows())
    for row in read(root).itertuples():
        image = paint(row.y, row.location_remapped, SIZES[row.Index % len(SIZES)], row.Index)
        Image.fromarray(image).save(root / row.path, quality=90)
    _write_outlines(root)


def _write_outlines(root: Path) -> None:
    """Of training images with an animal: two in three a mask of the middle, every third boxes alone, of which every other is uncertain."""
    from PIL import Image, ImageDraw

    frame = read(root)
    boxes, masks = {}, {}
    for number, row in enumerate(frame[(frame["part"] == "train") & (frame["y"] != 0)].itertuples()):
        name, (height, width) = Path(row.filename).stem, SIZES[row.Index % len(SIZES)]
        boxes[name] = (0.9 if number % 2 else 0.4, [[0.25, 0.25, 0.5, 0.5]])
        if number % 3:
            masks[name] = Image.new("L", (width, height), 0)
            ImageDraw.Draw(masks[name]).ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), fill=1)
    megadetector.write(root, boxes, masks)


def take_tiny(source: Path, root: Path) -> None:
    """A few photographs of each split for the classes that training has most of."""
    import pandas as pd

    frame = read(source)
    common = frame.loc[frame["part"] == "train", "y"].value_counts().index[: len(KINDS)]
    frame = frame[frame["y"].isin(common)]
    training = frame["part"] == "train"
    chosen = pd.concat([few(frame[training], ("y",), IMAGES["train"]), few(frame[~training], ("part", "y"), IMAGES["test"])]).sort_index()
    (root / FOLDER / "train").mkdir(parents=True)
    shutil.copyfile(source / FOLDER / "categories.csv", root / FOLDER / "categories.csv")
    _write_table(root, chosen.drop(columns=["part", "path"]))
    copy_all((source / path, root / path) for path in chosen["path"])
    bundle = next((folder for folder in (source, source.parent / "iwildcam-copypaste") if (folder / megadetector.BOXES).is_file()), None)
    if bundle is not None:  # needed for copy-paste alone
        masks = (f"{megadetector.MASKS}/{Path(name).stem}.png" for name in chosen["filename"])
        copy_all((bundle / name, root / name) for name in (megadetector.BOXES, *masks) if (bundle / name).is_file())
