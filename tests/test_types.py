"""Records are frozen, and a run's key says exactly what it is made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from repro.record import canonical_json, digest
from repro.settings import (
    DOMAINS,
    FEW_SHOT,
    GENERIC,
    HEAD,
    IMAGES,
    INIT,
    L2SP,
    LOSSES,
    MASKED,
    MIXTURE,
    OBJECTIVE,
    PROBE,
    SEARCH,
    STAGED,
    SWAV,
    TARGETED,
    TOWERS,
    TRAINING,
    UNLABELLED,
    Recipe,
)
from repro.types import BackboneRef, Benchmark, Parent, Run, Split

# A field at the value written here is left out of keys: changing a value would silently give old results a new meaning. A new field
# is added here with the value at which the program does what it did before; no line is ever edited.
NEUTRAL = {
    "optimizer": "sgd",
    "lr": 1e-3,
    "momentum": 0.9,
    "nesterov": False,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "epochs": 0,
    "batch_size": 64,
    "accumulate": 1,
    "drop_last": False,
    "schedule": "cosine_epoch",
    "warmup_steps": 0,
    "clip_norm": None,
    "label_smoothing": 0.0,
    "head_lr_factor": 1.0,
    "precision": "fp32",
    "batchnorm": "train",
    "freeze": "none",
    "augment": "none",
    "rrc_scale": (0.08, 1.0),
    "rrc_interpolation": None,
    "shift": 4,
    "augment_p": 1.0,
    "randaugment_n": 2,
    "mix_alpha": 1.0,
    "cutmix_box": "centred",
    "image_size": None,
    "resize": "crop",
    "crop_ratio": None,
    "interpolation": None,
    "pack_side": None,
    "mean": None,
    "std": None,
    "lp_c_min": 1e-7,
    "lp_c_max": 1e2,
    "lp_c_count": 50,
    "lp_features": "eval",
    "lp_standardise": "scalar",
    "lp_solver": "converged",
    "lp_max_iter": 200,
    "lp_absent_bias": -1000.0,
    "base": None,
    "mix_at": "last",
    "alphas": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "judge_every": 1,
    "keep_weights": "selected",
    "head": "random",
    "l2sp_weight": 0.0,
    "l2sp_head": False,
    "shots": None,
    "fixed_crops": False,
    "judge_start": False,
    "judge": "all",
    "select_by": None,
    "targeted": "none",
    "targeted_p": 1.0,
    "stain_sigma": 0.05,
    "seen_in": "train",
    "probe_lr": 1e-3,
    "probe_epochs": 10,
    "probe_steps": None,
    "probe_batchnorm": "eval",
    "start_at": "id_val",
    "lr_end": 0.0,
    "lr_gamma": 1.0,
    "init": "own",
    "unlabelled": None,
    "groups_per_batch": None,
    "penalty_weight": 1.0,
    "penalty_schedule": "constant",
    "anneal_steps": 0,
    "discriminator_lr": None,
    "crops": (2, 6),
    "crop_sides": None,
    "crop_min": (0.14, 0.05),
    "crop_max": (1.0, 0.14),
    "prototypes": 3000,
    "projection": (2048, 128),
    "sinkhorn_epsilon": 0.05,
    "sinkhorn_iterations": 3,
    "temperature": 0.1,
    "frozen_prototype_steps": 313,
    "variant": "as_intended",
    "losses": LOSSES,
    "captions": "english",
    "searched": True,
    **{f"weight_{name}": 0.0 for name in LOSSES},
    "trials": 100,
    "inner_steps": 10,
    "search_on": "ood_val",
    "search_examples": 1000,
    "search_by": None,
    "search_balanced": True,
    "search_shared": False,
    "search_augmented": False,
    "search_lr_factor": 100.0,
    "search_decay": 1.0,
    "search_seeds": 11,
    "fixed_loss": "ce",
    "fixed_drawn": False,
    "trial_lr": "searched",
    "trial_head": "trained",
    "final_lr": "searched",
    "anchor": "start",
    "order": "epochs",
    "clip_each": False,
    "loss_divisor": 1.0,
    "steps": None,
    "class_weights": "none",
    "head_dropout": 0.0,
    "mask_share": 0.6,
}

BENCHMARK = Benchmark(
    name="made-up",
    version=1,
    caption="",
    title="",
    splits=(Split(name="train", role="train"),),
    classes=("a", "b"),
    data="0" * 64,
    methods=("ft",),
)


def make(**changes) -> Run:
    fields = {
        "benchmark": BENCHMARK,
        "method": "ft",
        "method_version": 1,
        "recipe": Recipe(),
        "provenance": {},
        "backbone": BackboneRef(name="digits-clip"),
        "seed": 0,
    }
    return Run(**{**fields, **changes})


GOLDEN = {
    "plain": (make(), "0f9af49b8ab665ef9838"),
    "recipe": (
        make(recipe=Recipe(lr=3e-3, epochs=20, betas=(0.9, 0.98), optimizer="adamw", mean=(0.5, 0.5, 0.5)), seed=2),
        "c25a9d58dea53bac7a55",
    ),
    "parents": (
        make(method="lp-ft", parents={"head": "a" * 20, "backbone": "b" * 20}, recipe=Recipe(batchnorm="eval", lr=1e-4)),
        "00fbc289671a0be695ff",
    ),
    "folder": (
        make(
            benchmark=BENCHMARK.model_copy(
                update={"name": "folder", "options": {"id": "photo", "ood": ["sketch", "dessin à l'encre"]}, "tiny": True, "version": 3}
            ),
            backbone=BackboneRef(name="timm:mobilenetv2_100", kwargs={"pad_type": "same", "drop_rate": 0.5}, weights="c" * 64),
            method_version=7,
        ),
        "81dda25d11cf5d7e4c7b",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_keys(name):
    """Whoever breaks this makes every stored result unfindable: raise a method's or a benchmark's version instead."""
    run, key = GOLDEN[name]
    assert run.key == key


def test_the_canonical_form_of_a_run_is_pinned():
    assert canonical_json(make(recipe=Recipe(lr=0.01, weight_decay=1.0)).identity()) == (
        '{"backbone":{"name":"digits-clip"},"benchmark":{"classes":["a","b"],"data":"' + "0" * 64 + '",'
        '"name":"made-up","options":{},"templates":[],"tiny":false,"version":1},'
        '"method":{"name":"ft","version":1},"parents":{},"recipe":{"lr":0.01,"weight_decay":1},"seed":0}'
    )


def test_neutral_values_never_change():
    assert {name: field.get_default() for name, field in Recipe.model_fields.items()} == NEUTRAL


@pytest.mark.parametrize("field", NEUTRAL)
def test_a_neutral_value_never_enters_the_key(field):
    spelled = Recipe.model_validate({field: NEUTRAL[field]})
    assert spelled.changed() == {}
    assert make(recipe=spelled).key == make().key


def test_a_value_that_is_not_neutral_enters_the_key():
    assert Recipe(lr=0.5, clip_norm=1.0, betas=(0.8, 0.9)).changed() == {"lr": 0.5, "clip_norm": 1.0, "betas": [0.8, 0.9]}
    assert make(recipe=Recipe(lr=0.5)).key != make().key


def test_every_field_means_something_to_some_kind_of_method():
    kinds = (
        TRAINING,
        IMAGES,
        PROBE,
        HEAD,
        L2SP,
        MIXTURE,
        FEW_SHOT,
        TARGETED,
        GENERIC,
        STAGED,
        INIT,
        UNLABELLED,
        DOMAINS,
        SWAV,
        OBJECTIVE,
        SEARCH,
        MASKED,
    )
    assert set(NEUTRAL) == frozenset().union(*kinds) and sum(map(len, kinds)) == len(NEUTRAL)
    assert TOWERS < TRAINING


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ({"b": 1, "a": [1.0, 2.5]}, '{"a":[1,2.5],"b":1}'),
        ((1, True, None), "[1,true,null]"),
        (1e-7, "1e-07"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        ("é☃", '"\\u00e9\\u2603"'),
        ({1: "a"}, '{"1":"a"}'),
        (
            Parent(method="x"),
            '{"field":null,"images":false,"many":false,"method":"x","settings":false,"shared":false,"start_of":null,"takes":{},"when":{}}',
        ),
    ],
)
def test_canonical_json_has_one_spelling(value, spelling):
    assert canonical_json(value) == spelling


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_canonical_json_refuses_what_is_no_number(value):
    with pytest.raises(ValueError, match="cannot be part of a key"):
        canonical_json({"deep": [{"down": value}]})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN, st.randoms(use_true_random=False))
def test_the_order_of_a_mapping_changes_nothing(value, random):
    def shuffled(item):
        if isinstance(item, dict):
            pairs = [(key, shuffled(inner)) for key, inner in item.items()]
            random.shuffle(pairs)
            return dict(pairs)
        return tuple(shuffled(inner) for inner in item) if isinstance(item, list) else item

    assert canonical_json(shuffled(value)) == canonical_json(value)
    assert digest(shuffled(value)) == digest(value)


@pytest.mark.parametrize("record", [Recipe(), BENCHMARK, BENCHMARK.splits[0], make()])
def test_records_are_frozen_and_refuse_unknown_fields(record):
    field = next(iter(type(record).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, field, None)
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(record).model_validate({**dict(record), "colour": "red"})


@pytest.mark.parametrize(
    "bad", [{"lr": 0}, {"lr": -1}, {"momentum": 1}, {"epochs": -1}, {"batch_size": 0}, {"precision": "fp8"}, {"crop_ratio": 2}]
)
def test_a_recipe_refuses_values_out_of_range(bad):
    with pytest.raises(ValidationError):
        Recipe.model_validate(bad)


def test_paths_captions_and_provenance_are_not_part_of_a_key():
    renamed = BENCHMARK.model_copy(update={"caption": "other", "title": "other", "root": "/elsewhere", "licence": "x", "methods": ("lp",)})
    assert make(benchmark=renamed, provenance={"lr": "--set"}).key == make().key


def test_a_run_survives_json():
    for run, _ in GOLDEN.values():
        again = Run.model_validate_json(run.model_dump_json())
        assert again == run
        assert again.key == run.key


def test_splits_are_found_by_name_and_role():
    splits = (Split(name="a", role="train"), Split(name="b", role="ood_test"), Split(name="c", role="ood_test"))
    benchmark = BENCHMARK.model_copy(update={"splits": splits})
    assert benchmark.split("b") is splits[1]
    assert benchmark.with_role("ood_test", "train") == splits
    assert benchmark.with_role("id_val") == ()


def test_a_training_tells_its_rate_and_a_probe_has_none():
    told = Recipe(epochs=3, augment="rrc").told()
    asked = {
        "optimizer": "sgd",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "epochs": 3,
        "batch_size": 64,
        "schedule": "cosine_epoch",
        "augment": "rrc",
    }
    assert told == asked and Recipe(lp_c_count=3).told() == {"lp_c_count": 3}
