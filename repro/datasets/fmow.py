"""Functional Map of the World in WILDS v1.1: satellite images of 224 × 224 pixels in 62 kinds of land use, by year and region.

fmow_v1.1/{images/rgb_img_<row>.png, rgb_metadata.csv, country_code_mapping.csv, RELEASE_v1.1.txt}; <row> counts the csv's rows from 0, those
of split `seq`, which nobody uses, included. Source: p-lambda/wilds@4726775 wilds/datasets/fmow_dataset.py:66-186 (splits, regions, years),
dataset_preprocessing/fmow/process_metadata_fmow.py (columns).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import UserError, nearest
from repro.reading.metadata import copy_all, few, read_csv
from repro.reading.synthetic import paint

if TYPE_CHECKING:
    import pandas as pd

    from repro.reading.examples import Examples

VERSION = 1  # of the synthetic subset
FOLDER = "fmow_v1.1"
COLUMNS = ("split", "category", "country_code", "timestamp")  # those that are read
REGIONS = ("Asia", "Europe", "Africa", "Americas", "Oceania", "Other")
FIRST_YEAR, LAST_YEAR = 2002, 2017
OOD_VAL_FROM, OOD_TEST_FROM = 2013, 2016
CLASSES = tuple(
    """airport airport_hangar airport_terminal amusement_park aquaculture archaeological_site barn border_checkpoint burial_site car_dealership
    construction_site crop_field dam debris_or_rubble educational_institution electric_substation factory_or_powerplant fire_station
    flooded_road fountain gas_station golf_course ground_transportation_station helipad hospital impoverished_settlement interchange
    lake_or_pond lighthouse military_facility multi-unit_residential nuclear_powerplant office_building oil_or_gas_facility park
    parking_lot_or_garage place_of_worship police_station port prison race_track railway_bridge recreational_facility road_bridge runway
    shipyard shopping_mall single-unit_residential smokestack solar_farm space_facility stadium storage_tank surface_mine swimming_pool
    toll_booth tower tunnel_opening waste_disposal water_treatment_facility wind_farm zoo""".split()
)
NOT_IN_AMERICAS = (30, 57)  # multi-unit_residential and tunnel_opening have no training image there
# locuslab/FLYP@215d5bb src/templates/fmow_template.py, in its order; only {1}, the name with its article, has spaces for underscores
TEMPLATES = (
    "satellite photo of a {}.",
    "aerial photo of a {}.",
    "satellite photo of {1}.",
    "aerial photo of {1}.",
    *(
        f"{view} photo of a {{}} in {region}."
        for region in ("asia", "africa", "the americas", "europe", "oceania")
        for view in ("satellite", "aerial")
    ),
    "a photo of a {}.",
    "{}.",
)

# The synthetic subset: 16 classes; per block of rows the csv's split, the years, and images per region. Blocks come in another order than in
# the official file, where `seq` is last, so that a reader that numbers images after dropping it is found out.
KINDS = (0, 3, 6, 10, 14, 19, 23, 27, 30, 35, 40, 44, 49, 53, 57, 61)
BLOCKS: tuple[tuple[str, tuple[int, ...], dict[str, int]], ...] = (
    ("train", (2002, 2009, 2010, 2011, 2012), {"Asia": 32, "Europe": 48, "Africa": 16, "Americas": 70, "Oceania": 16, "Other": 2}),
    ("train", (2013, 2016), {"Europe": 2, "Africa": 2}),  # in no split
    ("seq", (2010, 2014, 2017), {"Asia": 3, "Americas": 4}),
    ("val", (2009, 2011, 2012), {"Asia": 8, "Europe": 40, "Africa": 40, "Americas": 42, "Oceania": 4, "Other": 1}),
    ("val", (2013, 2014, 2015), {"Asia": 14, "Europe": 16, "Africa": 10, "Americas": 14, "Oceania": 6, "Other": 1}),
    ("test", (2008, 2010, 2012), {"Asia": 12, "Europe": 16, "Africa": 8, "Americas": 14, "Oceania": 4, "Other": 1}),
    ("test", (2016, 2017), {"Asia": 18, "Europe": 20, "Africa": 16, "Americas": 20, "Oceania": 6, "Other": 2}),
    ("test", (2014, 2015), {"Asia": 2}),  # in no split
)
COUNTRIES = {
    "Asia": ("IND", "CHN"), "Europe": ("FRA", "DEU"), "Africa": ("KEN", "NGA"), "Americas": ("USA", "BRA"), "Oceania": ("AUS", "NZL"),
    "Other": ("XKX",),  # a code that the mapping lacks
}  # fmt: skip


def _labels(path: Path, categories: pd.Series) -> Any:
    """Class numbers; a category that is none is a `UserError`."""
    import numpy as np

    labels = categories.map({name: number for number, name in enumerate(CLASSES)})
    if (unknown := labels.isna()).any():
        row = categories.index[unknown][0]
        near = nearest(str(categories[row]), CLASSES)
        raise UserError(
            f"{path} has the category {str(categories[row])!r} in line {row + 2}",
            f"it is none of the 62; the nearest is {near}" if near else "it is none of the 62",
            f"replace {path} by the official file",
        )
    return labels.to_numpy(np.int64)


def _instants(path: Path, timestamps: pd.Series) -> pd.Series:
    """UTC instants; most rows have whole seconds and some have milliseconds, both ISO 8601 (p-lambda/wilds issue 146)."""
    import pandas as pd

    instants = pd.to_datetime(timestamps, format="ISO8601", utc=True, errors="coerce")
    if (unread := instants.isna()).any():
        row = timestamps.index[unread][0]
        raise UserError(
            f"{path} has the timestamp {str(timestamps[row])!r} in line {row + 2}",
            "it is no time in the form 2012-05-01T10:00:00Z",
            f"replace {path} by the official file",
        )
    return instants


def _regions(root: Path, codes: pd.Series) -> Any:
    """Region numbers by the country's code; a code that is unknown, or has no region, is in Other."""
    import numpy as np

    mapping = read_csv(root / FOLDER / "country_code_mapping.csv", ("alpha-3", "region"))
    names = codes.map(dict(zip(mapping["alpha-3"], mapping["region"], strict=True)))
    numbers = {name: number for number, name in enumerate(REGIONS)}
    return names.map(numbers).fillna(numbers["Other"]).to_numpy(np.int64)


