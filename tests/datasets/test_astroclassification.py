"""AstroClassification's files against an independent reading with pandas; the parts; what is not there."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.datasets import astroclassification as data
from repro.errors import UserError
from repro.reading import light_curves
from repro.types import Split

BY_NAME = {split.name: split for split in data.SPLITS}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("astro")
    data.write_tiny(folder)
    return folder


def frame(root: Path, *files: str) -> pd.DataFrame:
    return pd.concat([pd.read_json(io.StringIO((root / name).read_text()), lines=True, precise_float=True) for name in files])


def test_the_parts_are_whole_objects_and_hold_everything_once(root: Path) -> None:
    rows = frame(root, *data.TRAIN)
    originals = set(rows["object_id"][~rows["object_id"].str.contains("_aug_")])
    parts = {name: data.of_split(root, BY_NAME[name]) for name in ("train", "id_val", "id_test")}
    names = {name: {curve.name for curve in curves} for name, curves in parts.items()}
    assert set.union(*names.values()) == originals and sum(map(len, names.values())) == len(originals) == 140
    assert 90 <= len(names["train"]) <= 130 and min(map(len, names.values())) >= 5
    redshifted = data.of_split(root, BY_NAME["redshifted"])
    assert {curve.name for curve in redshifted} == set(rows["object_id"][rows["object_id"].str.partition("_aug_")[0].isin(names["train"])])
    assert len(redshifted) == 2 * len(names["train"])


def test_labels_redshifts_and_observations_are_the_files(root: Path) -> None:
    rows = frame(root, *data.TRAIN).set_index("object_id")
    for curve in data.of_split(root, BY_NAME["redshifted"]):
        row = rows.loc[curve.name]
        assert (curve.label, curve.redshift) == (row["label"], row["redshift"])
        assert np.array_equal(curve.observations, np.hstack([np.array(row["times_wv"]), np.array(row["lightcurve"])]))


def test_kinds_that_training_has_not_are_left_out_of_the_test(root: Path) -> None:
    rows = frame(root, data.TEST)
    assert (rows["label"] == 14).sum() == 1
    assert [curve.name for curve in data.of_split(root, BY_NAME["ood_test"])] == rows["object_id"][rows["label"] < 14].tolist()
    pretrain = [curve.name for curve in data.of_split(root, BY_NAME["pretrain"])]
    assert len(pretrain) == 140 + 56 and not any("_aug_" in name for name in pretrain)


def test_a_test_set_that_was_not_brought_is_asked_for(root: Path, tmp_path: Path) -> None:
    for name in data.TRAIN:
        (tmp_path / name).write_bytes((root / name).read_bytes())
    assert data.of_split(tmp_path, BY_NAME["train"])
    with pytest.raises(UserError, match=r"there is no plasticc_test\.jsonl"):
        data.of_split(tmp_path, Split(name="ood_test", role="ood_test"))


def test_a_subset_taken_from_a_copy_is_a_subset(root: Path, tmp_path: Path) -> None:
    data.take_tiny(root, tmp_path)
    taken, whole = data.read_train(tmp_path), {curve.name: curve for curve in data.read_train(root)}
    assert 140 <= len(taken) <= len(whole) and all(np.array_equal(curve.observations, whole[curve.name].observations) for curve in taken)
    assert {curve.original for curve in taken} == {curve.name for curve in light_curves.without_copies(taken)}
    assert {curve.label for curve in data.read_test(tmp_path)} == set(range(14))
