"""iWildCam's reader and its 182 names against rows written by hand, against the published list, and against wilds' own reader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from wilds_layouts import IWILDCAM, replace_in, without_column, write_iwildcam

from repro import paths
from repro.data import manifest
from repro.datasets import iwildcam
from repro.errors import UserError
from repro.reading import megadetector

FOLDER = "iwildcam_v2.0"


def classes() -> list[dict]:
    return json.loads((paths.manifests_dir() / "iwildcam_classes.json").read_text(encoding="utf-8"))["classes"]


def write(root, rows=IWILDCAM):
    return write_iwildcam(root, [(row["y"], row["category_id"], row["scientific"]) for row in classes()], rows)


def test_the_names_are_the_published_ones():
    rows = classes()
    lines = ["y,category_id,name,english", *(f"{row['y']},{row['category_id']},{row['scientific']},{row['english']}" for row in rows)]
    text = "".join(f"{line}\n" for line in lines).encode()
    # of the first 183 lines of labels.csv, whose whole has the md5 46664154b7a4dbefa43824728dfecc70
    assert hashlib.md5(text).hexdigest() == "a3b069136fc2bd900923893f4dc7a302"
    assert [row["y"] for row in rows] == list(range(182))
    assert "iwildcam_classes.json" in manifest.load("iwildcam").ships


def test_four_names_stand_for_two_classes_each():
    names = iwildcam.names()
    assert len(names) == 182 and all(name == name.lower() for name in names)
    assert (names[0], names[1], names[52], names[181]) == (
        "empty", "white-lipped peccary", "günther's dik-dik", "central american red brocket",
    )  # fmt: skip
    places = {name: [y for y, other in enumerate(names) if other == name] for name in names}
    assert {name: found for name, found in places.items() if len(found) > 1} == {
        "lowland paca": [3, 148],
        "jaguarundi": [19, 174],
        "unknown bird": [82, 178],
        "central american red brocket": [153, 181],
    }
    scientific = [row["scientific"] for row in classes()]
    assert (scientific[3], scientific[148]) == ("cuniculus paca", "agouti paca")
    assert (scientific[19], scientific[174]) == ("puma yagouaroundi", "puma yagoroundi")
    assert scientific[178] == "ave desconocida" and scientific[153] == scientific[181] == "mazama temama"


def test_parts_and_paths_are_those_of_the_rows(tmp_path):
    frame = iwildcam.read(write(tmp_path))
    assert frame["part"].tolist() == [row[-1] for row in IWILDCAM]
    assert frame["y"].tolist() == [row[2] for row in IWILDCAM]
    assert frame["path"][3] == "iwildcam_v2.0/train/8b0003-21bc.jpg"


def test_it_is_what_wilds_reads(tmp_path, authority, same_rows):
    frame = iwildcam.read(write(tmp_path))
    theirs = authority("iwildcam", "IWildCamDataset")
    same_rows(theirs, frame, "y", {"train": "train", "id_val": "id_val", "id_test": "id_test", "val": "ood_val", "test": "ood_test"})
    assert theirs.metadata_fields[0] == "location"
    assert theirs.metadata_array[:, 0].tolist() == frame["location_remapped"].tolist()


@pytest.mark.parametrize("column", iwildcam.COLUMNS)
def test_a_missing_column_is_named(tmp_path, column):
    path = write(tmp_path) / FOLDER / "metadata.csv"
    without_column(path, column)
    with pytest.raises(UserError) as caught:
        iwildcam.read(tmp_path)
    assert f"lacks the column {column}" in caught.value.what and str(path) in caught.value.cure


@pytest.mark.parametrize("wrong", [-1, 182, 99999, "x"])
def test_a_class_that_is_none_is_named_with_its_line(tmp_path, wrong):
    path = write(tmp_path, [*IWILDCAM, ("train", 0, 0)]) / FOLDER / "metadata.csv"
    replace_in(path, ",s9,0,", f",s9,{wrong},")
    with pytest.raises(UserError) as caught:
        iwildcam.read(tmp_path)
    assert f"a class {wrong} in line 11" in caught.value.what and "0 to 181" in caught.value.why


@pytest.mark.parametrize(
    ("old", "new", "what", "why"),
    [
        ("3,4,cuniculus paca\n", "3,4,agouti paca\n", "number 3 is agouti paca", "number 3 is cuniculus paca"),
        ("181,571,mazama temama\n", "", "has 181 classes, number 181 is no class", "182 classes, number 181 is mazama temama"),
        ("99999,", "182,", "has 183 classes, number 182 is didelphis sp", "number 182 is no class"),
    ],
)
def test_categories_of_another_version_are_refused(tmp_path, old, new, what, why):
    path = write(tmp_path) / FOLDER / "categories.csv"
    text = path.read_bytes().decode().replace("\r\n", "\n")
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        iwildcam.read(tmp_path)
    assert what in caught.value.what and why in caught.value.why and str(path) in caught.value.cure


def test_the_synthetic_subset_keeps_what_the_real_one_shows(tmp_path):
    iwildcam.write_tiny(tmp_path)
    frame = iwildcam.read(tmp_path)
    sizes = frame["part"].value_counts()
    assert 150 <= sizes["train"] <= 300 and sizes.drop("train").between(40, 100).all() and len(sizes) == 5
    assert frame["y"].nunique() == 24 and {0, 3, 148} <= set(frame["y"])
    cameras = {part: set(rows["location_remapped"]) for part, rows in frame.groupby("part")}
    assert cameras["train"] >= cameras["id_val"] | cameras["id_test"]
    assert not cameras["ood_val"] & (cameras["train"] | cameras["ood_test"]) and not cameras["train"] & cameras["ood_test"]
    assert set(frame.loc[frame["part"] == "ood_test", "y"]) < set(frame.loc[frame["part"] == "train", "y"])
    columns = "split location_remapped location sequence_remapped seq_id y category_id datetime filename image_id".split()
    assert frame.columns.tolist()[1:-2] == columns
    shapes = {Image.open(tmp_path / path).size for path in frame["path"]}
    assert shapes == {(128, 96), (144, 112), (160, 120)}
    assert len({np.asarray(Image.open(tmp_path / path)).tobytes() for path in frame["path"]}) == len(frame)


def test_a_subset_taken_from_a_copy_has_the_common_classes_of_every_split(tmp_path):
    rows = [("train", 0, y) for y in range(30) for _ in range(30 - y)] + [("test", 1, y) for y in range(30) for _ in range(5)]
    whole = iwildcam.read(write(tmp_path / "whole", rows))
    (tmp_path / "taken").mkdir()
    iwildcam.take_tiny(tmp_path / "whole", tmp_path / "taken")
    taken = iwildcam.read(tmp_path / "taken")
    assert set(taken["y"]) == set(range(24))
    assert taken.groupby(["part", "y"]).size().unstack().loc["train"].tolist() == [7] * 24
    assert taken.groupby(["part", "y"]).size().unstack().loc["ood_test"].tolist() == [3] * 24
    known = whole.set_index("filename")
    assert known.loc[taken["filename"], ["y", "part", "path"]].to_numpy().tolist() == taken[["y", "part", "path"]].to_numpy().tolist()
    assert all((tmp_path / "taken" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes() for path in taken["path"])


def test_masks_and_boxes_go_with_the_subset(tmp_path):
    """Of training images with an animal: masks, boxes that count, and boxes that are too uncertain; all that a taken subset needs of them."""
    iwildcam.write_tiny(tmp_path / "iwildcam")
    frame = iwildcam.read(tmp_path / "iwildcam")
    animals = frame[(frame["part"] == "train") & (frame["y"] != 0)]
    names = [Path(name).stem for name in animals["filename"]]
    found = megadetector.read(tmp_path / "iwildcam", names, "mend")
    kinds = {kind: sum(outline == kind for outline in [(one.mask is not None, bool(one.boxes)) for one in found]) for kind in
             ((True, True), (True, False), (False, True), (False, False))}  # fmt: skip
    assert min(kinds.values()) >= 20 and sum(kinds.values()) == len(names) and not any(one.boxes is None for one in found)
    (tmp_path / "taken").mkdir()
    iwildcam.take_tiny(tmp_path / "iwildcam", tmp_path / "taken")
    taken = [Path(name).stem for name in iwildcam.read(tmp_path / "taken")["filename"]]
    masks = {path.stem for path in (tmp_path / "taken/instance_masks").glob("*.png")}
    assert masks == {name for name, one in zip(names, found, strict=True) if one.mask} & set(taken) and len(masks) > 50
    assert (tmp_path / "taken/megadetector_results.json").read_bytes() == (tmp_path / "iwildcam/megadetector_results.json").read_bytes()
