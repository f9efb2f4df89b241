"""The user's own light curves: how they are split, which copies are made, and each way in which they can be wrong."""

from pathlib import Path

import numpy as np
import pytest
import small_curves

from repro.benchmarks import light_curves as benchmarks
from repro.errors import UserError
from repro.nn.job import Job
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.plan import Request
from repro.reading import flares, light_curves
from repro.reading.loading import load
from repro.types import Benchmark


def describe(root: Path, tiny: bool = False, **options: str) -> Benchmark:
    return benchmarks.describe({"root": str(root), "id": "near", "ood": "far", **options}, Places.find(), tiny)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_curves.write_domains(tmp_path / "curves", 45)
    return tmp_path / "curves"


def names(benchmark: Benchmark, split: str) -> list[bytes]:
    return [source.tobytes() for source in benchmarks.examples(benchmark, benchmark.split(split)).sources]


def test_the_id_domain_is_cut_into_disjoint_parts_of_every_class(root: Path) -> None:
    benchmark = describe(root)
    assert benchmark.classes == ("0", "1", "2") and benchmark.backbone == "informer-small"
    parts = {part: names(benchmark, part) for part in benchmarks.PARTS}
    assert [len(parts[part]) for part in benchmarks.PARTS] == [27, 9, 9] and len(set().union(*parts.values())) == 45
    for part in benchmarks.PARTS:
        labels = benchmarks.examples(benchmark, benchmark.split(part)).labels
        assert np.bincount(labels).tolist() == [len(labels) // 3] * 3
    assert len(names(benchmark, "far")) == 45
    pretrain = benchmarks.examples(benchmark, benchmark.split("pretrain"))
    assert len(pretrain.sources) == 90 and set(pretrain.labels.tolist()) == {-1}


def test_redshifted_holds_train_and_copies_of_it_alone(root: Path) -> None:
    benchmark = describe(root)
    train, redshifted = (benchmarks.examples(benchmark, benchmark.split(name)) for name in ("train", "redshifted"))
    originals = {source.tobytes() for source in train.sources}
    assert originals <= {source.tobytes() for source in redshifted.sources}
    assert 2 * len(train.labels) <= len(redshifted.labels) <= 11 * len(train.labels)
    labels = iter(redshifted.labels)
    current = None
    for source, label in zip(redshifted.sources, labels, strict=True):  # each original, then its copies, with its label
        current = label if source.tobytes() in originals else current
        assert label == current
    assert names(benchmark, "redshifted") == [source.tobytes() for source in redshifted.sources]


@pytest.mark.parametrize(("targeted", "split"), [("none", "train"), ("redshift", "redshifted")])
def test_a_run_trains_on_the_split_of_its_augmentation(root: Path, targeted: str, split: str) -> None:
    places = Places.find()
    made = planning.make(Request(describe(root), ("scratch",), (0,), sets=(f"targeted={targeted}", "epochs=1")))
    job = Job(made.runs[0], small_curves.CPU, places.packs, load)
    job.backbone()
    assert job.split_with_role("train") == split and job.split_with_role("id_val") == "id_val"
    assert len(job.images(split)) == len(names(describe(root), split)) and list(job.extras["packs"]) == [split]


def test_few_shots_are_drawn_of_light_curves_too(root: Path) -> None:
    sets = ("ft.shots=3", "ft.epochs=1", "mae-pretrain.epochs=1")
    made = planning.make(Request(describe(root), ("ft",), (0,), sets=sets))
    job = Job(made.runs[-1], small_curves.CPU, Places.find().packs, load)
    job.backbone(pretrained=False)
    assert np.bincount(job.images("train").labels.numpy()).tolist() == [3, 3, 3] and len(job.images("id_test")) == 9


def test_objects_without_label_are_pretrained_on_alone(root: Path) -> None:
    file = root / "far.jsonl"
    found = light_curves.read(file)
    light_curves.write(file, [found[0]._replace(label=None), found[1]._replace(label=7), *found[2:]])
    benchmark = describe(root)
    assert len(names(benchmark, "far")) == 43 and len(names(benchmark, "pretrain")) == 90


def test_a_domain_to_validate_on_is_in_no_average(root: Path) -> None:
    light_curves.write(root / "mid.jsonl", light_curves.read(root / "far.jsonl"))
    benchmark = describe(root, ood_val="mid")
    assert benchmark.split("mid").role == "ood_val" and not benchmark.split("mid").headline and len(names(benchmark, "mid")) == 45


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"ood": ""}, "needs --ood"),
        ({"ood": "near"}, "cannot be ID and OOD"),
        ({"ood": "pretrain"}, "cannot be ID and OOD"),
        ({"ood": "absent"}, r"there is no .*absent\.jsonl"),
        ({"ood_val": "far"}, "cannot be ID and OOD"),
    ],
)
def test_domains_that_cannot_be(root: Path, options: dict[str, str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        describe(root, **options)


def test_too_few_of_a_class_and_nothing_to_redshift_are_told(tmp_path: Path) -> None:
    made = [flares.make(f"near_{number}", number % 2, 0.1, number)._replace(redshift=None) for number in range(20)]
    for name in ("near", "far"):
        light_curves.write(tmp_path / f"{name}.jsonl", made)
    benchmark = describe(tmp_path)
    with pytest.raises(UserError, match="no training object could be redshifted"):
        names(benchmark, "redshifted")
    light_curves.write(tmp_path / "near.jsonl", [*made, made[0]._replace(name="x", label="rare")])
    benchmarks._read.cache_clear()
    with pytest.raises(UserError, match="cannot be split"):
        describe(tmp_path)
