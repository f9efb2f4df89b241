"""Targeted augmentations, each against its definition, computed otherwise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repro.nn.inputs import augment, cutouts, packs, targeted
from repro.nn.inputs.images import Images, Preprocess
from repro.nn.inputs.packs import Resize
from repro.nn.inputs.targeted import UNIFORMS, CopyPaste, PasteDigits, StainJitter, apply, paste
from repro.reading.examples import Examples
from repro.reading.targets import Outline
from repro.settings import Recipe

CPU = torch.device("cpu")
SIDE = 24
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


def draws(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, UNIFORMS, generator=torch.Generator().manual_seed(seed))


def stained(image: np.ndarray, uniforms: np.ndarray, sigma: float) -> np.ndarray:
    """The definition, per image, in float64: densities into stains, jittered there, and back; before it is cut to 8 bits."""
    stains = -np.log(image.astype(np.float64) + 1e-6) @ np.linalg.inv(STAINS)
    alpha, beta = 1 + (uniforms[:3] - 0.5) * 2 * sigma, (uniforms[3:6] - 0.5) * 2 * sigma
    return np.clip(np.exp(-(stains * alpha + beta) @ STAINS) - 1e-6, 0, 255)


@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.0995477425665205, 0.3])
def test_stain_jitter_is_the_definition_to_one_level(sigma: float) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    images[0], images[1] = 0, 255
    uniforms = draws(20)[:, 1:]
    got = StainJitter(sigma)(torch.from_numpy(images), torch.arange(20), uniforms).numpy()
    assert got.dtype == np.uint8
    expected = np.stack([stained(image, row, sigma) for image, row in zip(images, uniforms.double().numpy(), strict=True)])
    assert np.abs(got - np.floor(expected)).max() <= 1
    away = np.abs(expected - np.round(expected)) > 1e-2  # from where a value is cut
    assert np.array_equal(got[away], np.floor(expected[away]))
    if sigma == 0:
        assert np.abs(got.astype(int) - images).max() <= 1
    else:
        assert np.abs(got.astype(int) - images).mean() > 5 * sigma


def test_jitters_are_uniform_and_differ_between_channels_and_images() -> None:
    """Of a grey patch the change of density gives the six draws back: S' − S is linear in them."""
    uniforms, sigma, grey = draws(4000)[:, 1:], 0.1, 100.0
    patch = torch.full((4000, 1, 1, 3), grey, dtype=torch.float64)
    got = StainJitter(sigma)(patch, torch.arange(4000), uniforms)[:, 0, 0].numpy()  # in float, but cut to whole numbers
    stains = -np.log(np.full(3, grey) + 1e-6) @ np.linalg.inv(STAINS)
    spread = np.sqrt(((stains**2 + 1) * sigma**2 / 3) @ STAINS**2)  # variances of U(−σ, σ) are σ²/3
    assert np.log(got + 0.5).std(axis=0) == pytest.approx(spread, rel=0.05)
    assert np.log(got + 0.5).mean(axis=0) == pytest.approx(np.log(grey), abs=0.02)


