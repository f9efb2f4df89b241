"""A packed split in memory: images of one size or of many, by any index, and a part of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import examples, noise

from repro.nn.inputs import packs


def test_ragged_images_are_gathered_in_any_order_with_their_sizes(tmp_path: Path) -> None:
    arrays = [noise(10, 12), noise(14, 9), noise(8, 8), noise(20, 8)]
    packs.build(tmp_path / "pack", examples(arrays), packs.Resize(side=8, mode="crop"), lambda done: None)
    pack = packs.open_pack(tmp_path / "pack")
    images, sizes = pack.gather(torch.tensor([3, 0, 3]))
    assert sizes.tolist() == [[20, 8], [8, 9], [20, 8]]
    assert images.shape == (3, 20, 9, 3)
    assert np.array_equal(images[0, :, :8].numpy(), arrays[3]) and torch.equal(images[0], images[2])
    assert (images[0, :, 8:] == 0).all() and (images[1, 8:] == 0).all()


@pytest.mark.parametrize("shapes", [[(8, 8)] * 4, [(8, 8), (8, 11), (12, 8), (8, 9)]])
def test_a_pack_is_narrowed_to_some_rows_and_moved_to_a_device(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    made = examples([noise(*shape) for shape in shapes])._replace(labels=np.arange(4), groups={"writer": np.array([7, 8, 9, 6])})
    packs.build(tmp_path / "pack", made, packs.Resize(side=8, mode="crop"), lambda done: None)
    whole = packs.open_pack(tmp_path / "pack")
    few, rows = whole.only(torch.tensor([3, 1])).on(torch.device("cpu")), torch.tensor([3, 1])
    assert len(few) == 2 and few.labels.tolist() == [3, 1] and few.groups["writer"].tolist() == [6, 8]
    for got, want in zip(few.gather(torch.arange(2)), whole.gather(rows), strict=True):
        assert torch.equal(got, want)


def test_of_images_of_many_sizes_only_the_boxes_are_read(tmp_path: Path) -> None:
    """Where all are of one size whole images are given, and the boxes as they were asked for."""
    arrays, boxes = [noise(10, 12), noise(14, 9)], torch.tensor([[9, 1, 5, 8], [2, 3, 4, 6]])
    packs.build(tmp_path / "many", examples(arrays), packs.Resize(side=0, mode="limit"), lambda done: None)
    images, places = packs.open_pack(tmp_path / "many").gather_boxes(torch.tensor([1, 0]), boxes)
    assert images.shape == (2, 5, 8, 3) and places.tolist() == [[0, 0, 5, 8], [0, 0, 4, 6]]
    assert np.array_equal(images[0].numpy(), arrays[1][9:14, 1:9]) and np.array_equal(images[1, :4, :6].numpy(), arrays[0][2:6, 3:9])
    packs.build(tmp_path / "one", examples(arrays[:1] * 2), packs.Resize(side=0, mode="limit"), lambda done: None)
    images, places = packs.open_pack(tmp_path / "one").gather_boxes(torch.tensor([1, 0]), boxes)
    assert np.array_equal(images[0].numpy(), arrays[0]) and torch.equal(places, boxes)


def test_crops_are_the_packs_own_pixels_in_the_order_of_the_network(tmp_path: Path) -> None:
    boxes = torch.tensor([[9, 1, 5, 8], [2, 3, 4, 6], [0, 0, 1, 1]], dtype=torch.float64)
    for name, arrays in {"many": [noise(10, 12), noise(14, 9)], "one": [noise(14, 12), noise(14, 12)[::-1].copy()]}.items():
        packs.build(tmp_path / name, examples(arrays), packs.Resize(side=0, mode="limit"), lambda done: None)
        pack = packs.open_pack(tmp_path / name)
        for one in (pack, pack.only(torch.tensor([1, 0])).only(torch.tensor([1, 0]))):
            crops = list(one.crops(torch.tensor([1, 0, 1]), boxes))
            for crop, row, (top, left, height, width) in zip(crops, (1, 0, 1), boxes.long().tolist(), strict=True):
                expected = arrays[row][top : top + height, left : left + width].transpose(2, 0, 1)[None]
                assert np.array_equal(crop.numpy(), expected)
        whole, first = pack.images.numpy(), next(iter(pack.crops(torch.tensor([1]), boxes[:1]))).numpy()
        assert np.shares_memory(whole, first), "nothing is copied"


def test_a_device_gathers_boxes_of_many_sizes_at_once(tmp_path: Path) -> None:
    arrays = [noise(10, 12), noise(14, 9), noise(8, 8), noise(20, 8)]
    packs.build(tmp_path / "pack", examples(arrays), packs.Resize(side=0, mode="limit"), lambda done: None)
    pack = packs.open_pack(tmp_path / "pack")
    index, boxes = torch.tensor([3, 0, 1, 3]), torch.tensor([[9, 1, 11, 7], [2, 3, 4, 6], [0, 0, 14, 9], [0, 0, 1, 1]], dtype=torch.float64)
    for one in (pack, pack.only(torch.tensor([1, 0, 2, 3])).only(torch.tensor([1, 0, 2, 3]))):
        assert torch.equal(one.framed_together(index, boxes), one.gather_boxes(index, boxes)[0])
