"""Packs: the bytes of Pillow's decode and resize, whole or not there at all."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from repro.errors import UserError
from repro.examples import Examples
from repro.nn import packs


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng([height, width, channels]).integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze()


def write_images(folder: Path) -> list[Path]:
    """One file of each kind that a folder of images may hold, all of different sizes."""
    kinds = {
        "photo.jpg": Image.fromarray(noise(50, 71)),
        "plain.png": Image.fromarray(noise(64, 33)),
        "grey.png": Image.fromarray(noise(41, 60, 1)),
        "grey.jpg": Image.fromarray(noise(39, 44, 1)),
        "alpha.png": Image.fromarray(noise(52, 52, 4)),
        "palette.gif": Image.fromarray(noise(45, 37)).quantize(32),
        "cmyk.jpg": Image.fromarray(noise(36, 58, 4), mode=None).convert("RGBA").convert("RGB").convert("CMYK"),
    }
    for name, image in kinds.items():
        image.save(folder / name)
    return [folder / name for name in kinds]


def examples(sources: list) -> Examples:
    return Examples(sources, np.arange(len(sources), dtype=np.int64))


def test_packed_pixels_are_pillows_and_torchvisions(tmp_path: Path) -> None:
    files = write_images(tmp_path)
    for mode, size in (("crop", 40), ("squash", (40, 40))):
        for interpolation in ("bilinear", "bicubic"):
            resize = packs.Resize(side=40, mode=mode, interpolation=interpolation)
            packs.build(tmp_path / f"{mode}-{interpolation}", examples(files), resize, lambda done: None)
            pack = packs.open_pack(tmp_path / f"{mode}-{interpolation}")
            assert pack.uniform == (mode == "squash")
            for row, file in enumerate(files):
                image = Image.open(file).convert("RGB")
                if mode == "squash":  # one axis per call, see packs.Resize
                    image = image.resize((40, image.height), Image.Resampling[interpolation.upper()])
                expected = np.asarray(Resize(size, InterpolationMode(interpolation))(image))
                (got,), ((height, width),) = pack.gather(torch.tensor([row]))
                assert np.array_equal(got[:height, :width].numpy(), expected), file.name


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (333, 500), (100, 101), (1000, 17), (31, 31)])
def test_the_short_side_is_resized_as_torchvision_does(width: int, height: int) -> None:
    image = Image.new("RGB", (width, height))
    assert packs.Resize(side=32, mode="crop")(image).size == Resize(32)(image).size


def test_ragged_images_are_gathered_in_any_order_with_their_sizes(tmp_path: Path) -> None:
    arrays = [noise(10, 12), noise(14, 9), noise(8, 8), noise(20, 8)]
    packs.build(tmp_path / "pack", examples(arrays), packs.Resize(side=8, mode="crop"), lambda done: None)
    pack = packs.open_pack(tmp_path / "pack")
    images, sizes = pack.gather(torch.tensor([3, 0, 3]))
    assert sizes.tolist() == [[20, 8], [8, 9], [20, 8]]
    assert images.shape == (3, 20, 9, 3)
    assert np.array_equal(images[0, :, :8].numpy(), arrays[3]) and torch.equal(images[0], images[2])
    assert (images[0, :, 8:] == 0).all() and (images[1, 8:] == 0).all()


def test_labels_captions_and_groups_come_back(tmp_path: Path) -> None:
    arrays = [noise(8, 8) for _ in range(3)]
    made = Examples(arrays, np.array([2, 0, 2]), ("a", "b"), np.array([[0], [1], [0]]), {"writer": np.array([7, 8, 9])})
    seen: list[int] = []
    packs.build(tmp_path / "pack", made, packs.Resize(side=8, mode="squash"), seen.append)
    pack = packs.open_pack(tmp_path / "pack")
    assert seen == [1, 2, 3]
    assert pack.labels.tolist() == [2, 0, 2] and pack.captions == ("a", "b")
    assert pack.caption_of.tolist() == [[0], [1], [0]] and pack.groups["writer"].tolist() == [7, 8, 9]
    marker = json.loads((tmp_path / "pack" / "pack.json").read_text())
    assert marker["labels"] == {"0": 1, "2": 2} and marker["image_bytes"] == 3 * 8 * 8 * 3


def broken_files(folder: Path) -> list[Path]:
    """A text file, an empty file, images cut short, a name without a file, and a PNG whose second data chunk has no name."""
    made = [folder / name for name in ("text.jpg", "empty.png", "cut.jpg", "cut.png", "missing.jpg", "chunk.png")]
    made[0].write_text("no image")
    made[1].touch()
    for path in made[2:4]:
        Image.fromarray(noise(64, 64)).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    Image.fromarray(noise(200, 200)).save(made[5])
    first, second, *rest = made[5].read_bytes().split(b"IDAT")
    made[5].write_bytes(b"IDAT".join([first, second]) + b"w5o\x8a" + b"IDAT".join(rest))
    return made


def test_every_unreadable_image_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    broken, good = broken_files(tmp_path / "images"), write_images(tmp_path / "images")
    for hidden, sources in ((0, [good[0], *broken[1:], good[1]]), (1, [good[0], *broken, good[1]])):
        with pytest.raises(UserError) as caught:
            packs.build(tmp_path / "packs" / "p", examples(sources), packs.Resize(side=16, mode="crop"), lambda done: None)
        assert f"{5 + hidden} of {7 + hidden} images" in caught.value.what
        assert all(str(path) in caught.value.what for path in sources[1:6])
        assert ("and 1 more" in caught.value.what) == bool(hidden)
    assert not any(str(path) in caught.value.what for path in good)
    assert [path for path in (tmp_path / "packs").iterdir() if path.suffix != ".lock"] == []


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_whatever_bytes_are_damaged_the_file_is_read_or_named(tmp_path: Path) -> None:
    """Random cuts and overwritten bytes: Pillow raises half a dozen kinds of error for them, of which none may escape."""
    rng = np.random.default_rng(0)
    damaged = []
    for kind in ("png", "jpg", "gif", "bmp", "tif", "webp"):
        Image.fromarray(noise(24, 24)).save(tmp_path / f"whole.{kind}")
        whole = (tmp_path / f"whole.{kind}").read_bytes()
        for trial in range(40):
            content = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
            for _ in range(int(rng.integers(0, 6))):
                content[int(rng.integers(0, min(len(content), 200)))] = int(rng.integers(0, 256))
            damaged.append(tmp_path / f"{trial}.{kind}")
            damaged[-1].write_bytes(content)
    for number, path in enumerate(damaged):
        try:
            packs.build(tmp_path / f"pack{number}", examples([path]), packs.Resize(side=8, mode="squash"), lambda done: None)
        except UserError as error:
            assert str(path) in error.what
        else:
            assert len(packs.open_pack(tmp_path / f"pack{number}")) == 1


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    packs.build(tmp_path / "pack", examples([noise(9, 9), noise(9, 12)]), packs.Resize(side=8, mode="crop"), lambda done: None)
    return tmp_path / "pack"


@pytest.mark.parametrize("file", ["images.bin", "labels.npy", "shapes.npy", "pack.json"])
@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_a_truncated_pack_is_refused_with_its_cure(packed: Path, file: str, keep: float) -> None:
    content = (packed / file).read_bytes()
    (packed / file).write_bytes(content[: int(keep * len(content))])
    with pytest.raises(UserError) as caught:
        packs.open_pack(packed)
    assert str(packed) in caught.value.what and "damaged" in caught.value.what
    assert f"rm -r {packed}" in caught.value.cure


@pytest.mark.parametrize("file", ["images.bin", "labels.npy", "shapes.npy"])
def test_a_pack_without_one_of_its_files_is_refused(packed: Path, file: str) -> None:
    (packed / file).unlink()
    with pytest.raises(UserError, match="damaged"):
        packs.open_pack(packed)


def test_what_was_only_half_removed_is_made_again(packed: Path) -> None:
    (packed / "pack.json").unlink()
    assert not packs.exists(packed)
    packs.build(packed, examples([noise(9, 9)]), packs.Resize(side=8, mode="crop"), lambda done: None)
    assert len(packs.open_pack(packed)) == 1


def test_a_pack_is_invisible_until_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    seen = []

    def look(done: int) -> None:
        seen.append((packs.exists(folder), folder.exists()))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packs.build(folder, examples([noise(8, 8)] * 3), packs.Resize(side=8, mode="crop"), look)
    assert seen == [(False, False)] * 2
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_two_builders_make_one_pack(tmp_path: Path) -> None:
    """The second waits for the first, finds the pack, and decodes nothing."""
    folder, barrier, errors, decoded = tmp_path / "pack", threading.Barrier(2, timeout=20), [], []
    made = examples([noise(8, 8), noise(8, 11)])

    def build() -> None:
        try:
            barrier.wait()
            packs.build(folder, made, packs.Resize(side=8, mode="crop"), decoded.append)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert decoded == [1, 2]
    assert np.array_equal(packs.open_pack(folder).gather(torch.tensor([0]))[0][0].numpy(), noise(8, 8))


def test_a_finished_pack_is_not_made_again(packed: Path) -> None:
    before = (packed / "images.bin").stat().st_mtime_ns

    def fail(done: int) -> None:
        raise AssertionError("nothing should be decoded")

    packs.build(packed, examples([noise(8, 8)]), packs.Resize(side=8, mode="crop"), fail)
    assert (packed / "images.bin").stat().st_mtime_ns == before