def test_the_share_that_fires_is_p_and_the_rest_stays() -> None:
    images = torch.randint(0, 256, (2000, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    uniforms = draws(2000)

    def inverted(pixels: torch.Tensor, index: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        assert own.shape == (len(pixels), UNIFORMS - 1) and len(index) == len(pixels)
        return 255 - pixels

    changed = [(apply(inverted, images, torch.arange(2000), uniforms, p) != images).any(dim=(1, 2, 3)) for p in (0.0, 0.568, 1.0)]
    assert not changed[0].any() and changed[2].all()
    assert torch.equal(changed[1], uniforms[:, 0] < 0.568) and abs(changed[1].float().mean() - 0.568) < 0.03


def test_pasting_is_pillows() -> None:
    rng = np.random.default_rng(2)
    ground, figure = (rng.integers(0, 256, (1, 30, 20, 3), dtype=np.uint8) for _ in range(2))
    mask = rng.integers(0, 256, (1, 30, 20), dtype=np.uint8)
    expected = Image.fromarray(ground[0])
    expected.paste(Image.fromarray(figure[0]), mask=Image.fromarray(mask[0]))
    got = paste(*map(torch.from_numpy, (ground, figure, mask)))[0].numpy()
    assert np.array_equal(got, np.asarray(expected))


# Eight photographs: three empty ones, then animals of classes 1, 1, 2, 3, 4.
LABELS = [0, 0, 0, 1, 1, 2, 3, 4]
GROUNDS = {1: np.array([0, 2]), 2: np.array([1]), 3: np.array([], np.int64), 4: np.array([0, 1, 2])}
BOX = (0.25, 0.125, 0.5, 0.5)


@pytest.fixture
def scene(tmp_path: Path) -> tuple[CopyPaste, torch.Tensor, list[Outline | None]]:
    images = [np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for number in range(8)]
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:50] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(mask * 0).save(tmp_path / "empty.png")
    with_mask, blank = Outline(tmp_path / "mask.png", ()), Outline(tmp_path / "empty.png", ())
    outlines = [None, None, None, with_mask, Outline(None, (BOX,)), with_mask, with_mask, blank]
    packs.build(tmp_path / "pack", Examples(images, np.array(LABELS)), Resize(side=SIDE, mode="squash"), lambda done: None)
    cutouts.build(tmp_path / "cut", outlines, SIDE, "mend")
    pack = packs.open_pack(tmp_path / "pack")
    return CopyPaste(pack, cutouts.open_cutouts(tmp_path / "cut"), GROUNDS), pack.images, outlines


def by_hand(images: torch.Tensor, outlines: list, row: int, uniforms: np.ndarray) -> np.ndarray:
    """One image at a time with Pillow, as the authors' code goes about it; backgrounds drawn as the uniform says."""
    image, outline = Image.fromarray(images[row].numpy()), outlines[row]
    kind, mask = cutouts.mask_of(outline, SIDE)
    rows = GROUNDS.get(LABELS[row], ())
    if LABELS[row] != 0 and kind in ("mask", "boxes") and len(rows):
        ground = Image.fromarray(images[rows[int(uniforms[0] * len(rows))]].numpy())
        ground.paste(image, box=(0, 0), mask=Image.fromarray(mask))
        image = ground
    return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if uniforms[1] < 0.5 else image)


@pytest.mark.parametrize("seed", range(4))
def test_copy_paste_is_pillows_image_by_image(scene, seed: int) -> None:
    target, images, outlines = scene
    uniforms = draws(8, seed)[:, 1:]
    got = target(images, torch.arange(8), uniforms)
    for row in range(8):
        assert np.array_equal(got[row].numpy(), by_hand(images, outlines, row, uniforms[row].numpy())), row


def test_what_cannot_be_pasted_stays_but_for_the_flip(scene) -> None:
    """An empty frame, an animal without an eligible ground, one without a mask; and those that can be pasted do change."""
    target, images, _ = scene
    uniforms = draws(8)[:, 1:]
    uniforms[:, 1] = 0.9
    got = target(images, torch.arange(8), uniforms)
    same = [torch.equal(got[row], images[row]) for row in range(8)]
    assert same == [True, True, True, False, False, False, True, True]
    uniforms[:, 1] = 0.1
    flipped = target(images, torch.arange(8), uniforms)
    assert torch.equal(flipped, got.flip(2))


def test_batches_do_not_change_an_image(scene, tmp_path: Path) -> None:
    target, _, _ = scene
    recipe = Recipe(targeted="copy-paste", targeted_p=0.7, resize="squash", augment="flip")
    preprocess = Preprocess(SIDE, (0.5,) * 3, (0.5,) * 3)
    images = Images(packs.open_pack(tmp_path / "pack"), preprocess, CPU, recipe, True, target)
    uniforms = images.uniforms(0, 3)
    assert uniforms.shape == (8, augment.UNIFORMS + UNIFORMS) and torch.equal(uniforms, images.uniforms(0, 3))
    assert not torch.equal(uniforms, images.uniforms(0, 4))
    plain = Images(packs.open_pack(tmp_path / "pack"), preprocess, CPU, recipe, True)
    assert torch.equal(plain.uniforms(0, 3), uniforms[:, : augment.UNIFORMS])  # what it adds leaves other draws as they were
    whole = images.batch(torch.arange(8), uniforms)
    assert not torch.equal(whole, plain.batch(torch.arange(8), plain.uniforms(0, 3)))
    for parts in (torch.arange(8).split(1), torch.arange(8).split(3)):
        assert torch.equal(torch.cat([images.batch(part, uniforms) for part in parts]), whole)
    assert torch.equal(images.batch(torch.arange(8), None), plain.batch(torch.arange(8), None))  # evaluation knows nothing of it


def test_digits_are_pasted_over_crops_of_the_photograph_alone() -> None:
    photo = np.random.default_rng(3).integers(0, 256, (200, 180, 3), dtype=np.uint8)
    digits = torch.zeros(6, 32, 32, 3, dtype=torch.uint8)
    digits[:, 8:24, 12:20] = 255
    uniforms = draws(6)[:, 1:]
    got = PasteDigits((photo,))(digits, torch.arange(6), uniforms)
    assert got.dtype == torch.uint8
    for row, own in enumerate(uniforms.double().numpy()):
        side = 48 + int(own[1] * 113)
        top, left = int(own[2] * (200 - side + 1)), int(own[3] * (180 - side + 1))
        crop = Image.fromarray(photo[top : top + side, left : left + side]).resize((32, 32), Image.Resampling.BILINEAR)
        expected = np.abs(np.asarray(crop).astype(int) - digits[row].numpy())
        assert np.abs(got[row].numpy().astype(int) - expected).max() <= 1


def test_crops_reach_every_size_and_edge() -> None:
    photo = np.zeros((170, 300, 3), np.uint8)
    photo[..., 0] = np.arange(300)[None, :] * 255 // 299
    extremes = torch.tensor(
        [[0.0, side, top, left, 0.0, 0.0] for side in (0.0, 0.999999) for top in (0.0, 0.999999) for left in (0.0, 0.999999)]
    )
    got = PasteDigits((photo,))(torch.zeros(8, 32, 32, 3, dtype=torch.uint8), torch.arange(8), extremes)
    assert got[..., 0].min() == 0 and got[..., 0].max() >= 253


def test_every_targeted_augmentation_of_a_recipe_is_made_here() -> None:
    names = set(Recipe.model_fields["targeted"].annotation.__args__) - {"none", "redshift"}  # redshifted light curves come from files
    source = Path(targeted.__file__).read_text(encoding="utf-8")
    assert names == {"stain", "paste-digits", "copy-paste"} and all(f'"{name}"' in source for name in names - {"copy-paste"})
