"""From a pack to the network's input, against torchvision's transforms on the images themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from repro.nn.inputs import augment as augmentation
from repro.nn.inputs import images, packs, pieces
from repro.nn.inputs.images import Images, Preprocess
from repro.nn.inputs.joined import Joined
from repro.reading.examples import Examples
from repro.settings import Recipe

CPU = torch.device("cpu")
MEAN, STD = (0.485, 0.456, 0.406), (0.228, 0.224, 0.225)
SHAPES = [(50, 71), (64, 33), (40, 40), (90, 47), (47, 90)]


@pytest.fixture
def arrays() -> list[np.ndarray]:
    return [np.random.default_rng(shape).integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def images_of(arrays: list[np.ndarray], folder: Path, preprocess: Preprocess, recipe: Recipe, augmented: bool = False) -> Images:
    preprocess = preprocess.with_recipe(recipe)
    packs.build(folder, Examples(arrays, np.arange(len(arrays))), preprocess.resize(recipe, augmented), lambda done: None)
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


@pytest.mark.parametrize("own", ["bilinear", "bicubic"])
def test_a_recipe_says_how_frames_and_random_crops_are_resized(arrays: list, tmp_path: Path, own: str) -> None:
    """Frames by one kernel, random crops by another, whatever the backbone's is; crops against torch's on the boxes that were drawn."""
    backbone = Preprocess(28, MEAN, STD, own, 1.0)
    square = Recipe(interpolation="bilinear", crop_ratio=0.875)
    ours = images_of(arrays, tmp_path / "eval", backbone, square)
    theirs = images_of(arrays, tmp_path / "own", Preprocess(28, MEAN, STD, "bilinear", 0.875), Recipe())
    assert torch.equal(ours.batch(torch.arange(5), None), theirs.batch(torch.arange(5), None))
    for kernel in ("bilinear", "bicubic", None):
        recipe = Recipe(augment="rrc", pack_side=0, rrc_interpolation=kernel)
        ours = images_of(arrays, tmp_path / f"{kernel}", Preprocess(28, (0.0,) * 3, (1 / 255,) * 3, own), recipe, augmented=True)
        uniforms = ours.uniforms(0)
        boxes = augmentation.random_resized_crop_boxes(ours.pack.sizes(torch.arange(5)), uniforms, recipe.rrc_scale)
        for array, (top, left, height, width), got in zip(
            arrays, boxes.long().tolist(), ours.batch(torch.arange(5), uniforms), strict=True
        ):
            pixels = torch.from_numpy(array).permute(2, 0, 1)
            expected = TF.resized_crop(pixels, top, left, height, width, [28, 28], InterpolationMode(kernel or own), antialias=True)
            assert (got - expected).abs().max() < 1e-3


def test_half_of_a_device_stays_free_of_packs() -> None:
    free, total = 70, 80
    assert images.fits(30, free, total) and not images.fits(31, free, total)
    assert not images.fits(11, free - 20, total), "whatever else lies there"


def test_a_pack_that_left_the_device_makes_the_same_batches(arrays: list, tmp_path: Path) -> None:
    made, index = images_of(arrays[2:3], tmp_path / "p", Preprocess(28, MEAN, STD), Recipe(resize="squash")), torch.tensor([0])
    assert not made.leave_device(), "it was never there"
    mapped, made.pack = made.pack, made.pack.on(CPU)  # as on a GPU: a copy
    there = made.batch(index, None)
    parts = Joined([made])
    assert parts.leave_device() and made.pack is mapped and not parts.leave_device()
    assert torch.equal(made.batch(index, None), there)


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


@pytest.mark.parametrize("augment", ["flip", "shift", "shift_flip", "crop", "crop_flip", "rrc", "rrc_flip", "randaugment"])
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


@pytest.mark.parametrize("side", [None, 0])
@pytest.mark.parametrize("augment", ["none", "shift_flip", "crop_flip", "rrc_flip", "randaugment"])
def test_off_the_cpu_a_batch_is_made_at_once_of_the_same_shape(arrays: list, tmp_path: Path, augment: str, side: int | None) -> None:
    """On torch's device without memory, which tells shapes, types and strides of what a GPU would compute."""
    recipe = Recipe(augment=augment, pack_side=side)
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD), recipe, augmented=True)
    uniforms = ours.uniforms(0)
    expected = ours.batch(torch.arange(5), uniforms)
    made = Images(ours.pack, ours.preprocess, torch.device("meta"), recipe, augmented=True).batch(torch.arange(5), uniforms)
    assert made.is_meta and (made.shape, made.dtype, made.stride()) == (expected.shape, expected.dtype, expected.stride())
    there = Images(ours.pack.on(torch.device("meta")), ours.preprocess, torch.device("meta"), recipe, augmented=True)
    made = there.batch(torch.arange(5), uniforms)
    assert made.is_meta and (made.shape, made.dtype, made.stride()) == (expected.shape, expected.dtype, expected.stride())


