"""Packs: the bytes of Pillow's decode and resize, whole or not there at all."""

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import examples, noise

from repro.errors import UserError
from repro.nn.inputs import packs
from repro.reading.examples import Examples


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


@pytest.mark.parametrize("file", ["images.bin", "labels.npy", "shapes.npy", "caption_of.npy", "groups.npz", "pack.json"])
def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path, file: str) -> None:
    """Of the pixels, labels, captions and groups; in another process, for one that has read a pack trusts its memory."""
    made = Examples([noise(8, 8)] * 3, np.array([2, 0, 2]), ("a", "b"), np.array([[0], [1], [0]]), {"writer": np.array([7, 8, 9])})
    packs.build(tmp_path / "pack", made, packs.Resize(side=8, mode="squash"), lambda done: None)
    whole = (tmp_path / "pack" / file).read_bytes()
    positions = (
        range(len(whole) - 24, len(whole), 8) if file.endswith("npy") else [whole.index(b'"a"') + 1] if file == "pack.json" else [60]
    )
    for position in positions:
        (tmp_path / "pack" / file).write_bytes(whole[:position] + bytes([whole[position] ^ 2]) + whole[position + 1 :])
        packs._intact.clear()
        with pytest.raises(UserError) as caught:
            packs.open_pack(tmp_path / "pack")
        assert "is damaged" in caught.value.what and "rm -r" in caught.value.cure
    (tmp_path / "pack" / file).write_bytes(whole)
    assert len(packs.open_pack(tmp_path / "pack")) == 3


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


def test_the_content_names_images_labels_and_groups(tmp_path: Path) -> None:
    """Computed a second time from the files themselves; any difference gives another name, another way of packing the same does not."""
    arrays, groups = [noise(9, 9), noise(9, 12)], {"writer": np.array([7, 8])}
    made = Examples(arrays, np.array([2, 0]), (), None, groups)

    def content(name: str, made: Examples, side: int = 8, threads: int | None = None) -> str:
        packs.build(tmp_path / name, made, packs.Resize(side=side, mode="crop"), lambda done: None, threads=threads)
        return packs.open_pack(tmp_path / name).content

    expected = hashlib.sha256((tmp_path / "a" / "images.bin").read_bytes() if content("a", made) else b"")
    for name, array in (("shapes", [[8, 8], [8, 10]]), ("labels", [2, 0]), ("groups/writer", [7, 8])):
        array = np.array(array, "<i8")
        expected.update(f"{name} {array.shape} ".encode() + array.tobytes())
    expected.update(b"[]")
    assert content("b", made, threads=3) == content("a", made) == expected.hexdigest()
    flipped = [arrays[0], arrays[1][:, ::-1]]
    others = {
        "pixels": made._replace(sources=flipped),
        "labels": made._replace(labels=np.array([0, 2])),
        "groups": made._replace(groups={"writer": np.array([7, 9])}),
        "captions": made._replace(captions=("a",), caption_of=np.array([[0], [0]])),
    }
    assert len({expected.hexdigest(), content("side", made, side=7), *(content(name, other) for name, other in others.items())}) == 6


def test_a_pack_whose_content_has_no_name_is_made_again(packed: Path) -> None:
    marker = json.loads((packed / "pack.json").read_text())
    del marker["content"]
    (packed / "pack.json").write_text(json.dumps(marker))
    assert not packs.exists(packed)
    with pytest.raises(UserError, match="damaged"):
        packs.open_pack(packed)
    packs.build(packed, examples([noise(9, 9)]), packs.Resize(side=8, mode="crop"), lambda done: None)
    assert len(packs.open_pack(packed).content) == 64


def test_labels_that_are_not_the_packed_ones_are_refused(packed: Path) -> None:
    np.save(packed / "labels.npy", np.array([0, 0]))
    with pytest.raises(UserError, match="damaged") as caught:
        packs.open_pack(packed)
    assert "labels" in caught.value.why


def test_images_without_labels_are_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 images and 3 labels"):
        packs.build(
            tmp_path / "p", Examples([noise(8, 8)] * 2, np.arange(3)), packs.Resize(side=8, mode="crop"), lambda done: None, "train"
        )
