"""FMoW's reader against rows written by hand and against wilds' own: dates, regions, and images numbered before rows are dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from wilds_layouts import FMOW, FMOW_COLUMNS, replace_in, without_column, write_fmow

from repro.datasets import fmow
from repro.errors import UserError

PARTS = {"train": "train", "id_val": "id_val", "id_test": "id_test", "val": "ood_val", "test": "ood_test"}
USED = [(number, row) for number, row in enumerate(FMOW) if row[0] != "seq"]


def test_parts_regions_years_and_paths_are_those_of_the_rows(tmp_path):
    frame = fmow.read(write_fmow(tmp_path))
    assert frame.index.tolist() == [number for number, _ in USED]
    assert frame["path"].tolist() == [f"fmow_v1.1/images/rgb_img_{number}.png" for number, _ in USED]
    assert frame["part"].tolist() == [row[4] for _, row in USED]
    assert [fmow.REGIONS[number] for number in frame["region"]] == [row[5] for _, row in USED]
    assert frame["year"].tolist() == [row[6] for _, row in USED]
    assert [fmow.CLASSES[label] for label in frame["y"]] == [row[1] for _, row in USED]
    assert fmow.REGIONS == ("Asia", "Europe", "Africa", "Americas", "Oceania", "Other")


def test_it_is_what_wilds_reads(tmp_path, authority, same_rows):
    frame = fmow.read(write_fmow(tmp_path))
    theirs = authority("fmow", "FMoWDataset")
    same_rows(theirs, frame, "y", PARTS)
    regions, years = (theirs.metadata_array[:, theirs.metadata_fields.index(field)].tolist() for field in ("region", "year"))
    assert [theirs.metadata_map["region"][number] for number in regions] == [fmow.REGIONS[number] for number in frame["region"]]
    assert [theirs.metadata_map["year"][number] for number in years] == frame["year"].tolist()
    assert theirs.metadata_map["year"] == list(range(fmow.FIRST_YEAR, fmow.LAST_YEAR + 1))


def test_the_synthetic_subset_is_read_by_wilds_as_by_us(tiny, tmp_path, authority, same_rows):
    (tmp_path / "fmow_v1.1").symlink_to(tiny / "fmow_v1.1")
    same_rows(authority("fmow", "FMoWDataset"), fmow.read(tiny), "y", PARTS)


def test_the_classes_are_those_of_wilds_in_their_order(authority, tmp_path):
    write_fmow(tmp_path)
    theirs = authority("fmow", "FMoWDataset")
    assert theirs.category_to_idx == {name: number for number, name in enumerate(fmow.CLASSES)}
    assert list(fmow.CLASSES) == sorted(fmow.CLASSES)
    assert len(fmow.CLASSES) == 62
    assert [fmow.CLASSES[label] for label in fmow.NOT_IN_AMERICAS] == ["multi-unit_residential", "tunnel_opening"]


def test_a_country_without_region_is_other(tmp_path):
    frame = fmow.read(write_fmow(tmp_path, [("train", "zoo", "ATA", "2010-01-01T00:00:00Z")]))
    assert frame["region"].tolist() == [fmow.REGIONS.index("Other")]


def test_examples_carry_region_and_year_counted_from_the_first(tmp_path):
    frame = fmow.read(write_fmow(tmp_path))
    made = fmow.as_examples(tmp_path, frame[frame["part"] == "ood_test"])
    assert [path.name for path in made.sources] == ["rgb_img_11.png", "rgb_img_12.png"]
    assert (made.groups["region"].tolist(), made.groups["year"].tolist()) == ([4, 2], [14, 15])
    assert {values.dtype for values in (made.labels, *made.groups.values())} == {np.dtype(np.int64)}


@pytest.mark.parametrize(("table", "column"), [*(("rgb_metadata", name) for name in fmow.COLUMNS), ("country_code_mapping", "region")])
def test_a_missing_column_is_named(tmp_path, table, column):
    path = write_fmow(tmp_path) / f"fmow_v1.1/{table}.csv"
    without_column(path, column)
    with pytest.raises(UserError) as caught:
        fmow.read(tmp_path)
    assert f"lacks the column {column}" in caught.value.what and str(path) in caught.value.cure


@pytest.mark.parametrize(
    ("old", "new", "what", "why"),
    [
        ("airport_hangar", "airport_hanger", "the category 'airport_hanger' in line 3", "none of the 62; the nearest is airport_hangar"),
        ("airport_hangar", "", "the category 'nan' in line 3", "none of the 62"),
        ("2016-01-01T00:00:00.000Z", "01/02/2016", "the timestamp '01/02/2016' in line 13", "2012-05-01T10:00:00Z"),
        ("2016-01-01T00:00:00.000Z", "", "the timestamp 'nan' in line 13", "2012-05-01T10:00:00Z"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path, old, new, what, why):
    path = write_fmow(tmp_path) / "fmow_v1.1/rgb_metadata.csv"
    replace_in(path, old, new)
    with pytest.raises(UserError) as caught:
        fmow.read(tmp_path)
    assert what in caught.value.what and why in caught.value.why and str(path) in caught.value.cure


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    fmow.write_tiny(root)
    return root


def test_the_synthetic_subset_has_every_part_and_region(tiny):
    frame = fmow.read(tiny)
    sizes = frame["part"].value_counts()
    assert sizes.drop("").to_dict() == {"train": 184, "id_val": 135, "ood_test": 82, "ood_val": 61, "id_test": 55}
    assert sizes[""] == 6, "rows that belong to no split"
    counts = frame[frame["part"] != ""].groupby(["part", "region"]).size().unstack()
    assert counts.shape == (5, 6) and counts.min().min() >= 1
    for region in ("Africa", "Americas", "Europe"):  # the columns of fmow-geo
        assert counts.loc["id_val", fmow.REGIONS.index(region)] >= 40
    assert frame["y"].nunique() == 16
    american = (frame["part"] == "train") & (frame["region"] == fmow.REGIONS.index("Americas"))
    assert set(frame["y"]) - set(frame.loc[american, "y"]) == set(fmow.NOT_IN_AMERICAS)
    assert set(frame.loc[(frame["part"] == "train") & ~american, "y"]) >= set(fmow.NOT_IN_AMERICAS)


def test_the_synthetic_table_has_the_traps_of_the_real_one(tiny):
    table = pd.read_csv(tiny / "fmow_v1.1/rgb_metadata.csv")
    assert table.columns.tolist() == [*FMOW_COLUMNS, "region"]
    sequestered = table.index[table["split"] == "seq"]
    assert 0 < sequestered.max() < len(table) - 1
    assert table["timestamp"].str.contains(".643Z", regex=False).sum() > 20 and table["timestamp"].str.fullmatch(r"[^.]*Z").sum() > 200
    assert not set(table["country_code"]) <= set(pd.read_csv(tiny / "fmow_v1.1/country_code_mapping.csv")["alpha-3"])
    sizes = {Image.open(tiny / path).size for path in fmow.read(tiny)["path"]}
    assert sizes == {(224, 224)}


def test_a_subset_taken_from_a_copy_is_numbered_anew(tmp_path):
    more = [("train", "dam", "USA", f"2010-01-{1 + day % 28:02}T00:00:00Z") for day in range(50)]
    many = [*FMOW[:3], *more, *FMOW[3:], ("test", "dam", "FRA", "2016-05-05T00:00:00.643Z")]
    whole = fmow.read(write_fmow(tmp_path / "whole", many))
    (tmp_path / "taken").mkdir()
    fmow.take_tiny(tmp_path / "whole", tmp_path / "taken")
    taken = fmow.read(tmp_path / "taken")
    assert taken.index.tolist() == list(range(len(taken)))
    assert taken.groupby(["part", "region"]).size().to_dict() == {
        ("id_test", 5): 1, ("ood_test", 1): 1, ("ood_test", 2): 1, ("train", 1): 1, ("train", 3): 40,
    }  # fmt: skip
    by_content = {(tmp_path / "whole" / row.path).read_bytes(): row for row in whole.itertuples()}
    for row in taken.itertuples():
        was = by_content[(tmp_path / "taken" / row.path).read_bytes()]
        assert (row.y, row.region, row.year, row.part) == (was.y, was.region, was.year, was.part)
