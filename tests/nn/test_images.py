"""From a pack to the network's input, against torchvision's transforms on the images themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from repro.examples import Examples
from repro.nn import packs
from repro.nn.images import Images, Preprocess
from repro.types import Recipe

CPU = torch.device("cpu")
MEAN, STD = (0.485, 0.456, 0.406), (0.228, 0.224, 0.225)
SHAPES = [(50, 71), (64, 33), (40, 40), (90, 47), (47, 90)]


@pytest.fixture
def arrays() -> list[np.ndarray]:
    return [np.random.default_rng(shape).integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def images_of(arrays: list[np.ndarray], folder: Path, preprocess: Preprocess, recipe: Recipe, augmented: bool = False) -> Images:
    preprocess = preprocess.with_recipe(recipe)
    packs.build(folder, Examples(arrays, np.arange(len(arrays))), preprocess.resize(recipe), lambda done: None)
    return Images(packs.open_pack(folder), preprocess, CPU, recipe, augmented)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_evaluation_is_torchvisions_resize_crop_and_normalisation(arrays: list, tmp_path: Path, interpolation: str) -> None:
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD, interpolation, 0.875), Recipe())
    theirs = transforms.Compose(
        [
            transforms.Resize(32, InterpolationMode(interpolation)),
            transforms.CenterCrop(28),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    expected = torch.stack([theirs(Image.fromarray(array)) for array in arrays])
    got = ours.batch(torch.arange(len(arrays)), None)
    assert got.shape == (5, 3, 28, 28) and got.dtype == torch.float32
    assert (got - expected).abs().max() < 2e-6  # one rounding of float32 apart


def test_squash_is_a_resize_to_both_sides(arrays: list, tmp_path: Path) -> None:
    ours = images_of(arrays[2:3], tmp_path / "p", Preprocess(28, MEAN, STD), Recipe(resize="squash"))
    theirs = transforms.Compose([transforms.Resize((28, 28)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    assert (ours.batch(torch.tensor([0]), None)[0] - theirs(Image.fromarray(arrays[2]))).abs().max() < 2e-6


def test_the_recipe_overrides_the_backbones_preprocessing() -> None:
    own = Preprocess(224, MEAN, STD, "bicubic", 0.9)
    assert own.with_recipe(Recipe()) == own
    changed = own.with_recipe(Recipe(image_size=96, crop_ratio=1.0, mean=(0.5,) * 3, std=(0.25,) * 3))
    assert changed == Preprocess(96, (0.5,) * 3, (0.25,) * 3, "bicubic", 1.0)
    assert changed.resize(Recipe()) == packs.Resize(side=96, mode="crop", interpolation="bicubic")
    assert own.resize(Recipe()).side == 249 and own.resize(Recipe(resize="squash")).side == 224


def test_labels_and_pixels_follow_the_index(arrays: list, tmp_path: Path) -> None:
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD), Recipe())
    index = torch.tensor([4, 1, 1])
    assert ours.labels[index].tolist() == [4, 1, 1]
    whole = ours.batch(torch.arange(5), None)
    assert torch.equal(ours.batch(index, None), whole[index])


@pytest.mark.parametrize("augment", ["flip", "shift", "shift_flip", "rrc", "rrc_flip"])
def test_augmented_batches_do_not_depend_on_the_split(arrays: list, tmp_path: Path, augment: str) -> None:
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD), Recipe(augment=augment), augmented=True)
    uniforms = ours.uniforms(3, 1)
    whole = ours.batch(torch.arange(5), uniforms)
    for parts in (torch.arange(5).split(1), torch.arange(5).split(3)):
        assert torch.equal(torch.cat([ours.batch(part, uniforms) for part in parts]), whole)
    assert torch.equal(ours.uniforms(3, 1), uniforms)
    assert not torch.equal(ours.uniforms(3, 2), uniforms) and not torch.equal(ours.uniforms(4, 1), uniforms)
    plain = Images(ours.pack, ours.preprocess, CPU, ours.recipe, augmented=False)
    assert plain.uniforms(3, 1) is None
    assert not torch.equal(plain.batch(torch.arange(5), None), whole)


def test_a_random_resized_crop_samples_from_the_whole_frame(tmp_path: Path) -> None:
    """A marked corner outside the evaluation crop appears in some augmented images."""
    array = np.zeros((32, 64, 3), np.uint8)
    array[:, 56:] = 255
    recipe = Recipe(augment="rrc", rrc_scale=(0.3, 1.0))
    ours = images_of([array] * 200, tmp_path / "p", Preprocess(28, (0.0,) * 3, (1.0,) * 3), recipe, augmented=True)
    assert ours.batch(torch.arange(200), None).max() == 0
    bright = ours.batch(torch.arange(200), ours.uniforms(0, 0)).amax(dim=(1, 2, 3)) > 0.5
    assert 0.1 < bright.float().mean() < 0.9
