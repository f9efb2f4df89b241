"""FMoW as a benchmark: the published splits, counted; the worst region; sixteen prompts, spelled out."""

from __future__ import annotations

import numpy as np
import pytest
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts
from wilds_layouts import replace_in, write_fmow

from repro.benchmarks import fmow
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.reading.prompts import fill


@pytest.fixture
def copy():
    return write_fmow(Places.find().data / "fmow")


def test_what_is_declared_is_what_is_published():
    benchmark = describe(fmow)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 76_863),
        "id_val": ("id_val", None, "worst_region", 11_483),
        "id_test": ("id_test", "ID", "accuracy", 11_327),
        "ood_val": ("ood_val", None, "worst_region", 19_915),
        "ood_test": ("ood_test", "OOD", "worst_region", 22_108),
    }
    assert set(benchmark.metrics) == {"accuracy", "worst_region"}
    region, year = benchmark.groupings
    assert (region.values, region.ignored) == (("Asia", "Europe", "Africa", "Americas", "Oceania", "Other"), ("Other",))
    assert (year.values[0], year.values[-1], len(year.values), year.ignored) == ("2002", "2017", 16, ())
    assert (benchmark.needs, benchmark.backbone) == (("fmow",), "clip-vit-b-16")


def test_other_counts_are_refused(copy):
    refuse_other_counts(fmow, {"train": 2, "id_val": 3, "id_test": 1, "ood_val": 2, "ood_test": 2})


def test_a_missing_image_is_named(copy):
    refuse_a_missing_image(fmow, "id_val")


def test_labels_and_groups_follow_the_rows(copy):
    benchmark = describe(fmow, {})
    made = loading.load(benchmark, benchmark.split("id_val"))
    assert [benchmark.classes[label] for label in made.labels] == ["zoo", "tower", "airport"]
    assert (made.groups["region"].tolist(), made.groups["year"].tolist()) == ([2, 1, 3], [10, 9, 8])


def test_a_year_outside_the_published_ones_is_refused(copy):
    replace_in(copy / "fmow_v1.1/rgb_metadata.csv", "2017-12-31", "2018-12-31")
    benchmark = describe(fmow, {})
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, benchmark.split("ood_test"))
    assert "has a year numbered 16" in caught.value.what


SPELLED = {
    "airport_hangar": """\
satellite photo of a airport_hangar.
aerial photo of a airport_hangar.
satellite photo of an airport hangar.
aerial photo of an airport hangar.
satellite photo of a airport_hangar in asia.
aerial photo of a airport_hangar in asia.
satellite photo of a airport_hangar in africa.
aerial photo of a airport_hangar in africa.
satellite photo of a airport_hangar in the americas.
aerial photo of a airport_hangar in the americas.
satellite photo of a airport_hangar in europe.
aerial photo of a airport_hangar in europe.
satellite photo of a airport_hangar in oceania.
aerial photo of a airport_hangar in oceania.
a photo of a airport_hangar.
airport_hangar.""",
    "multi-unit_residential": """\
satellite photo of a multi-unit_residential.
aerial photo of a multi-unit_residential.
satellite photo of a multi-unit residential.
aerial photo of a multi-unit residential.
satellite photo of a multi-unit_residential in asia.
aerial photo of a multi-unit_residential in asia.
satellite photo of a multi-unit_residential in africa.
aerial photo of a multi-unit_residential in africa.
satellite photo of a multi-unit_residential in the americas.
aerial photo of a multi-unit_residential in the americas.
satellite photo of a multi-unit_residential in europe.
aerial photo of a multi-unit_residential in europe.
satellite photo of a multi-unit_residential in oceania.
aerial photo of a multi-unit_residential in oceania.
a photo of a multi-unit_residential.
multi-unit_residential.""",
}


@pytest.mark.parametrize("name", SPELLED)
def test_the_sixteen_prompts(name):
    templates = describe(fmow).templates
    assert [fill(template, name) for template in templates] == SPELLED[name].split("\n")
    assert len(templates) == len(set(templates)) == 16


def test_tiny_has_every_region_where_the_worst_is_asked_for():
    tiny = describe(fmow, tiny=True)
    for name in ("id_val", "ood_val", "ood_test"):
        made = loading.load(tiny, tiny.split(name))
        assert np.bincount(made.groups["region"], minlength=6)[:5].min() >= 4, name
    assert [len(loading.load(tiny, split).sources) for split in tiny.splits[1:]] == [184, 135, 55, 61, 82]


def test_it_takes_no_options():
    with pytest.raises(UserError, match="fmow takes no --id"):
        fmow.describe({"id": "x"}, Places.find())
