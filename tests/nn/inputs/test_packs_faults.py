"""Packing that is killed, or finds no room: nothing is left that could be taken for a pack."""

import errno
import os
import resource
import signal
import time
from pathlib import Path

import children
import numpy as np
import pytest
from image_files import examples, noise, write_images
from toy_benchmark import free_bytes

from repro.errors import UserError
from repro.nn.inputs import decoding, packs

RESIZE = packs.Resize(side=64, mode="crop")


def build(folder: Path, files: list[Path], pause: float = 0.0) -> None:
    packs.build(folder, examples(files), RESIZE, lambda done: time.sleep(pause), "train", 2)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_kill_leaves_nothing_that_is_taken_for_a_pack(tmp_path: Path) -> None:
    files, folder = write_images(tmp_path) * 30, tmp_path / "packs" / "train-0"
    process = children.start(build, folder, files, 0.05)
    images = folder.with_name(".train-0.unfinished") / "images.bin"
    deadline = time.monotonic() + 60
    while not (images.exists() and images.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert images.stat().st_size > 0 and left(folder.parent) == [".train-0.unfinished"], "it was killed in the middle"
    assert not packs.exists(folder)
    build(folder, files)
    assert left(folder.parent) == ["train-0"] and len(packs.open_pack(folder)) == len(files)
    expected = b"".join(chunk.pixels for chunk in decoding.decoded(files, RESIZE, 0, threads=1))
    assert (folder / "images.bin").read_bytes() == expected


def test_room_is_asked_for_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, seen = [noise(100, 100)] * 40, []
    needed = 40 * 64 * 64 * 3
    free_bytes(monkeypatch, (64 << 20) + needed - 1)
    with pytest.raises(UserError) as caught:
        packs.build(tmp_path / "p", examples(arrays), RESIZE, seen.append, "train")
    assert seen == [] and left(tmp_path) == []
    assert caught.value.what == f"not enough room on the disk of {tmp_path} for the pack of train"
    assert "needs 0.07 GB" in caught.value.why
    assert caught.value.cure == "free some space, or keep packs elsewhere: repro --packs DIR …, or set REPRO_PACKS"
    free_bytes(monkeypatch, (64 << 20) + needed)
    packs.build(tmp_path / "p", examples(arrays), RESIZE, seen.append, "train")
    assert seen == list(range(1, 41)) and (tmp_path / "p" / "images.bin").stat().st_size == needed


def error_of(folder: Path, report: Path, largest: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    try:
        packs.build(folder, examples([noise(100, 100)] * 400), RESIZE, lambda done: None, "train")
    except UserError as error:
        report.write_text("\n".join(error.lines()))
        raise


def test_no_file_may_grow_further(tmp_path: Path) -> None:
    """As a quota or a file system's limit would have it: the disk said that there was room."""
    process = children.start(error_of, tmp_path / "packs" / "p", tmp_path / "report", 1_000_000)
    assert children.finish(process) == children.USER_ERROR
    what, why, cure = (tmp_path / "report").read_text().splitlines()
    assert what == f"not enough room on the disk of {tmp_path}/packs for the pack of train"
    assert why == f"{os.strerror(errno.EFBIG)}: its images need {400 * 64 * 64 * 3:,} bytes"
    assert "repro --packs DIR" in cure
    assert left(tmp_path / "packs") == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Any other failure of the disk stays what it is."""

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError if number == errno.EIO else UserError) as caught:
        packs.build(tmp_path / "p", examples([noise(8, 8)]), RESIZE, lambda done: None)
    if number != errno.EIO:
        assert os.strerror(number) in caught.value.why and f"{64 * 64 * 3:,} bytes" in caught.value.why
    assert left(tmp_path) == []


def test_a_pack_as_large_as_expected_is_the_rule(tmp_path: Path) -> None:
    """What is asked for beforehand is what is written, whatever the sizes of the images."""
    rng = np.random.default_rng(0)
    arrays = [noise(*size) for size in rng.integers(64, 130, (90, 2)).tolist()]
    for mode in ("crop", "squash", "limit"):
        resize = packs.Resize(side=70, mode=mode)
        packs.build(tmp_path / mode, examples(arrays), resize, lambda done: None)
        assert (tmp_path / mode / "images.bin").stat().st_size == decoding.expected_bytes(arrays, resize)
