"""Several views of an image: their sizes, what each follows from, and crops against torchvision's resize of the same box."""

import pytest
import tiny_digits
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as oracle

from repro.nn.inputs import augment, colour
from repro.nn.inputs.images import Images
from repro.nn.inputs.multicrop import MultiCrop
from repro.nn.seeding import uniforms

SETS = ("crops=2,3", "crop_sides=32,16", "crop_min=0.5,0.05", "crop_max=1,0.3", "augment=rrc")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("views"))
    job = tiny_digits.job_of(tiny_digits.plan("swav-pretrain", sets=SETS), "swav-pretrain", places)
    job.backbone()
    return job.images("pretrain", augmented=True)


def test_there_are_as_many_views_of_each_kind_as_the_recipe_says(images: Images) -> None:
    views = MultiCrop(images)
    made = views.batch(torch.tensor([3, 50, 7]), views.uniforms(0, 1))
    assert [tuple(view.shape) for view in made] == [(3, 3, 32, 32)] * 2 + [(3, 3, 16, 16)] * 3
    assert not torch.equal(made[0], made[1])


def test_a_view_follows_from_example_number_and_seed(images: Images) -> None:
    views = MultiCrop(images)
    whole = views.batch(torch.tensor([3, 50, 7]), views.uniforms(0, 1))
    alone = views.batch(torch.tensor([50]), views.uniforms(0, 1))
    later = views.batch(torch.tensor([50]), views.uniforms(0, 2))
    for one, other, changed in zip(whole, alone, later, strict=True):
        assert torch.allclose(one[1], other[0], atol=1e-5) and not torch.allclose(one[1], changed[0], atol=1e-2)


def test_a_view_is_the_crop_of_its_box(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "distort", lambda pixels, draws: pixels)
    views, index = MultiCrop(images), torch.tensor([11, 60])
    key = views.uniforms(0, 1)
    made = views.batch(index, key)
    draws = uniforms(index, 5 * (augment.UNIFORMS + colour.UNIFORMS), key).chunk(5, dim=1)
    for number, (low, high, side) in enumerate([(0.5, 1, 32)] * 2 + [(0.05, 0.3, 16)] * 3):
        boxes = augment.random_resized_crop_boxes(images.pack.sizes(index), draws[number][:, : augment.UNIFORMS], (low, high))
        for row, (top, left, height, width) in enumerate(boxes.long().tolist()):
            assert height * width <= high * 1024 * 1.1 + 33
            pixels = images.pack.images[index[row]].permute(2, 0, 1)
            kernel = InterpolationMode(images.preprocess.interpolation)
            expected = oracle.resized_crop(pixels, top, left, height, width, [side, side], kernel, antialias=True)
            expected = images.normalised(expected.permute(1, 2, 0)[None])[0]
            assert (made[number][row] - expected).abs().max() < 0.03  # a level or two of 8 bits, in standard deviations
