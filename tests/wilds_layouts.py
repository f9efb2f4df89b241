"""The official layouts of three WILDS data sets, written by hand from their published description: few rows, tiny images, all different."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CAMELYON17 = (  # patient, node, x, y, tumor, slide, center, split; what part it is in follows
    ("004", 4, 3328, 21792, 1, 0, 0, 0, "train"),
    ("004", 4, 3200, 22272, 0, 0, 0, 1, "id_val"),
    ("020", 2, 64, 128, 1, 10, 1, 0, "ood_val"),
    ("021", 3, 64, 128, 0, 11, 1, 1, "ood_val"),
    ("042", 3, 96, 32, 1, 23, 2, 0, "ood_test"),
    ("040", 1, 96, 64, 0, 20, 2, 1, "ood_test"),
    ("064", 0, 32, 32, 0, 30, 3, 0, "train"),
    ("099", 4, 10016, 20000, 1, 49, 4, 1, "id_val"),
    ("099", 4, 9984, 20000, 0, 49, 4, 0, "train"),
)

CAMELYON17_UNLABELLED = (  # patient, node, x, y, tumor, slide, center; what part it is in follows
    ("005", 0, 96, 3200, -1, 1, 0, "train_unlabeled"),
    ("022", 1, 96, 3200, -1, 12, 1, "val_unlabeled"),
    ("044", 1, 96, 3200, -1, 24, 2, "test_unlabeled"),
    ("044", 2, 128, 3200, -1, 25, 2, "test_unlabeled"),
    ("098", 2, 128, 3200, -1, 48, 4, "train_unlabeled"),
)

IWILDCAM = (  # split, camera (as remapped), class; what part it is in follows
    ("train", 0, 0, "train"),
    ("test", 4, 3, "ood_test"),
    ("train", 1, 1, "train"),
    ("id_val", 0, 2, "id_val"),
    ("val", 3, 0, "ood_val"),
    ("id_test", 1, 1, "id_test"),
    ("train", 2, 3, "train"),
    ("test", 5, 0, "ood_test"),
    ("train", 2, 2, "train"),
)

FMOW = (  # split, category, country, timestamp; part, region and year follow
    ("seq", "zoo", "USA", "2010-05-01T10:00:00Z", None, None, None),
    ("train", "airport_hangar", "USA", "2012-12-31T23:59:59Z", "train", "Americas", 2012),
    ("train", "multi-unit_residential", "FRA", "2002-02-11T08:00:00.643Z", "train", "Europe", 2002),
    ("train", "airport", "IND", "2013-01-01T00:00:00Z", "", "Asia", 2013),
    ("val", "zoo", "KEN", "2012-12-31T23:59:59.999Z", "id_val", "Africa", 2012),
    ("seq", "airport", "KEN", "2016-03-01T10:00:00.643Z", None, None, None),
    ("val", "port", "AUS", "2013-01-01T00:00:00Z", "ood_val", "Oceania", 2013),
    ("val", "port", "XKX", "2015-12-31T23:59:59Z", "ood_val", "Other", 2015),
    ("val", "dam", "BRA", "2016-01-01T00:00:00Z", "", "Americas", 2016),
    ("test", "dam", "", "2009-07-01T00:00:00Z", "id_test", "Other", 2009),
    ("test", "barn", "CHN", "2015-12-31T23:59:59Z", "", "Asia", 2015),
    ("test", "barn", "NZL", "2016-01-01T00:00:00.000Z", "ood_test", "Oceania", 2016),
    ("test", "tunnel_opening", "NGA", "2017-12-31T23:59:59Z", "ood_test", "Africa", 2017),
    ("val", "tower", "DEU", "2011-04-01T12:00:00Z", "id_val", "Europe", 2011),
    ("seq", "tower", "DEU", "2011-04-01T12:00:00Z", None, None, None),
    ("val", "airport", "USA", "2010-04-01T12:00:00Z", "id_val", "Americas", 2010),
)
FMOW_COLUMNS = (
    "split img_filename img_path spatial_reference epsg category visible img_width img_height country_code cloud_cover timestamp lat lon"
).split()
COUNTRIES = {
    "IND": "Asia", "CHN": "Asia", "FRA": "Europe", "DEU": "Europe", "KEN": "Africa", "NGA": "Africa", "USA": "Americas", "BRA": "Americas",
    "AUS": "Oceania", "NZL": "Oceania", "ATA": "",
}  # fmt: skip


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


def write_image(path: Path, number: int) -> None:
    """An image of 16 × 16 pixels whose content tells its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)).save(path)


def write_camelyon17(root: Path) -> Path:
    columns = ("", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split")
    return _write_patches(root, "camelyon17_v1.0", columns, CAMELYON17)


def write_camelyon17_unlabelled(root: Path) -> Path:
    columns = ("", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center")
    return _write_patches(root, "camelyon17_unlabeled_v1.0", columns, CAMELYON17_UNLABELLED)


def _write_patches(root: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence]) -> Path:
    folder = root / name
    write_csv(folder / "metadata.csv", columns, [(number, *row[:-1]) for number, row in enumerate(rows)])
    for number, (patient, node, x, y, *_) in enumerate(rows):
        write_image(folder / f"patches/patient_{patient}_node_{node}/patch_patient_{patient}_node_{node}_x_{x}_y_{y}.png", number)
    (folder / "RELEASE_v1.0.txt").write_text("")
    return root


def write_iwildcam(root: Path, categories: Iterable[Sequence], rows: Sequence[Sequence] = IWILDCAM) -> Path:
    """`categories`: (y, category_id, name)."""
    folder = root / "iwildcam_v2.0"
    columns = "split location_remapped location sequence_remapped seq_id y category_id datetime filename image_id".split()
    table = [
        (n, split, camera, 100 + camera, n, f"s{n}", y, 2 * y, f"2013-06-05 05:44:{n % 60:02}.000", f"8b{n:04}-21bc.jpg", f"8b{n:04}-21bc")
        for n, (split, camera, y, *_) in enumerate(rows)
    ]
    write_csv(folder / "metadata.csv", ("", *columns), table)
    write_csv(folder / "categories.csv", ("y", "category_id", "name"), [*categories, (99999, 243, "didelphis sp")])
    for number, row in enumerate(table):
        write_image(folder / "train" / row[9], number)
    (folder / "RELEASE_v2.0.txt").write_text("")
    return root


def write_fmow(root: Path, rows: Sequence[Sequence] = FMOW) -> Path:
    folder = root / "fmow_v1.1"
    table = [
        (split, f"{n}_rgb.jpg", f"{split}/{n}_rgb.jpg", "", 4326, category, True, 500, 400, country, 3, time, 1.5, 2.5)
        for n, (split, category, country, time, *_) in enumerate(rows)
    ]
    write_csv(folder / "rgb_metadata.csv", FMOW_COLUMNS, table)
    write_csv(folder / "country_code_mapping.csv", ("alpha-3", "region"), COUNTRIES.items())
    for number in range(len(table)):
        write_image(folder / f"images/rgb_img_{number}.png", number)
    (folder / "RELEASE_v1.1.txt").write_text("")
    return root


def without_column(path: Path, column: str) -> None:
    """Rewrite a csv file without one of its columns."""
    with path.open(newline="", encoding="utf-8") as stream:
        columns, *rows = list(csv.reader(stream))
    gone = columns.index(column)
    write_csv(path, columns[:gone] + columns[gone + 1 :], [row[:gone] + row[gone + 1 :] for row in rows])


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
