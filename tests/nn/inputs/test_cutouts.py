"""Masks at the size of training images: as the authors make them, kept without loss, counted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from repro.errors import UserError
from repro.nn.inputs import cutouts
from repro.nn.inputs.cutouts import KINDS, build, folder_beside, mask_of, open_cutouts
from repro.reading.targets import Outline

SIDE = 40
BOX = (0.2, 0.3, 0.25, 0.4)


def saved(folder: Path, name: str, mask: np.ndarray) -> Path:
    Image.fromarray(mask).save(folder / name)
    return folder / name


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    pixels = np.zeros((90, 120), np.uint8)
    pixels[20:50, 30:41], pixels[60:70, 100:120] = 1, 2
    return saved(tmp_path, "a.png", pixels)


def test_a_masks_file_is_resized_by_pillows_default_and_cut_at_zero(mask: Path) -> None:
    kind, made = mask_of(Outline(mask, (BOX,)), SIDE)
    with Image.open(mask) as opened:
        expected = np.array(opened.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) > 0
    assert kind == "mask" and np.array_equal(made, expected * np.uint8(255))
    assert made[15, 11] == 255 and made[0, 0] == 0 and 0.05 < (made > 0).mean() < 0.15


def test_without_a_usable_mask_boxes_are_filled_and_blurred(tmp_path: Path) -> None:
    expected = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(expected).rectangle((8, 12, 18, 28), fill=255)
    expected = np.asarray(expected.filter(ImageFilter.GaussianBlur(5)))
    blank = saved(tmp_path, "blank.png", np.zeros((30, 30), np.uint8))
    for outline in (Outline(None, (BOX,)), Outline(blank, (BOX,))):
        kind, made = mask_of(outline, SIDE)
        assert kind == "boxes" and np.array_equal(made, expected)
    assert 0 < expected.max() <= 255 and len(np.unique(expected)) > 10


def test_kinds_without_a_mask(tmp_path: Path) -> None:
    blank = saved(tmp_path, "blank.png", np.zeros((30, 30), np.uint8))
    torn = tmp_path / "torn.png"
    torn.write_bytes(blank.read_bytes()[:40])
    cases = [
        (None, "no figure"),
        (Outline(None, ()), "nothing found"),
        (Outline(blank, None), "nothing found"),
        (Outline(blank, ()), "nothing found"),
        (Outline(None, None), "missing"),
        (Outline(torn, None), "missing"),
        (Outline(torn, ()), "nothing found"),
    ]
    for outline, kind in cases:
        assert mask_of(outline, SIDE) == (kind, None)
    assert mask_of(Outline(torn, (BOX,)), SIDE)[0] == "boxes"


def test_what_was_packed_comes_back_and_is_counted(mask: Path, tmp_path: Path) -> None:
    outlines = [Outline(mask, ()), None, Outline(None, (BOX,)), Outline(None, ()), Outline(mask, None)]
    seen = []
    build(tmp_path / "cut", outlines, SIDE, "mend", seen.append)
    made = open_cutouts(tmp_path / "cut")
    assert seen == [1, 2, 3, 4, 5] and len(made) == 5
    assert made.counts == {"no figure": 1, "mask": 2, "boxes": 1, "nothing found": 1, "missing": 0}
    assert made.usable.tolist() == [True, False, True, False, True]
    got = made.gather(torch.tensor([2, 1, 0, 4, 3]))
    for row, example in enumerate([2, 1, 0, 4, 3]):
        whole = mask_of(outlines[example], SIDE)[1]
        assert np.array_equal(got[row].numpy(), np.zeros((SIDE, SIDE)) if whole is None else whole)
    assert (tmp_path / "cut" / "masks.bin").stat().st_size < 3 * SIDE * SIDE
    before = made.content
    build(tmp_path / "cut", [], SIDE, "mend")  # is there already
    assert open_cutouts(tmp_path / "cut").content == before
    build(tmp_path / "other", outlines[:4], SIDE, "mend")
    assert open_cutouts(tmp_path / "other").content != before


def test_a_few_missing_are_counted_and_many_are_an_error(mask: Path, tmp_path: Path) -> None:
    nobody = Outline(None, None)
    build(tmp_path / "few", [None] * 10 + [Outline(mask, ())] * 19 + [nobody], SIDE, "mend")
    assert open_cutouts(tmp_path / "few").counts["missing"] == 1
    with pytest.raises(UserError) as caught:
        build(tmp_path / "many", [None] * 10 + [Outline(mask, ())] * 18 + [nobody], SIDE, "repro data verify")
    assert caught.value.what == "1 of 19 images with a figure have neither mask nor boxes: image 28"
    assert caught.value.why.startswith("with more than 5% missing") and caught.value.cure == "repro data verify"
    assert all("\n" not in line for line in (caught.value.what, caught.value.why, caught.value.cure))
    assert not (tmp_path / "many").exists() and not list(tmp_path.glob(".many*unfinished"))


def test_damage_is_told(mask: Path, tmp_path: Path) -> None:
    folder = folder_beside(tmp_path / "train-abc", SIDE)
    assert folder.name == f"train-abc-cutouts{cutouts.FORMAT}-{SIDE}" and len(KINDS) == 5
    build(folder, [Outline(mask, ())], SIDE, "mend")
    (folder / "masks.bin").write_bytes(b"123")
    with pytest.raises(UserError, match="are damaged") as caught:
        open_cutouts(folder)
    assert caught.value.why.startswith("3 bytes of masks for ") and caught.value.cure.startswith(f"rm -r {folder}")


def test_a_split_without_figures_has_no_masks(tmp_path: Path) -> None:
    build(tmp_path / "none", [None, None], SIDE, "mend")
    made = open_cutouts(tmp_path / "none")
    assert made.counts["no figure"] == 2 and int(made.gather(torch.tensor([0, 1])).sum()) == 0