@pytest.mark.parametrize("limit", [1, 5000, 2**30])
def test_crops_made_together_are_those_made_one_by_one(arrays: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """As on a GPU, in groups of like shapes."""
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD), Recipe(augment="rrc", pack_side=0), augmented=True)
    index = torch.tensor([4, 0, 3, 1, 2, 0])
    boxes = augmentation.random_resized_crop_boxes(ours.pack.sizes(index), ours.uniforms(0)[index], (0.3, 1.0))
    each = ours.crops(index, boxes, 28)
    alike = augmentation.alike
    monkeypatch.setattr(augmentation, "alike", lambda boxes: alike(boxes, limit))
    together = ours.crops_together(index, boxes, 28)
    assert torch.equal(together, each.float())


@pytest.mark.parametrize("augment", ["none", "shift_flip", "crop_flip", "rrc_flip"])
def test_batches_do_not_depend_on_pieces_and_threads(arrays: list, tmp_path: Path, augment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = images_of(arrays * 4, tmp_path / "p", Preprocess(28, MEAN, STD), Recipe(augment=augment), augmented=True)
    index, uniforms = torch.randperm(20, generator=torch.Generator().manual_seed(0)), ours.uniforms(0)
    whole = ours.batch(index, uniforms)
    assert whole.is_contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3 * whole[0].nbytes)
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(ours.batch(index, uniforms))
    torch.set_num_threads(1)
    assert all(torch.equal(one, whole) for one in made)


def test_a_random_resized_crop_samples_from_the_whole_frame(tmp_path: Path) -> None:
    """A marked corner outside the evaluation crop appears in some augmented images."""
    array = np.zeros((32, 64, 3), np.uint8)
    array[:, 56:] = 255
    recipe = Recipe(augment="rrc", rrc_scale=(0.3, 1.0))
    ours = images_of([array] * 200, tmp_path / "p", Preprocess(28, (0.0,) * 3, (1.0,) * 3), recipe, augmented=True)
    assert ours.batch(torch.arange(200), None).max() == 0
    bright = ours.batch(torch.arange(200), ours.uniforms(0, 0)).amax(dim=(1, 2, 3)) > 0.5
    assert 0.1 < bright.float().mean() < 0.9


def test_random_crops_of_squashed_frames_are_windows_of_the_resized_file(arrays: list, tmp_path: Path) -> None:
    """DomainNet's transform: both sides to 32, then 28 × 28 anywhere; each crop is a window of Pillow's resize, and every window occurs."""
    recipe = Recipe(augment="crop", resize="squash", crop_ratio=0.875)
    ours = images_of(arrays * 60, tmp_path / "p", Preprocess(28, (0.0,) * 3, (1.0,) * 3, "bicubic"), recipe, augmented=True)
    assert ours.pack.images.shape == (300, 32, 32, 3)
    batch = (ours.batch(torch.arange(300), ours.uniforms(0, 0)).permute(0, 2, 3, 1) * 255).round().byte().numpy()
    columns = [
        Image.fromarray(array).resize((32, len(array)), Image.Resampling.BICUBIC) for array in arrays
    ]  # first, as every Pillow before 13
    whole = [np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)) for image in columns]
    seen = set()
    for row, got in enumerate(batch):
        corners = [(y, x) for y in range(5) for x in range(5) if np.array_equal(whole[row % 5][y : y + 28, x : x + 28], got)]
        assert len(corners) == 1
        seen.update(corners)
    assert len(seen) == 25
    assert ours.preprocess.resize(recipe).side == 28, "the evaluation's frame is the image itself"


