"""Copies in another packing become the official layout, and nothing appears where the copy is not what it should be."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.data import manifest
from repro.data.convert import convert, convertible
from repro.data.layout import check_layout, faults
from repro.data.manifest import Manifest
from repro.errors import UserError

pyarrow = pytest.importorskip("pyarrow", reason="parquet is an extra")
import pyarrow.parquet as parquet  # noqa: E402


def encoded(seed: int, form: str, **options) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form, **options)
    return buffer.getvalue()


def with_counts(name: str, examples: dict[str, int]) -> Manifest:
    """The shipped manifest with the toy's numbers of examples."""
    m = manifest.load(name)
    counts = []
    for count in m.counts:
        n = examples.get(count.split, 0)
        counts.append(count.model_copy(update={"n": n, "histogram": (), "label_histogram": None}))
    return m.model_copy(update={"counts": tuple(c for c in counts if c.split in examples)})


def camelyon_row(hospital: int, number: int, **changes) -> dict:
    row = {"image": {"bytes": encoded(number, "PNG"), "path": None}, "label": number % 2, "center": hospital, "image_id": number}
    row |= {"patient": hospital * 20 + 4, "node": 1, "x_coord": 32 * number, "y_coord": 7, "slide": hospital * 10 + 3}
    return row | changes


CAMELYON = {
    "train": [camelyon_row(0, 1), camelyon_row(3, 2), camelyon_row(4, 3)],
    "validation": [camelyon_row(0, 4), camelyon_row(1, 5), camelyon_row(1, 6)],
    "test": [camelyon_row(2, 7)],
}
CAMELYON_COUNTS = {"train": 3, "id_val": 1, "val": 2, "test": 1, "patches": 7}


def write_camelyon(folder: Path, splits: dict[str, list[dict]]) -> Path:
    folder.mkdir()
    for split, rows in splits.items():
        for shard, part in enumerate((rows[:2], rows[2:])):
            if part:
                parquet.write_table(pyarrow.Table.from_pylist(part), folder / f"{split}-0000{shard}-of-00002.parquet")
    return folder


def test_camelyon17_becomes_the_official_layout(tmp_path):
    source, root = write_camelyon(tmp_path / "copy", CAMELYON), tmp_path / "root"
    m = with_counts("camelyon17", CAMELYON_COUNTS)
    [done] = convert(m, source, root)
    assert (done.examples, done.encoded_anew) == ({"train": 3, "id_val": 1, "test": 1, "val": 2}, 0)
    assert faults(check_layout(m, root)) == []
    with (root / "camelyon17_v1.0" / "metadata.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[1] == {
        "": "1", "patient": "064", "node": "1", "x_coord": "64", "y_coord": "7", "tumor": "0", "slide": "33", "center": "3", "split": "0",
    }  # fmt: skip
    image = root / "camelyon17_v1.0" / "patches" / "patient_064_node_1" / "patch_patient_064_node_1_x_64_y_7.png"
    assert image.read_bytes() == encoded(2, "PNG")
    assert sorted(path.name for path in root.iterdir()) == ["camelyon17_v1.0"]


def test_camelyon17_is_read_by_the_official_loader(tmp_path):
    from wilds.datasets import camelyon17_dataset

    root = tmp_path / "root"
    convert(with_counts("camelyon17", CAMELYON_COUNTS), write_camelyon(tmp_path / "copy", CAMELYON), root)
    loaded = camelyon17_dataset.Camelyon17Dataset(root_dir=str(root), download=False)
    sizes = {split: len(loaded.get_subset(split)) for split in ("train", "id_val", "val", "test")}
    assert sizes == {"train": 3, "id_val": 1, "val": 2, "test": 1}
    assert np.array_equal(np.asarray(loaded.get_input(1)), np.asarray(Image.open(io.BytesIO(encoded(2, "PNG")))))


def test_camelyon17_images_that_are_no_png_keep_their_pixels(tmp_path):
    webp = encoded(9, "WEBP", lossless=True)
    splits = CAMELYON | {"test": [camelyon_row(2, 7, image={"bytes": webp, "path": None})]}
    [done] = convert(with_counts("camelyon17", CAMELYON_COUNTS), write_camelyon(tmp_path / "copy", splits), tmp_path / "root")
    assert done.encoded_anew == 1
    [image] = (tmp_path / "root").glob("camelyon17_v1.0/patches/patient_044_node_1/*.png")
    assert np.array_equal(np.asarray(Image.open(image)), np.asarray(Image.open(io.BytesIO(webp))))


@pytest.mark.parametrize(
    "change",
    [
        {"center": 3},
        {"slide": 35},
        {"patient": 64},
        {"label": 2},
        {"label": None},
        {"image": None},
        {"image": {"bytes": b"no", "path": ""}},
    ],
)
def test_a_row_that_breaks_the_rules_is_refused(tmp_path, change):
    splits = CAMELYON | {"test": [camelyon_row(2, 7, **change), camelyon_row(2, 8)]}
    source, root = write_camelyon(tmp_path / "copy", splits), tmp_path / "root"
    with pytest.raises(UserError) as caught:
        convert(with_counts("camelyon17", CAMELYON_COUNTS), source, root)
    assert "test-00000-of-00002.parquet" in caught.value.what
    assert list(root.iterdir()) == []


def test_a_row_in_the_wrong_split_is_refused(tmp_path):
    splits = CAMELYON | {"train": [camelyon_row(2, 1)]}
    with pytest.raises(UserError):
        convert(with_counts("camelyon17", CAMELYON_COUNTS), write_camelyon(tmp_path / "copy", splits), tmp_path / "root")


