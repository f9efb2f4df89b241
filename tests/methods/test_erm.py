"""ERM starts from random weights, or from the pretrained ones where its recipe says so, with or without augmentation."""

from pathlib import Path

import pytest
import tiny_digits
import torch
from resumed import same_after_a_break

from repro.methods import erm, ft, scratch
from repro.settings import GENERIC


def test_it_is_scratch_from_random_weights_and_ft_from_pretrained_ones(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    for init, other in (("random", scratch), ("own", ft)):
        plan = tiny_digits.plan("erm", sets=(f"erm.init={init}",))
        assert ("clip-pretrain" in [run.method for run in plan.runs]) == (init == "own")
        states = [
            module.start(tiny_digits.job_of(made, name, places)).state_dict()
            for module, made, name in ((erm, plan, "erm"), (other, tiny_digits.plan(other.METHOD.name), other.METHOD.name))
        ]
        assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items()) and len(states[0]) > 10


def test_without_an_augmentation_it_says_nothing_of_one() -> None:
    run = next(run for run in tiny_digits.plan("erm").runs if run.method == "erm")
    assert run.recipe.targeted == "none" and run.recipe.init == "random"
    assert not ({"targeted", "targeted_p", "stain_sigma", "seen_in", "augment"} | GENERIC) & set(run.recipe.changed())


@pytest.mark.parametrize("augment", ["randaugment", "mixup", "cutmix"])
def test_a_broken_training_goes_on_with_the_same_images(augment: str, tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path / "home")
    sets = (f"erm.augment={augment}", "erm.epochs=2", "erm.batch_size=32")
    losses = same_after_a_break("erm", places, tmp_path, *sets, stop_at=5)
    plain = tiny_digits.fit(
        tiny_digits.job_of(tiny_digits.plan("erm", sets=("erm.epochs=2", "erm.batch_size=32")), "erm", places), tmp_path / "p"
    )[1]
    assert len(losses) == len(plain) == 8 and all(a != b for a, b in zip(losses, plain, strict=True))