def test_only_a_random_resized_crop_is_packed_at_another_size() -> None:
    own = Preprocess(224, MEAN, STD, "bicubic", 0.875)
    evaluation = packs.Resize(side=256, mode="crop", interpolation="bicubic")
    for augment in ("none", "flip", "shift", "rrc", "rrc_flip"):
        for side in (None, 0, 512):
            recipe = Recipe(augment=augment, pack_side=side)
            assert own.resize(recipe) == own.resize(recipe, augmented=False) == evaluation
            changed = augment.startswith("rrc") and side is not None
            assert own.resize(recipe, augmented=True).mode == ("limit" if changed else "crop")
    assert own.resize(Recipe(augment="rrc", pack_side=512), True) == packs.Resize(side=512, mode="limit", interpolation="bicubic")
    original = [Preprocess(224, MEAN, STD, kind).resize(Recipe(augment="rrc", pack_side=0), True) for kind in ("bilinear", "bicubic")]
    assert original[0] == original[1], "what is not resized is packed once"


FULL_SIZES = [(480, 640), (1080, 720), (333, 500), (96, 1300), (60, 50), (720, 1024)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crops_of_original_frames_are_those_of_pillow_and_torchvision(tmp_path: Path, interpolation: str) -> None:
    """From files of different sizes, larger than any evaluation frame and smaller: each crop is Pillow's of the file."""
    rng, files = np.random.default_rng(0), []
    for number, (height, width) in enumerate(FULL_SIZES):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(files[-1])
    recipe = Recipe(augment="rrc", pack_side=0)
    ours = images_of(files, tmp_path / "p", Preprocess(64, (0.0,) * 3, (1.0,) * 3, interpolation), recipe, augmented=True)
    assert ours.pack.shapes.tolist() == [list(size) for size in FULL_SIZES]
    kernel, by_torchvision = Image.Resampling[interpolation.upper()], 0
    for epoch in range(4):
        uniforms = ours.uniforms(0, epoch)
        boxes = augmentation.random_resized_crop_boxes(torch.tensor(FULL_SIZES), uniforms, recipe.rrc_scale).long().tolist()
        batch = (ours.batch(torch.arange(len(files)), uniforms).permute(0, 2, 3, 1) * 255).round().numpy()
        for file, (top, left, height, width), got in zip(files, boxes, batch, strict=True):
            image = Image.open(file)
            crop = image.crop((left, top, left + width, top + height))
            expected = np.asarray(crop.resize((64, height), kernel).resize((64, 64), kernel)).astype(np.float32)
            assert np.abs(got - expected).max() <= 2 and (np.abs(got - expected) > 1).mean() < 1e-3, "of noise, a pixel in a million by two"
            if width >= height:  # then every Pillow resizes columns first, and torchvision can be asked itself
                theirs = TF.resized_crop(image, top, left, height, width, [64, 64], InterpolationMode(interpolation), antialias=True)
                assert np.abs(got - np.asarray(theirs).astype(np.float32)).max() <= 2
                by_torchvision += 1
    assert by_torchvision >= 8


def test_frames_for_crops_are_never_evaluated(arrays: list, tmp_path: Path) -> None:
    recipe = Recipe(augment="rrc", pack_side=0)
    ours = images_of(arrays, tmp_path / "p", Preprocess(28, MEAN, STD), recipe, augmented=True)
    with pytest.raises(ValueError, match="no evaluation transform"):
        ours.batch(torch.arange(5), None)
