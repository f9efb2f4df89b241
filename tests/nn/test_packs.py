"""Packs: the bytes of Pillow's decode and resize, whole or not there at all."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import examples, noise

from repro.errors import UserError
from repro.examples import Examples
from repro.nn import packs


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
