"""Which quirks a run has follows from the run."""

from __future__ import annotations

import re

import fabricated
import pytest

from repro import backbones, plugins
from repro.papers import quirks
from repro.settings import Recipe
from repro.types import BackboneRef

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
    "objectnet-folders",
    "worst-region-without-other",
    "id-val-reported",
    "selected-by-cross-entropy",
    "patches-as-published",
    "wise-ft-of-flyp",
    "cameras-of-all-splits",
    "backgrounds-bilinear",
    "randaugment-after-resize",
    "cutmix-box",
    "flips-with-pasting",
    "statistics-adapt-in-probe",
    "reported-epoch-not-kept",
    "id-val-for-id-test",
    "spread-without-correction",
    "searched-in-distribution",
    "searched-images-keep-labels",
    "sampled-weight-in-the-end",
    "searched-rate-ignored",
    "trials-in-warm-up",
    "distances-to-itself",
    "search-set-unbalanced",
    "search-set-shared",
    "search-set-augmented",
    "batches-independent",
    "steps-of-micro-batches",
    "clipped-each-micro-batch",
    "negatives-of-micro-batches",
    "scientific-captions",
    "relative-to-flyp",
    "searched-with-new-heads",
    "searched-on-reported",
    "weights-by-frequency",
    "dropout-of-a-frozen-encoder",
    "informer-in-name",
    "padding-attended",
    "own-astro-split",
    "target-is-pretrained-on",
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
        assert when.benchmarks or when.recipe or when.methods or when.backbones
        assert set(when.backbones) <= backbones.named().keys()
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
        ({"benchmark": "imagenet"}, {"benchmark": "living17"}, "objectnet-folders"),
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
        ({"targeted": "copy-paste", "seen_in": "all"}, {"targeted": "copy-paste"}, "cameras-of-all-splits"),
        ({"targeted": "copy-paste"}, {"targeted": "stain"}, "backgrounds-bilinear"),
        (
            {"method": "erm", "benchmark": "iwildcam", "augment": "randaugment"},
            {"method": "erm", "benchmark": "camelyon17", "augment": "randaugment"},
            "randaugment-after-resize",
        ),
        ({"method": "erm", "augment": "cutmix", "cutmix_box": "as_released"}, {"method": "erm", "augment": "cutmix"}, "cutmix-box"),
        ({"targeted": "copy-paste"}, {"targeted": "paste-digits"}, "flips-with-pasting"),
        ({"method": "connect-later", "probe_batchnorm": "adapt"}, {"method": "connect-later"}, "statistics-adapt-in-probe"),
        ({"method": "connect-later", "benchmark": "iwildcam"}, {"method": "erm", "benchmark": "iwildcam"}, "reported-epoch-not-kept"),
        (
            {"method": "connect-later", "benchmark": "iwildcam"},
            {"method": "connect-later", "benchmark": "camelyon17"},
            "id-val-for-id-test",
        ),
        (
            {"method": "connect-later", "benchmark": "camelyon17"},
            {"method": "lp-ft", "benchmark": "camelyon17"},
            "spread-without-correction",
        ),
        ({"method": "autoft", "search_on": "id_val"}, {"method": "autoft"}, "searched-in-distribution"),
        ({"method": "autoft", "fixed_drawn": True}, {"method": "autoft"}, "sampled-weight-in-the-end"),
        ({"method": "autoft", "final_lr": "recipe"}, {"method": "autoft"}, "searched-rate-ignored"),
        ({"method": "autoft", "trial_lr": "warm_up"}, {"method": "autoft"}, "trials-in-warm-up"),
        ({"method": "autoft", "anchor": "live"}, {"method": "autoft"}, "distances-to-itself"),
        ({"method": "autoft", "search_balanced": False}, {"method": "autoft"}, "search-set-unbalanced"),
        ({"method": "autoft", "search_shared": True}, {"method": "autoft"}, "search-set-shared"),
        ({"method": "autoft", "search_augmented": True}, {"method": "autoft"}, "search-set-augmented"),
        ({"method": "autoft", "order": "independent"}, {"method": "autoft"}, "batches-independent"),
        ({"method": "autoft", "loss_divisor": 2.0}, {"method": "autoft"}, "steps-of-micro-batches"),
        ({"method": "autoft", "clip_each": True}, {"method": "autoft"}, "clipped-each-micro-batch"),
        ({"method": "autoft", "accumulate": 2}, {"method": "autoft"}, "negatives-of-micro-batches"),
        ({"method": "autoft", "captions": "scientific"}, {"method": "autoft"}, "scientific-captions"),
        ({"method": "autoft", "fixed_loss": "flyp"}, {"method": "autoft"}, "relative-to-flyp"),
        ({"method": "autoft", "trial_head": "rebuilt"}, {"method": "autoft"}, "searched-with-new-heads"),
        (
            {"method": "autoft", "benchmark": "imagenet", "search_on": "v2"},
            {"method": "autoft", "benchmark": "imagenet"},
            "searched-on-reported",
        ),
        (
            {"method": "autoft", "benchmark": "cifar10.1", "search_on": "cifar10-c"},
            {"method": "autoft", "benchmark": "cifar10.1"},
            "searched-images-keep-labels",
        ),
        ({"class_weights": "frequency"}, {}, "weights-by-frequency"),
        (
            {"method": "lp-sgd", "benchmark": "redshifts", "batchnorm": "adapt"},
            {"method": "lp-sgd", "benchmark": "redshifts"},
            "dropout-of-a-frozen-encoder",
        ),
        ({"benchmark": "redshifts"}, {}, "own-astro-split"),
        ({"method": "mae-pretrain"}, {}, "target-is-pretrained-on"),
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


def test_a_networks_quirks_are_those_of_its_runs():
    run = fabricated.run()
    known = {"informer-in-name", "padding-attended"}
    assert known.isdisjoint(quirk.name for quirk in quirks.of(run))
    assert known <= {quirk.name for quirk in quirks.of(run.model_copy(update={"backbone": BackboneRef(name="informer")}))}


def test_no_key_depends_on_quirks(monkeypatch):
    run = fabricated.run("lp-ft")
    before = run.key
    monkeypatch.setattr(quirks, "known", lambda: ())
    assert quirks.of(run) == () and fabricated.run("lp-ft").key == before
