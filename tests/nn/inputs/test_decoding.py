"""Decoding and resizing: Pillow's and torchvision's bytes, in order, whatever the number of threads."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import broken_files, examples, noise, write_images
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from repro.errors import UserError
from repro.nn.inputs import decoding, packs


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


@pytest.mark.parametrize("size", [(30, 50), (50, 30), (64, 64), (65, 200), (300, 65)])
def test_a_limit_reduces_what_is_larger_and_leaves_the_rest(size: tuple[int, int]) -> None:
    image = Image.fromarray(noise(size[1], size[0]))
    reduced = packs.Resize(side=64, mode="limit")(image)
    larger = min(size) > 64
    assert reduced.size == (Resize(64)(image).size if larger else size)
    assert np.array_equal(reduced, packs.Resize(side=64, mode="crop")(image) if larger else image)
    assert np.array_equal(packs.Resize(side=0, mode="limit")(image), image)


def sources_of_all_kinds(folder: Path, count: int) -> list:
    """Files, arrays that are resized and arrays that are not, and files that cannot be read, mixed."""
    (folder / "files").mkdir()
    kinds = [*write_images(folder / "files"), noise(40, 40), noise(33, 70), *broken_files(folder / "files")]
    return [kinds[number] for number in np.random.default_rng(0).integers(0, len(kinds), count)]


@pytest.mark.parametrize("mode", ["crop", "squash", "limit"])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BATCH_BYTES", 20_000)  # so that there are many hand-overs
    sources, resize = sources_of_all_kinds(tmp_path, 300), packs.Resize(side=40, mode=mode)
    sources.insert(0, tmp_path / "files" / "plain.png")
    expected = decoding.expected_bytes(sources, resize)

    def everything(threads: int | None) -> tuple:
        chunks = list(decoding.decoded(sources, resize, expected, threads))
        assert len(chunks) > 10
        joined = [shape for chunk in chunks for shape in chunk.shapes], [image for chunk in chunks for image in chunk.broken]
        return *joined, b"".join(chunk.pixels for chunk in chunks)

    shapes, broken, pixels = everything(1)
    assert len(shapes) == 301 and len(broken) == shapes.count((0, 0)) > 20 and len(pixels) == 3 * sum(h * w for h, w in shapes)
    for threads in (2, 7, None):
        assert everything(threads) == (shapes, broken, pixels)


@pytest.mark.parametrize("resize", [packs.Resize(side=24, mode="crop", interpolation="bicubic"), packs.Resize(side=0, mode="limit")])
def test_a_border_is_cut_off_before_the_resize(tmp_path: Path, resize: packs.Resize) -> None:
    """Against Pillow and torchvision, which resize columns and rows in either order: within one level of 8 bits."""
    inner = noise(41, 33)
    framed = np.full((45, 37, 3), (255, 0, 0), np.uint8)
    framed[2:-2, 2:-2] = inner
    Image.fromarray(framed).save(tmp_path / "framed.png")
    sources = [tmp_path / "framed.png"]
    expected = decoding.expected_bytes(sources, resize, 2)
    (chunk,) = decoding.decoded(sources, resize, expected, 1, 2)
    found = np.frombuffer(chunk.pixels, np.uint8).reshape(*chunk.shapes[0], 3)
    within = Image.open(tmp_path / "framed.png").crop((2, 2, 35, 43))
    assert np.array_equal(within, inner) and expected == found.size
    whole = Resize(24, InterpolationMode.BICUBIC)(within) if resize.side else within
    assert found.shape == np.array(whole).shape and np.abs(found.astype(int) - np.array(whole)).max() <= (1 if resize.side else 0)
    assert np.array_equal(found, resize(Image.fromarray(inner)))


def test_an_image_that_is_all_border_is_broken(tmp_path: Path) -> None:
    Image.fromarray(noise(4, 9)).save(tmp_path / "thin.png")
    resize = packs.Resize(side=8, mode="crop")
    assert decoding.expected_bytes([tmp_path / "thin.png"], resize, 2) == 0
    (chunk,) = decoding.decoded([tmp_path / "thin.png"], resize, 1, 1, 2)
    assert chunk.shapes == [(0, 0)] and chunk.broken[0].why == "9 × 4 pixels have nothing within a border of 2"


def test_every_core_is_used_and_few_batches_are_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker waits for the others, which ends only where they run at once; a slow writer is not overtaken by far."""
    threads, begun, barrier = 3, [], threading.Barrier(3, timeout=20)
    decode = decoding._decode

    def slow(*arguments: object) -> decoding.Chunk:
        begun.append(None)
        if len(begun) <= threads:
            barrier.wait()
        return decode(*arguments)

    monkeypatch.setattr(decoding, "_decode", slow)
    (path,) = write_images(tmp_path)[:1]
    chunks = decoding.decoded([path] * 40, packs.Resize(side=8, mode="squash"), 40 * decoding.BATCH_BYTES, threads)
    for taken in range(1, 41):
        assert next(chunks).shapes == [(8, 8)]
        time.sleep(0.002)
        assert len(begun) <= taken + decoding.AHEAD * threads
    assert next(chunks, None) is None and len(begun) == 40


def test_an_abandoned_decoding_stops(tmp_path: Path) -> None:
    before = threading.active_count()
    chunks = decoding.decoded([write_images(tmp_path)[0]] * 500, packs.Resize(side=8, mode="crop"), 1 << 40, 2)
    next(chunks)
    assert threading.active_count() == before + 2
    chunks.close()
    assert threading.active_count() == before


def test_arrays_that_are_no_images_are_a_programming_error() -> None:
    for wrong in (noise(8, 8).astype(np.float32), noise(8, 8, 4), noise(8, 8, 1)):
        with pytest.raises(TypeError, match=r"uint8 \(H, W, 3\)"):
            list(decoding.decoded([wrong], packs.Resize(side=8, mode="crop"), 0))


def test_expected_bytes(tmp_path: Path) -> None:
    files = write_images(tmp_path)
    for resize in (packs.Resize(side=24, mode="crop"), packs.Resize(side=0, mode="limit"), packs.Resize(side=24, mode="squash")):
        actual = sum(len(chunk.pixels) for chunk in decoding.decoded(files, resize, 0))
        assert decoding.expected_bytes(files, resize) == actual
        assert decoding.expected_bytes(files * 13, resize) == actual * 13  # 91 files: each is looked at
    many = [noise(10, 10)] * 500 + [noise(10, 30)] * 500
    assert decoding.expected_bytes(many, packs.Resize(side=0, mode="limit")) == 1000 * 3 * 200, "the sample is spread over the split"
    assert decoding.expected_bytes([tmp_path / "nowhere.jpg"], packs.Resize(side=8, mode="crop")) == 0
    assert decoding.expected_bytes([], packs.Resize(side=8, mode="crop")) == 0


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