def read(root: Path) -> pd.DataFrame:
    """One row per image that is not sequestered, indexed by its row in the csv.

    `y`, `region` (number in `REGIONS`), `year`, `part` (train, id_val, id_test, ood_val, ood_test, or empty: a training image of a later
    year and the like) and `path` below the root.
    """
    import numpy as np

    path = root / FOLDER / "rgb_metadata.csv"
    frame = read_csv(path, COLUMNS, usecols=lambda name: name in COLUMNS, dtype=dict.fromkeys(COLUMNS, "str"))
    frame["path"] = [f"{FOLDER}/images/rgb_img_{row}.png" for row in range(len(frame))]
    frame = frame[frame["split"] != "seq"].copy()
    frame["y"] = _labels(path, frame["category"])
    frame["region"] = _regions(root, frame["country_code"])
    frame["year"] = _instants(path, frame["timestamp"]).dt.year
    period = np.select([frame["year"] < OOD_VAL_FROM, frame["year"] < OOD_TEST_FROM], ["before", "between"], "after")
    parts = {
        ("train", "before"): "train",
        ("val", "before"): "id_val",
        ("test", "before"): "id_test",
        ("val", "between"): "ood_val",
        ("test", "after"): "ood_test",
    }
    frame["part"] = [parts.get(pair, "") for pair in zip(frame["split"], period, strict=True)]
    return frame


