"""Which quirks a run has follows from the run."""

from __future__ import annotations

import re

import fabricated
import pytest

from repro import plugins
from repro.papers import quirks
from repro.settings import Recipe

NAMES = [
    "std-0.228",
    "std-0.2289",
    "selected-on-reported",
    "bn-eval",
    "lp-augmented-features",
    "absent-bias-1000",
    "absent-bias-0",
    "fmow-old-val",
    "f1-over-present-classes",
    "duplicate-names",
    "duplicate-imagenet-names",
    "two-hundred-classes",
    "worst-region-without-other",
    "id-val-reported",
    "selected-by-cross-entropy",
    "patches-as-published",
    "wise-ft-of-flyp",
    "irm-restarts",
    "groups-not-epochs",
]
FEW = {"select_by": "cross_entropy", "judge_start": True}


def of(method: str = "ft", benchmark: str = "made-up", **recipe) -> list[str]:
    return [quirk.name for quirk in quirks.of(fabricated.run(method, of=fabricated.benchmark(name=benchmark), **recipe))]


def test_the_quirks_are_these():
    assert [quirk.name for quirk in quirks.known()] == NAMES


def test_each_is_one_sentence_with_a_source_of_repository_commit_and_lines():
    for quirk in quirks.known():
        assert re.fullmatch(r"[A-Z](?:[^.]|\.(?=\d))+\.", quirk.text), quirk.name
        assert re.match(r"[\w-]+/[\w-]+@[\w.]+ [\w/.-]+", quirk.source), quirk.name
        assert re.search(r":\d+|cell \d+", quirk.source), quirk.name


def test_conditions_name_methods_and_fields_that_exist():
    """Benchmarks may be named before they are there: such a quirk is no run's."""
    conditions = [quirk.when for quirk in quirks.known()]
    assert {method for when in conditions for method in when.methods} <= plugins.names("methods").keys()
    for when in conditions:
        assert when.benchmarks or when.recipe
        recipe = Recipe.model_validate(when.recipe).model_dump(mode="json")
        assert {field: recipe[field] for field in when.recipe} == when.recipe


@pytest.mark.parametrize(
    ("run", "without", "name"),
    [
        ({"std": (0.228, 0.224, 0.225)}, {"std": (0.229, 0.224, 0.225)}, "std-0.228"),
        ({"std": (0.2289, 0.224, 0.225)}, {"std": None}, "std-0.2289"),
        ({"method": "lp-ft"}, {"method": "lp-ft", "batchnorm": "train"}, "bn-eval"),
        ({"method": "lp-ft"}, {"method": "ft", "batchnorm": "eval"}, "bn-eval"),
        ({"method": "lp", "lp_features": "train"}, {"method": "lp"}, "lp-augmented-features"),
        ({"method": "lp", "benchmark": "fmow-geo"}, {"method": "lp", "benchmark": "fmow-geo", "lp_absent_bias": 0}, "absent-bias-1000"),
        ({"method": "lp", "benchmark": "fmow-geo", "lp_absent_bias": 0}, {"method": "lp", "lp_absent_bias": 0}, "absent-bias-0"),
        ({"benchmark": "fmow-geo"}, {"benchmark": "fmow"}, "fmow-old-val"),
        ({"benchmark": "living17"}, {}, "selected-on-reported"),
        ({"benchmark": "domainnet"}, {}, "selected-on-reported"),
        ({"method": "zero-shot", "benchmark": "imagenet"}, {"benchmark": "imagenet"}, "duplicate-imagenet-names"),
        ({"benchmark": "imagenet"}, {"benchmark": "living17"}, "two-hundred-classes"),
        ({"benchmark": "cifar10.1"}, {"benchmark": "camelyon17"}, "selected-on-reported"),
        ({"benchmark": "fmow-geo"}, {"benchmark": "iwildcam"}, "selected-on-reported"),
        ({"benchmark": "iwildcam"}, {}, "f1-over-present-classes"),
        ({"method": "zero-shot", "benchmark": "iwildcam"}, {"benchmark": "iwildcam"}, "duplicate-names"),
        ({"benchmark": "fmow"}, {"benchmark": "fmow-geo"}, "worst-region-without-other"),
        ({"benchmark": "camelyon17"}, {}, "id-val-reported"),
        (FEW, FEW | {"select_by": None}, "selected-by-cross-entropy"),
        (FEW, FEW | {"judge_start": False}, "selected-by-cross-entropy"),
        ({"benchmark": "patchcamelyon"}, {"benchmark": "camelyon17"}, "patches-as-published"),
        ({"method": "wise-ft", "base": "flyp"}, {"method": "wise-ft"}, "wise-ft-of-flyp"),
    ],
)
def test_another_setting_makes_a_quirk_vanish(run, without, name):
    assert name in of(**run) and name not in of(**without)


def test_an_ordinary_run_has_none():
    assert of("ft") == of("lp") == of("zero-shot") == []


def test_what_a_probe_starts_with_is_handed_on_and_its_images_are_not():
    std = (0.228, 0.224, 0.225)
    parent = fabricated.run("lp", of=fabricated.benchmark(name="fmow-geo"), lp_features="train", std=std)
    child = fabricated.run("lp-ft", of=parent.benchmark, parents={"head": parent.key}, batchnorm="train")
    alone = [quirk.name for quirk in quirks.of(child)]
    assert alone == ["selected-on-reported", "fmow-old-val"]
    runs = {parent.key: parent}
    assert [quirk.name for quirk in quirks.of(child, runs.get)] == [
        "selected-on-reported",
        "lp-augmented-features",
        "absent-bias-1000",
        "fmow-old-val",
    ]
    grandchild = fabricated.run("ft", parents={"start": child.key})
    handed = [quirk.name for quirk in quirks.of(grandchild, {**runs, child.key: child}.get)]
    assert handed == ["lp-augmented-features", "absent-bias-1000"]


def test_no_key_depends_on_quirks(monkeypatch):
    run = fabricated.run("lp-ft")
    before = run.key
    monkeypatch.setattr(quirks, "known", lambda: ())
    assert quirks.of(run) == () and fabricated.run("lp-ft").key == before
