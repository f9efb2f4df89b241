"""Several splits as one: which example is which, their order, labels, groups and random numbers."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.nn.inputs.images import Images
from repro.nn.inputs.joined import Joined


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Images]:
    folder: Path = tmp_path_factory.mktemp("joined")
    job = tiny_digits.job_of(tiny_digits.plan("ft", sets=("augment=shift_flip",)), "ft", tiny_digits.pretrained_home(folder))
    job.backbone()
    return [job.images(name, augmented=True) for name in ("train", "writers", "unlabelled")]


def test_examples_are_those_of_the_parts_one_after_another(parts: list[Images]) -> None:
    joined = Joined(parts)
    assert len(joined) == 300 and joined.labels.tolist() == [label for part in parts for label in part.labels.tolist()]
    assert joined.labels[200:].unique().tolist() == [-1]
    assert joined.groups["writer"].tolist() == [value for part in parts for value in part.groups["writer"].tolist()]
    index = torch.tensor([250, 3, 199, 100, 0, 299, 99, 120])
    images = joined.batch(index, None)
    for row, example in enumerate(index.tolist()):
        part, within = parts[example // 100], torch.tensor([example % 100])
        assert torch.equal(images[row], part.batch(within, None)[0])


def test_augmentation_is_a_function_of_the_example_and_the_epoch(parts: list[Images]) -> None:
    joined = Joined(parts)
    uniforms, again, other = (joined.uniforms(*seed) for seed in ((0, 1), (0, 1), (0, 2)))
    index = torch.tensor([7, 107, 207, 42])
    whole, alone = joined.batch(index, uniforms), joined.batch(index[1:3], again)
    assert torch.equal(whole[1:3], alone) and not torch.equal(whole, joined.batch(index, other))
    assert not torch.equal(uniforms[0], uniforms[1])
    assert torch.equal(uniforms[0], parts[0].uniforms(0, 1))  # of the first part as if it were alone


def test_a_group_that_not_all_parts_have_is_left_out(parts: list[Images]) -> None:
    bare = Images(parts[1].pack, parts[1].preprocess, parts[1].device, parts[1].recipe, False)
    bare.pack = type(bare.pack)(**{**bare.pack.__dict__, "groups": {}})
    assert Joined([parts[0], bare]).groups == {}


def test_views_are_joined_one_by_one() -> None:
    class Views:
        groups: dict = {}

        def __init__(self, first: int):
            self.labels = torch.arange(first, first + 4)

        def __len__(self) -> int:
            return 4

        def batch(self, index: torch.Tensor, uniforms: None) -> list[torch.Tensor]:
            return [self.labels[index][:, None].float(), -self.labels[index][:, None].float()]

    plus, minus = Joined([Views(0), Views(10)]).batch(torch.tensor([5, 0, 7, 3]), None)
    assert plus.flatten().tolist() == [11, 0, 13, 3] and torch.equal(minus, -plus)