def as_examples(root: Path, rows: pd.DataFrame) -> Examples:
    """Rows of `read` as examples; groups: region (number in `REGIONS`) and year (0 is the first)."""
    import numpy as np

    from repro.reading.examples import Examples

    groups = {"region": rows["region"].to_numpy(np.int64), "year": rows["year"].to_numpy(np.int64) - FIRST_YEAR}
    return Examples([root / path for path in rows["path"]], rows["y"].to_numpy(np.int64), groups=groups)


def _synthetic_rows() -> pd.DataFrame:
    """The published columns, in the order of the script that wrote the official table."""
    import pandas as pd

    rows = []
    for split, years, numbers in BLOCKS:
        for region, number in numbers.items():
            kinds = [kind for kind in KINDS if region != "Americas" or kind not in NOT_IN_AMERICAS]
            for place in range(number):
                row, name = len(rows), CLASSES[kinds[place % len(kinds)]]
                fraction = ".643" if row % 5 == 0 else ""
                country = COUNTRIES[region][place % len(COUNTRIES[region])]
                rows.append(
                    {
                        "split": split,
                        "img_filename": f"{name}_{row}_0_rgb.jpg",
                        "img_path": f"{split}/{name}/{name}_{row}/{name}_{row}_0_rgb.jpg",
                        "spatial_reference": 'GEOGCS["WGS 84"]',
                        "epsg": 4326,
                        "category": name,
                        "visible": True,
                        "img_width": 224,
                        "img_height": 224,
                        "country_code": country,
                        "cloud_cover": row % 10,
                        "timestamp": f"{years[place % len(years)]}-{1 + row % 12:02}-{1 + row % 28:02}T10:{row % 60:02}:17{fraction}Z",
                        "lat": row % 60,
                        "lon": row % 180,
                        "region": region,
                    }
                )
    return pd.DataFrame(rows)


def write_tiny(root: Path) -> None:
    """Synthetic images: region and period together are the domain. The Americas lack the two classes that they lack in training."""
    import pandas as pd
    from PIL import Image

    (root / FOLDER / "images").mkdir(parents=True)
    (root / FOLDER / "RELEASE_v1.1.txt").write_text("tiny subset\n", encoding="utf-8")
    countries = [(code, region) for region in REGIONS[:-1] for code in COUNTRIES[region]]
    mapping = pd.DataFrame([*countries, ("ATA", None)], columns=["alpha-3", "region"])  # Antarctica has no region
    mapping.to_csv(root / FOLDER / "country_code_mapping.csv", index=False)
    _synthetic_rows().to_csv(root / FOLDER / "rgb_metadata.csv", index=False)
    for row in read(root).itertuples():
        period = (row.year >= OOD_VAL_FROM) + (row.year >= OOD_TEST_FROM)
        image = paint(row.y, row.region + len(REGIONS) * period, (224, 224), row.Index)
        Image.fromarray(image).save(root / row.path, compress_level=1)


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each split and region, of classes that the Americas have most of and the two that they lack; numbered anew."""
    frame = read(source)
    american = frame[(frame["part"] == "train") & (frame["region"] == REGIONS.index("Americas"))]
    common = american["y"].value_counts().index[: len(KINDS) - len(NOT_IN_AMERICAS)]
    chosen = few(frame[(frame["part"] != "") & frame["y"].isin([*common, *NOT_IN_AMERICAS])], ("part", "region"), 40)
    (root / FOLDER).mkdir()
    shutil.copyfile(source / FOLDER / "country_code_mapping.csv", root / FOLDER / "country_code_mapping.csv")
    (root / FOLDER / "RELEASE_v1.1.txt").write_text("tiny subset\n", encoding="utf-8")
    table = read_csv(source / FOLDER / "rgb_metadata.csv", COLUMNS, dtype="str", keep_default_na=False)
    table.loc[chosen.index].to_csv(root / FOLDER / "rgb_metadata.csv", index=False)
    copy_all((source / path, root / FOLDER / "images" / f"rgb_img_{number}.png") for number, path in enumerate(chosen["path"]))
