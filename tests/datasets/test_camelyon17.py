"""Camelyon17's reader against rows written by hand and against wilds' own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from wilds_layouts import (
    CAMELYON17,
    CAMELYON17_UNLABELLED,
    replace_in,
    without_column,
    write_camelyon17,
    write_camelyon17_unlabelled,
)

from repro.datasets import camelyon17
from repro.errors import UserError

PARTS = {"train": "train", "id_val": "id_val", "val": "ood_val", "test": "ood_test"}


def test_parts_and_paths_are_those_of_the_rows(tmp_path):
    frame = camelyon17.read(write_camelyon17(tmp_path))
    assert frame["part"].tolist() == [row[-1] for row in CAMELYON17]
    assert frame["tumor"].tolist() == [row[4] for row in CAMELYON17] and frame["center"].tolist() == [row[6] for row in CAMELYON17]
    assert frame["path"][0] == "camelyon17_v1.0/patches/patient_004_node_4/patch_patient_004_node_4_x_3328_y_21792.png"
    assert all((tmp_path / path).is_file() for path in frame["path"])


def test_it_is_what_wilds_reads(tmp_path, authority, same_rows):
    frame = camelyon17.read(write_camelyon17(tmp_path))
    theirs = authority("camelyon17", "Camelyon17Dataset")
    same_rows(theirs, frame, "tumor", PARTS)
    assert theirs.metadata_fields[0] == "hospital"
    assert theirs.metadata_array[:, 0].tolist() == frame["center"].tolist()


@pytest.mark.parametrize("column", camelyon17.COLUMNS)
def test_a_missing_column_is_named(tmp_path, column):
    path = write_camelyon17(tmp_path) / "camelyon17_v1.0/metadata.csv"
    without_column(path, column)
    with pytest.raises(UserError) as caught:
        camelyon17.read(tmp_path)
    assert f"lacks the column {column}" in caught.value.what and str(path) in caught.value.cure


def test_a_table_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*metadata\.csv"):
        camelyon17.read(tmp_path)
    path = write_camelyon17(tmp_path) / "camelyon17_v1.0/metadata.csv"
    replace_in(path, "0,004,4", "0,004,4,5,6,7,8,9,10,11")
    with pytest.raises(UserError, match="is not the published table"):
        camelyon17.read(tmp_path)


def test_the_synthetic_subset_has_every_hospital_and_class_where_they_belong(tmp_path):
    camelyon17.write_tiny(tmp_path)
    frame = camelyon17.read(tmp_path)
    assert {part: set(rows["center"]) for part, rows in frame.groupby("part")} == {
        "train": {0, 3, 4}, "id_val": {0, 3, 4}, "ood_val": {1}, "ood_test": {2},
    }  # fmt: skip
    assert all(rows["tumor"].mean() == 0.5 and len(rows) >= 24 for _, rows in frame.groupby("part"))
    pixels = [np.asarray(Image.open(tmp_path / path)) for path in frame["path"]]
    assert {image.shape for image in pixels} == {(96, 96, 3)} and len({image.tobytes() for image in pixels}) == len(frame)
    assert (tmp_path / "camelyon17_v1.0/RELEASE_v1.0.txt").is_file()


def test_patches_without_labels_are_parted_by_hospital_alone(tmp_path):
    frame = camelyon17.read_unlabelled(write_camelyon17_unlabelled(tmp_path))
    assert frame["part"].tolist() == [row[-1] for row in CAMELYON17_UNLABELLED]
    assert frame["path"][0] == "camelyon17_unlabeled_v1.0/patches/patient_005_node_0/patch_patient_005_node_0_x_96_y_3200.png"
    assert all((tmp_path / path).is_file() for path in frame["path"])


def test_they_are_named_as_wilds_names_them(tmp_path, monkeypatch):
    """wilds' class asserts the number of its patches; what it makes of the rows before that is looked at here."""
    from wilds.datasets.unlabeled import camelyon17_unlabeled_dataset as theirs

    frame = camelyon17.read_unlabelled(write_camelyon17_unlabelled(tmp_path))
    made = theirs.Camelyon17UnlabeledDataset.__new__(theirs.Camelyon17UnlabeledDataset)
    with pytest.raises(AssertionError):
        made.__init__(root_dir=str(tmp_path))
    assert [f"camelyon17_unlabeled_v1.0/{name}" for name in made._input_array] == frame["path"].tolist()
    names = {number: name for name, number in made._split_dict.items()}
    assert [names[number] for number in made._metadata_df["split"]] == frame["part"].tolist()


def test_the_synthetic_subset_has_patches_without_labels_of_every_hospital(tmp_path):
    camelyon17.write_tiny(tmp_path)
    frame = camelyon17.read_unlabelled(tmp_path)
    assert frame["part"].value_counts().to_dict() == {"train_unlabeled": 72, "val_unlabeled": 24, "test_unlabeled": 24}
    assert not set(frame["slide"]) & set(camelyon17.read(tmp_path)["slide"])


def test_a_subset_takes_patches_without_labels_where_they_are_there(tmp_path):
    write_camelyon17(tmp_path / "whole")
    whole = camelyon17.read_unlabelled(write_camelyon17_unlabelled(tmp_path / "whole"))
    (tmp_path / "taken").mkdir()
    camelyon17.take_tiny(tmp_path / "whole", tmp_path / "taken")
    taken = camelyon17.read_unlabelled(tmp_path / "taken")
    assert taken["path"].tolist() == whole["path"].tolist() and all((tmp_path / "taken" / path).is_file() for path in taken["path"])


def test_a_subset_taken_from_a_copy_is_read_as_the_copy_is(tmp_path):
    whole = camelyon17.read(write_camelyon17(tmp_path / "whole"))
    (tmp_path / "taken").mkdir()
    camelyon17.take_tiny(tmp_path / "whole", tmp_path / "taken")
    taken = camelyon17.read(tmp_path / "taken")
    assert taken.equals(whole), "few rows are all taken"
    assert all((tmp_path / "taken" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes() for path in taken["path"])
