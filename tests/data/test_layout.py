"""A folder against its manifest: what is missing, cut short or mislabelled shows as a number."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from repro.data.counts import histogram_hash
from repro.data.layout import check_layout, check_members, faults
from repro.data.manifest import Manifest
from repro.errors import UserError


def dataset(**fields) -> Manifest:
    return Manifest.model_validate({"name": "toy", "kind": "dataset", "title": "Toy", "caption": "a toy", **fields})


def counted(n: int, rule: dict, **fields) -> Manifest:
    return dataset(counts=({"split": "train", "n": n, "confidence": "verified", "rule": rule, **fields},))


def sentences(m: Manifest, root: Path) -> list[str]:
    return [finding.sentence() for finding in faults(check_layout(m, root))]


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_required_paths_and_patterns(tmp_path):
    m = dataset(layout={"required": ("a/one", "a/two"), "patterns": ("a/*.jpg",)})
    write(tmp_path / "a" / "one")
    assert sentences(m, tmp_path) == [
        "layout: expected 2 required paths, found 1 (missing: a/two)",
        "layout: expected 1 patterns with a match, found 0 (missing: a/*.jpg)",
    ]
    write(tmp_path / "a" / "two")
    write(tmp_path / "a" / "1.jpg")
    assert [finding.state for finding in check_layout(m, tmp_path)] == ["ok", "ok"]


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(UserError) as caught:
        check_layout(dataset(), tmp_path / "absent")
    assert "absent" in caught.value.what and caught.value.cure == "repro data fetch toy"


def test_files_are_counted_below_and_per_class(tmp_path):
    m = counted(3, {"kind": "files", "path": "train", "suffixes": (".jpg",)}, histogram=(2, 1))
    for name in ("dog/1.jpg", "cat/1.jpg", "cat/deep/2.jpg", "cat/note.txt"):
        write(tmp_path / "train" / name)
    assert sentences(m, tmp_path) == []
    (tmp_path / "train" / "cat" / "1.jpg").rename(tmp_path / "train" / "dog" / "2.jpg")
    assert sentences(m, tmp_path) == [
        "train, per class: expected 2 classes of the right size, found 0 (first: label 0, expected 2, found 1)"
    ]
    (tmp_path / "train" / "dog" / "2.jpg").unlink()
    assert sentences(m, tmp_path)[0] == "train: expected 3 examples, found 2"


def test_folders_are_counted(tmp_path):
    m = counted(2, {"kind": "folders", "path": "train"})
    write(tmp_path / "train" / "a" / "x")
    write(tmp_path / "train" / "loose")
    assert sentences(m, tmp_path) == ["train: expected 2 folders, found 1"]


def test_lines_are_counted_without_blank_ones(tmp_path):
    m = counted(2, {"kind": "lines", "path": "list.txt"})
    write(tmp_path / "list.txt", b"a 0\r\nb 1\r\n\r\n")
    assert sentences(m, tmp_path) == []


def test_csv_rows_are_counted_by_column_date_and_file(tmp_path):
    rows = ["0,train,2012-12-31T23:59:59Z,a.jpg", "1,train,2013-01-01T00:00:00.643Z,b.jpg", "2,test,2012-01-01T00:00:00Z,c.jpg"]
    write(tmp_path / "m.csv", "\n".join(["id,split,when,file", *rows]).encode())
    write(tmp_path / "images" / "a.jpg")
    rule = {"kind": "csv-rows", "path": "m.csv"}
    assert sentences(counted(3, rule), tmp_path) == []
    assert sentences(counted(2, rule | {"where": {"split": ("train",)}}), tmp_path) == []
    assert sentences(counted(3, rule | {"where": {"split": ("train", "test")}}), tmp_path) == []
    assert sentences(counted(2, rule | {"date_column": "when", "before": "2013"}), tmp_path) == []
    assert sentences(counted(1, rule | {"date_column": "when", "since": "2013", "before": "2016"}), tmp_path) == []
    held = rule | {"file_column": "file", "folder": "images"}
    assert sentences(counted(3, held), tmp_path) == ["train: expected 3 examples, found 1"]


def test_csv_without_the_column_is_named(tmp_path):
    write(tmp_path / "m.csv", b"id,part\n0,train\n")
    with pytest.raises(UserError) as caught:
        check_layout(counted(1, {"kind": "csv-rows", "path": "m.csv", "where": {"split": ("train",)}}), tmp_path)
    assert str(tmp_path / "m.csv") in caught.value.what and "'split'" in caught.value.why


def test_npy_rows_and_labels(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 2), np.uint8))
    np.save(tmp_path / "y.npy", np.array([0, 1, 1, 0], np.int32))
    rule = {"kind": "npy-rows", "path": "x.npy", "labels": "y.npy"}
    for known in ({"per_class": 2}, {"histogram": (2, 2)}, {"label_histogram": histogram_hash((2, 2))}):
        m = dataset(classes=2, counts=({"split": "test", "n": 4, "confidence": "verified", "rule": rule, **known},))
        assert [finding.state for finding in check_layout(m, tmp_path)] == ["ok", "ok"]
    np.save(tmp_path / "y.npy", np.array([0, 1, 1, 1], np.int32))
    for known in ({"per_class": 2}, {"histogram": (2, 2)}, {"label_histogram": histogram_hash((2, 2))}):
        m = dataset(classes=2, counts=({"split": "test", "n": 4, "confidence": "verified", "rule": rule, **known},))
        assert [finding.state for finding in check_layout(m, tmp_path)] == ["ok", "wrong"]


def test_npz_rows_and_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 2), np.uint8), labels=np.array([0, 0, 1, 1]))
    rule = {"kind": "npz-rows", "path": "a.npz", "key": "images", "labels_key": "labels"}
    assert sentences(counted(4, rule, histogram=(2, 2)), tmp_path) == []
    with pytest.raises(UserError):
        check_layout(counted(4, rule | {"key": "pictures"}), tmp_path)


def test_h5_rows(tmp_path, monkeypatch):
    import h5py

    rule = {"kind": "h5-rows", "path": "a.h5", "key": "x"}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((4, 2), np.uint8)
    assert sentences(counted(4, rule), tmp_path) == []
    assert [finding.found for finding in check_layout(counted(5, rule), tmp_path)] == [4]
    with pytest.raises(UserError):
        check_layout(counted(4, rule | {"key": "y"}), tmp_path)
    write(tmp_path / "a.h5", (tmp_path / "a.h5").read_bytes()[:-2])
    with pytest.raises(UserError):
        check_layout(counted(4, rule), tmp_path)
    monkeypatch.setattr("repro.data.layout.find_spec", lambda name: None)
    assert [(finding.state, finding.detail) for finding in check_layout(counted(4, rule), tmp_path)] == [
        ("unchecked", "to count it: pip install 'repro[h5]'")
    ]


def test_records_are_counted_by_size(tmp_path):
    m = counted(2, {"kind": "records", "path": "x.bin", "record_bytes": 8})
    write(tmp_path / "x.bin", bytes(16))
    assert sentences(m, tmp_path) == []
    write(tmp_path / "x.bin", bytes(17))
    with pytest.raises(UserError) as caught:
        check_layout(m, tmp_path)
    assert "1 bytes are left over" in caught.value.why


@pytest.mark.parametrize("cut", range(10))
def test_an_array_cut_anywhere_is_an_error_that_names_it(tmp_path, cut):
    np.save(tmp_path / "x.npy", np.zeros((50, 10), np.uint8))
    whole = (tmp_path / "x.npy").read_bytes()
    write(tmp_path / "x.npy", whole[: len(whole) * cut // 10])
    with pytest.raises(UserError) as caught:
        check_layout(counted(50, {"kind": "npy-rows", "path": "x.npy"}), tmp_path)
    assert str(tmp_path / "x.npy") in caught.value.what and str(tmp_path / "x.npy") in caught.value.cure


def test_an_archive_of_arrays_cut_short_is_an_error(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 2), np.uint8))
    write(tmp_path / "a.npz", (tmp_path / "a.npz").read_bytes()[:-30])
    with pytest.raises(UserError):
        check_layout(counted(4, {"kind": "npz-rows", "path": "a.npz", "key": "images"}), tmp_path)


def test_a_recalled_number_only_casts_doubt(tmp_path):
    write(tmp_path / "list.txt", b"a\n")
    m = counted(2, {"kind": "lines", "path": "list.txt"}, confidence="recalled")
    assert [(finding.state, finding.sentence()) for finding in check_layout(m, tmp_path)] == [
        ("doubtful", "train: expected 2 examples, found 1 (the expected number is recalled)")
    ]
    assert faults(check_layout(m, tmp_path)) == []


def test_what_cannot_be_counted_says_so(tmp_path):
    m = dataset(
        counts=(
            {"split": "a", "n": 7, "confidence": "verified"},
            {"split": "b", "n": 8, "confidence": "verified", "optional": True, "rule": {"kind": "lines", "path": "b.txt"}},
            {"split": "c", "n": 9, "confidence": "verified", "rule": {"kind": "lines", "path": "c.txt"}},
        )
    )
    assert [finding.sentence() for finding in check_layout(m, tmp_path)] == [
        "a: expected 7 examples, not counted (no rule to count it by)",
        "b: expected 8 examples, not counted (optional, not here)",
        "c: expected 9 examples, found 0 (missing: c.txt)",
    ]
    assert [finding.state for finding in check_layout(m, tmp_path)] == ["unchecked", "unchecked", "wrong"]


def test_members_are_hashed(tmp_path):
    md5 = hashlib.md5(b"x").hexdigest()
    m = dataset(files=({"name": "a.tar", "unpack": "tar", "members": {"a/one": md5, "a/two": md5}},))
    write(tmp_path / "a" / "one")
    write(tmp_path / "a" / "two", b"y")
    [finding] = check_members(m, tmp_path)
    assert finding.sentence() == "a.tar: expected 2 members of known md5, found 1 (first: a/two)"
    write(tmp_path / "a" / "two")
    assert [finding.state for finding in check_members(m, tmp_path)] == ["ok"]


def test_members_of_an_optional_file_that_is_absent_are_no_fault(tmp_path):
    m = dataset(files=({"name": "a.tar", "unpack": "tar", "optional": True, "members": {"a/one": "0" * 32}},))
    assert check_members(m, tmp_path) == []


def test_no_torch_and_no_pandas_is_imported():
    code = "import sys, repro.data.layout, repro.data.convert; print(sorted({'torch', 'pandas', 'pyarrow', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
