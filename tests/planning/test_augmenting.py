"""Generic augmentations in a plan: erm's alone, for classes, without a targeted one; what means nothing beside them is in no key."""

import pytest
from tiny_digits import places_at

from repro import plugins
from repro.errors import UserError
from repro.planning import augmenting
from repro.planning import plan as planning
from repro.planning.plan import Request
from repro.planning.recipe import parse_set, resolve
from repro.settings import OF_AUGMENT, Recipe


@pytest.mark.parametrize(
    ("method", "sets", "said"),
    [
        ("ft", ("augment=mixup",), "ft: augment=mixup"),
        ("erm-targeted", ("augment=randaugment",), "erm-targeted: augment=randaugment"),
        ("lp", ("augment=cutmix", "lp_features=train"), "lp: augment=cutmix"),
        ("erm", ("augment=randaugment", "targeted=paste-digits"), "erm: augment=randaugment with targeted=paste-digits"),
        ("erm", ("augment=mixup", "targeted=paste-digits"), "erm: augment=mixup with targeted=paste-digits"),
        ("erm", ("mix_alpha=0",), "--set mix_alpha=0: '0' is not a value of mix_alpha"),
        ("erm", ("randaugment_n=0",), "--set randaugment_n=0: '0' is not a value of randaugment_n"),
        ("erm", ("augment_p=1.5",), "--set augment_p=1.5: '1.5' is not a value of augment_p"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_run(tmp_path, method, sets, said):
    described = plugins.benchmark("digits").describe({}, places_at(tmp_path), True)
    with pytest.raises(UserError) as caught:
        planning.make(Request(described, (method,), (0,), sets=sets))
    assert caught.value.what == said and caught.value.why and caught.value.cure


def test_classes_alone_are_mixed(tmp_path):
    erm = plugins.declared("erm")
    described = plugins.benchmark("digits").describe({}, places_at(tmp_path), True)
    of_numbers = described.model_copy(update={"task": "regression"})
    augmenting.require(erm, Recipe(augment="randaugment"), of_numbers)
    for augment in ("mixup", "cutmix"):
        augmenting.require(erm, Recipe(augment=augment), described)
        with pytest.raises(UserError) as caught:
            augmenting.require(erm, Recipe(augment=augment), of_numbers)
        assert caught.value.why == "it mixes classes, and there is regression"


def test_light_curves_have_no_such_augmentation(tmp_path):
    described = plugins.benchmark("astro-classification").describe({}, places_at(tmp_path), True)
    with pytest.raises(UserError) as caught:
        planning.make(Request(described, ("erm",), (0,), sets=("augment=mixup",)))
    assert caught.value.what == "erm: augment means nothing on astro-classification"


def test_fields_beside_another_augmentation_say_nothing():
    erm = plugins.declared("erm")

    def recipe(*sets: str) -> Recipe:
        return resolve(erm, {}, [parse_set(f"erm.{text}", ["erm"]) for text in sets], True)[0].recipe

    own = {"augment_p": 0.5, "randaugment_n": 3, "mix_alpha": 0.2, "cutmix_box": "as_released"}
    sets = tuple(f"{field}={value}" for field, value in own.items())
    assert recipe(*sets) == recipe()
    assert recipe("augment=flip", *sets) == recipe("augment=flip")
    for augment, fields in OF_AUGMENT.items():
        changed = recipe(f"augment={augment}", *sets).changed()
        assert {field: changed[field] for field in own if field in changed} == {field: own[field] for field in own if field in fields}