def test_a_missing_shard_shows_in_the_numbers(tmp_path):
    source, root = write_camelyon(tmp_path / "copy", CAMELYON), tmp_path / "root"
    (source / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(UserError) as caught:
        convert(with_counts("camelyon17", CAMELYON_COUNTS), source, root)
    assert caught.value.why == "train: expected 3, found 2"
    assert list(root.iterdir()) == []
    for path in source.glob("test-*"):
        path.unlink()
    with pytest.raises(UserError) as caught:
        convert(with_counts("camelyon17", CAMELYON_COUNTS), source, root)
    assert "no .parquet files of split 'test'" in caught.value.what


def test_a_shard_cut_short_or_without_a_column_is_named(tmp_path):
    source, root = write_camelyon(tmp_path / "copy", CAMELYON), tmp_path / "root"
    shard = source / "train-00000-of-00002.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        convert(with_counts("camelyon17", CAMELYON_COUNTS), source, root)
    assert str(shard) in caught.value.what
    parquet.write_table(pyarrow.Table.from_pylist([{"image": b"", "label": 0}]), shard)
    with pytest.raises(UserError) as caught:
        convert(with_counts("camelyon17", CAMELYON_COUNTS), source, root)
    assert "without the column 'center'" in caught.value.what


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def sample(number: int, label: int, form: str = "png") -> list[tuple[str, bytes]]:
    image = encoded(number, form, **({"lossless": True} if form == "webp" else {}))
    return [(f"s{number:07d}.cls", str(label).encode()), (f"s{number:07d}.{form}", image)]


SST2_COUNTS = {"train": 3, "test": 1}


def write_sst2(folder: Path) -> Path:
    write_tar(folder / "train" / "0.tar", sample(0, 0) + sample(1, 1, "webp"))
    write_tar(folder / "train" / "1.tar", sample(2, 1))
    write_tar(folder / "test" / "0.tar", sample(0, 0))
    return folder


def test_webdataset_becomes_one_folder_per_class(tmp_path):
    root = tmp_path / "root"
    m = with_counts("rendered-sst2", SST2_COUNTS)
    done = convert(m, write_sst2(tmp_path / "copy"), root)
    assert [(c.examples, c.encoded_anew) for c in done] == [({"train": 3}, 1), ({"test": 1}, 0)]
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert names == [
        "rendered-sst2/test/negative/s0000000.png",
        "rendered-sst2/train/negative/s0000000.png",
        "rendered-sst2/train/positive/s0000001.png",
        "rendered-sst2/train/positive/s0000002.png",
    ]
    anew = np.asarray(Image.open(root / "rendered-sst2/train/positive/s0000001.png"))
    assert np.array_equal(anew, np.asarray(Image.open(io.BytesIO(encoded(1, "webp", lossless=True)))))
    with pytest.raises(UserError) as caught:
        convert(m, tmp_path / "copy", root)
    assert "is there already" in caught.value.what


@pytest.mark.parametrize("name", ["../../escape", "/tmp/escape", "..", "a/../../escape", "train/../escape"])
def test_member_names_cannot_point_elsewhere(tmp_path, name):
    source, root = write_sst2(tmp_path / "copy"), tmp_path / "deep" / "root"
    write_tar(source / "train" / "1.tar", [(f"{name}.cls", b"1"), (f"{name}.png", encoded(5, "PNG"))])
    before = set(tmp_path.rglob("*"))
    try:
        convert(with_counts("rendered-sst2", SST2_COUNTS), source, root)
    except UserError:
        assert not list(root.rglob("*.png"))
    assert all(path.is_relative_to(tmp_path / "deep") for path in set(tmp_path.rglob("*")) - before)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("s9.png", b"x")], "without class number"),
        ([("s9.cls", b"1")], "without image"),
        ([("s9.cls", b"-1"), ("s9.png", b"x")], "without class number"),
        ([("s9.cls", b"2"), ("s9.png", b"x")], "not the copy"),
        ([("s9.cls", b"1"), ("s9.webp", b"x")], "cannot be decoded"),
        ([*sample(2, 1), ("other.cls", b"1")], "without image"),
        (sample(0, 0), "came twice"),
    ],
)
def test_a_sample_that_is_not_whole_is_refused(tmp_path, members, told):
    source, root = write_sst2(tmp_path / "copy"), tmp_path / "root"
    write_tar(source / "train" / "1.tar", members)
    with pytest.raises(UserError) as caught:
        convert(with_counts("rendered-sst2", SST2_COUNTS), source, root)
    assert told in caught.value.what and "1.tar" in caught.value.what
    assert not list(root.rglob("*.png"))


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_tar_cut_anywhere_leaves_nothing(tmp_path, cut):
    source, root = write_sst2(tmp_path / "copy"), tmp_path / "root"
    shard = source / "train" / "0.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: 2 * (512 + 28000) * cut // 10])
    with pytest.raises(UserError):
        convert(with_counts("rendered-sst2", SST2_COUNTS), source, root)
    assert not list(root.rglob("*.png"))


def test_which_datasets_have_a_converter():
    found = {name: [copy.converter for copy in convertible(manifest.load(name))] for name in manifest.names()}
    assert {name: kinds for name, kinds in found.items() if kinds} == {
        "camelyon17": ["camelyon17-parquet"],
        "rendered-sst2": ["class-folders"],
    }


def test_no_converter_is_told(tmp_path):
    for name in ("stanford-cars", "fmow", "cifar10.1"):
        with pytest.raises(UserError) as caught:
            convert(manifest.load(name), tmp_path, tmp_path)
        assert name in caught.value.what
