"""A recipe is made in layers, and each field remembers which layer it came from."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from repro.errors import UserError
from repro.planning.recipe import Setting, parse_set, resolve, unused
from repro.record import canonical_json
from repro.settings import IMAGES, TRAINING, Recipe
from repro.types import Method

METHODS = ["ft", "lp", "lp-ft"]
FT = Method(name="ft", version=1, fields=TRAINING | IMAGES, defaults={"epochs": 20, "lr": 0.01})


def chosen(*settings: str, row=None, asked: bool = True, tiny: bool = False, method: Method = FT):
    layer = {field: (value, "tables/x.toml: ft") for field, value in (row or {}).items()}
    return resolve(method, layer, [parse_set(text, METHODS) for text in settings], asked, tiny)


def only(choices):
    assert len(choices) == 1
    return choices[0]


def test_the_methods_default_alone():
    choice = only(chosen())
    assert choice.recipe == Recipe(epochs=20, lr=0.01)
    assert choice.provenance == {"epochs": "method ft", "lr": "method ft"}


def test_the_row_beats_the_method_and_a_setting_beats_both():
    row = {"lr": 0.1, "batch_size": 32}
    assert only(chosen(row=row)).recipe == Recipe(epochs=20, lr=0.1, batch_size=32)
    choice = only(chosen("lr=0.5", row=row))
    assert choice.recipe == Recipe(epochs=20, lr=0.5, batch_size=32)
    assert choice.provenance == {"epochs": "method ft", "lr": "--set lr=0.5", "batch_size": "tables/x.toml: ft"}


def test_the_last_of_two_settings_holds():
    assert only(chosen("lr=0.5", "lr=0.7")).recipe.lr == 0.7


def test_a_field_set_back_to_its_neutral_value_leaves_no_trace():
    choice = only(chosen("lr=0.001", "epochs=0"))
    assert choice.recipe == Recipe()
    assert choice.provenance == {}


def test_an_unscoped_setting_reaches_only_methods_that_were_asked_for():
    assert only(chosen("lr=0.5", asked=False)).recipe.lr == 0.01
    assert only(chosen("ft.lr=0.5", asked=False)).recipe.lr == 0.5
    assert only(chosen("lp-ft.lr=0.5")).recipe.lr == 0.01


def test_an_unscoped_setting_passes_by_a_method_that_has_no_such_field():
    assert only(chosen("lp_c_count=3")).recipe == Recipe(epochs=20, lr=0.01)


def test_a_scoped_setting_must_mean_something_to_its_method():
    with pytest.raises(UserError, match=r"--set ft\.lp_c_count=3: lp_c_count means nothing to ft") as caught:
        chosen("ft.lp_c_count=3")
    assert "batch_size" in caught.value.why


def test_a_sweep_makes_every_combination_in_order():
    choices = chosen("lr=0.1,0.2", "weight_decay=0,0.5")
    assert [(choice.recipe.lr, choice.recipe.weight_decay) for choice in choices] == [(0.1, 0), (0.1, 0.5), (0.2, 0), (0.2, 0.5)]
    assert choices[1].provenance["weight_decay"] == "--set weight_decay=0,0.5"
    assert choices[0].provenance["weight_decay"] == "--set weight_decay=0,0.5", "a neutral value, and asked for all the same"


def test_a_row_may_sweep_and_a_pair_is_no_sweep():
    choices = chosen(row={"lr": [0.1, 0.2], "betas": [0.8, 0.9]})
    assert [(choice.recipe.lr, choice.recipe.betas) for choice in choices] == [(0.1, (0.8, 0.9)), (0.2, (0.8, 0.9))]


def test_tiny_takes_the_methods_few_steps_unless_a_setting_says_otherwise():
    choice = only(chosen(tiny=True))
    assert (choice.recipe.epochs, choice.provenance["epochs"]) == (2, "--tiny")
    assert only(chosen("epochs=3", tiny=True)).recipe.epochs == 3
    assert only(chosen(row={"epochs": [4, 5]}, tiny=True)).recipe.epochs == 2
    assert only(chosen(row={"image_size": 448}, tiny=True)).recipe.image_size is None
    assert only(chosen("image_size=64", row={"image_size": 448}, tiny=True)).recipe.image_size == 64
    longer = Method(name="ft", version=1, fields=TRAINING | IMAGES, tiny={"epochs": 7, "lr": 0.5, "lp_max_iter": 3})
    assert only(chosen(tiny=True, method=longer)).recipe == Recipe(epochs=7, lr=0.5)
    without = Method(name="lp", version=1, fields=IMAGES)
    assert only(chosen(tiny=True, method=without)).recipe == Recipe()


@pytest.mark.parametrize(
    ("row", "what", "why"),
    [
        ({"lrr": 1.0}, "tables/x.toml: ft: a recipe has no field 'lrr'", "did you mean 'lr'?"),
        ({"lr": "fast"}, "tables/x.toml: ft: 'fast' is not a value of lr", "valid number"),
        ({"lr": [0.1, -1]}, "tables/x.toml: ft: -1 is not a value of lr", "greater than 0"),
        ({"lp_c_count": 3}, "tables/x.toml: ft: lp_c_count means nothing to ft", "ft uses"),
    ],
)
def test_a_mistake_in_a_table_names_the_table(row, what, why):
    with pytest.raises(UserError) as caught:
        chosen(row=row)
    assert caught.value.what == what
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("lr=1e-3", (None, "lr", (1e-3,))),
        (" lp-ft.lr = 1e-3 ", ("lp-ft", "lr", (1e-3,))),
        ("lr=1,2,1", (None, "lr", (1.0, 2.0))),
        ("betas=0.9,0.98", (None, "betas", ((0.9, 0.98),))),
        ("mean=.1,.2,.3", (None, "mean", ((0.1, 0.2, 0.3),))),
        ("mean=none", (None, "mean", (None,))),
        ("clip_norm=NONE,1", (None, "clip_norm", (None, 1.0))),
        ("augment=none", (None, "augment", ("none",))),
        ("lp.lp_standardise=none,scalar", ("lp", "lp_standardise", ("none", "scalar"))),
        ("nesterov=true", (None, "nesterov", (True,))),
        ("optimizer=adamw,sgd", (None, "optimizer", ("adamw", "sgd"))),
    ],
)
def test_parse_set_reads(text, setting):
    assert parse_set(text, METHODS) == Setting(*setting, text)


@pytest.mark.parametrize(
    ("text", "what", "why", "cure"),
    [
        ("lr", "not of the form key=value", "a setting names", "--set lr=1e-3"),
        ("=3", "not of the form key=value", "a setting names", "--set lr=1e-3"),
        ("lr=", "not of the form key=value", "a setting names", "--set lr=1e-3"),
        ("lr= ", "not of the form key=value", "a setting names", "--set lr=1e-3"),
        ("bacth_size=3", "no field 'bacth_size'", "did you mean 'batch_size'?", "repro list fields"),
        ("xyzzy=3", "no field 'xyzzy'", "the fields are listed", "repro list fields"),
        ("lpft.lr=3", "no method 'lpft'", "did you mean 'lp-ft'?", "repro list methods"),
        ("xyzzy.lr=3", "no method 'xyzzy'", "known: ft, lp, lp-ft", "repro list methods"),
        (".lr=3", "no method ''", "known:", "repro list methods"),
        ("lr=fast", "'fast' is not a value of lr", "valid number", "--set lr=0.001"),
        ("lr=1,", "'' is not a value of lr", "valid number", "--set lr=0.001"),
        ("lr=0", "'0' is not a value of lr", "greater than 0 (peak learning rate)", "--set lr=0.001"),
        ("lr=none", "'none' is not a value of lr", "valid number", "--set lr=0.001"),
        ("lr=inf", "'inf' is not a value of lr", "finite", "--set lr=0.001"),
        ("betas=nan,0.9", "is not a value of betas", "finite", "--set betas=0.9,0.999"),
        ("epochs=1.5", "'1.5' is not a value of epochs", "valid integer", "--set epochs=0"),
        ("betas=0.9", "is not a value of betas", "another number of values", "--set betas=0.9,0.999"),
        ("precision=fp8", "'fp8' is not a value of precision", "'fp32', 'tf32', 'bf16' or 'fp16'", "--set precision=fp32"),
        ("nesterov=perhaps", "'perhaps' is not a value of nesterov", "boolean", "--set nesterov="),
        ("clip_norm=-1", "'-1' is not a value of clip_norm", "greater than 0", "--set clip_norm=none"),
    ],
)
def test_parse_set_refuses_in_three_lines(text, what, why, cure):
    with pytest.raises(UserError) as caught:
        parse_set(text, METHODS)
    lines = caught.value.lines()
    assert all(part in line for part, line in zip((what, why, cure), lines, strict=True)), lines
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_the_example_of_a_cure_can_be_typed(field):
    with pytest.raises(UserError) as caught:
        parse_set(f"{field}=\x00", METHODS)
    example_of_field = caught.value.cure.removeprefix("for example --set ")
    assert parse_set(example_of_field, METHODS).values == (Recipe.model_fields[field].default,)


FIELDS = st.sampled_from(sorted(Recipe.model_fields))
VALUES = st.text() | st.floats().map(str) | st.integers().map(str) | st.lists(st.floats().map(str), max_size=4).map(",".join)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("std=0,1,1", "greater than 0"),
        ("std=0", "another number of values"),
        ("betas=2,2", "less than 1"),
        ("betas=-0.1,0.9", "at least 0"),
        ("rrc_scale=1,0.5", "the smaller share comes first"),
        ("rrc_scale=0,1", "above 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(text, why):
    with pytest.raises(UserError) as caught:
        parse_set(text, METHODS)
    assert caught.value.what.startswith(f"--set {text}:") and why in caught.value.why and caught.value.cure


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (("lp_c_min=10", "lp_c_max=1"), "lp: lp_c_min 10 is above lp_c_max 1"),
        (("nesterov=true", "momentum=0"), "lp: nesterov without momentum"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(settings, what):
    with pytest.raises(UserError) as caught:
        chosen(*settings, method=Method(name="lp", version=1, fields=frozenset(Recipe.model_fields)))
    assert caught.value.what == what and caught.value.why and caught.value.cure


def test_a_probe_of_features_without_augmentation_is_one_probe():
    lp = Method(name="lp", version=1, fields=frozenset(["augment", "rrc_scale", "shift", "lp_features"]))
    assert only(chosen("augment=flip", "shift=2", method=lp)) == only(chosen(method=lp))
    assert only(chosen("augment=flip", "lp_features=train", method=lp)).recipe.augment == "flip"


def test_larger_frames_in_packs_enter_the_key_only_where_they_are_cropped():
    lp = Method(name="lp", version=1, fields=IMAGES | {"augment", "rrc_scale", "shift", "lp_features"})
    assert only(chosen("augment=rrc_flip", "pack_side=0")).recipe.changed()["pack_side"] == 0
    assert only(chosen("augment=rrc", "pack_side=512,none", "lp_features=train", method=lp)[:1]).recipe.pack_side == 512
    for settings, method in (
        (("augment=flip",), FT),
        ((), FT),
        (("augment=rrc",), lp),
        ((), Method(name="zero-shot", version=1, fields=IMAGES)),
    ):
        assert only(chosen(*settings, "pack_side=0", method=method)) == only(chosen(*settings, method=method))


@given(st.text() | st.builds("{}={}".format, FIELDS, VALUES) | st.builds("{}.{}={}".format, st.sampled_from(METHODS), FIELDS, VALUES))
@example("epochs=" + "9" * 5000)
@example("lr=1e999")
@example("lr=٣")
def test_parse_set_gives_a_setting_that_can_be_run_or_a_user_error(text):
    try:
        setting = parse_set(text, METHODS)
    except UserError as error:
        assert len(error.lines()) == 3
        return
    assert setting.field in Recipe.model_fields
    assert setting.method in (None, *METHODS)
    for value in setting.values:
        canonical_json(Recipe.model_validate({setting.field: value}).changed())


def test_a_setting_that_nobody_uses_is_a_mistake():
    settings = [parse_set("lr=1", METHODS), parse_set("lp_c_count=3", METHODS), parse_set("lp.lp_c_count=3", METHODS)]
    assert unused(settings, [FT]).what == "--set lp_c_count=3: no method of this run uses lp_c_count"
    assert unused(settings[:1] + settings[2:], [FT]) is None
