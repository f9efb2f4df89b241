"""Which checkpoint is reported: a pure function of stored records."""

from __future__ import annotations

import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes.selection import CHOICES, RULES, headline, score, select, worth_keeping
from repro.settings import Recipe
from repro.types import Split

BENCHMARK = fabricated.benchmark()
WITH_OOD_VAL = fabricated.benchmark(splits=(*fabricated.SPLITS, Split(name="quickdraw", role="ood_val")))
POINTS = (
    fabricated.checkpoint("epoch-1", id_val=0.7, id_test=0.9, sketch=0.9, clipart=0.2, quickdraw=0.1),
    fabricated.checkpoint("epoch-2", id_val=0.8, id_test=0.1, sketch=0.3, clipart=0.9, quickdraw=0.2),
    fabricated.checkpoint("epoch-3", id_val=0.8, id_test=0.2, sketch=0.1, clipart=0.1, quickdraw=0.9),
    fabricated.checkpoint("epoch-4", id_val=0.6, id_test=0.3, sketch=0.1, clipart=0.1, quickdraw=0.3),
)


@pytest.mark.parametrize(("rule", "expected"), [("id_val", "epoch-2"), ("last", "epoch-4"), ("oracle", "epoch-2"), ("ood_val", "epoch-3")])
def test_each_rule_selects(rule, expected):
    assert select(POINTS, rule, WITH_OOD_VAL).name == expected


BY_LOSS = tuple(
    fabricated.checkpoint(f"epoch-{number}", id_val=accuracy).model_copy(
        update={"metrics": {"id_val": {"accuracy": accuracy, "cross_entropy": loss}, "sketch": {"accuracy": test}}}
    )
    for number, (accuracy, loss, test) in enumerate([(0.9, 0.7, 0.1), (0.5, 0.4, 0.2), (0.6, 0.4, 0.3), (0.7, 0.5, 0.9)])
)


def test_a_recipe_may_select_by_the_lowest_cross_entropy_and_the_later_of_equals():
    assert select(BY_LOSS, "id_val", BENCHMARK).name == "epoch-0"
    assert select(BY_LOSS, "id_val", BENCHMARK, "cross_entropy").name == "epoch-2"
    assert select(BY_LOSS[:2], "id_val", BENCHMARK, "cross_entropy").name == "epoch-1"
    assert score(BY_LOSS[1], "id_val", BENCHMARK, "cross_entropy") == -0.4
    assert select(BY_LOSS, "last", BENCHMARK, "cross_entropy").name == "epoch-3"


def test_the_other_rules_keep_to_the_headline_metric():
    benchmark = fabricated.benchmark(splits=tuple(split for split in fabricated.SPLITS if split.name != "clipart"))
    assert select(BY_LOSS, "oracle", benchmark, "cross_entropy").name == "epoch-3"
    assert score(BY_LOSS[0], "oracle", benchmark, "cross_entropy") == 0.1


def test_of_a_stage_that_is_judged_on_validation_alone_what_its_splits_choose_is_worth_keeping():
    points = tuple(point.model_copy(update={"metrics": {"id_val": point.metrics["id_val"]}}) for point in POINTS)
    assert worth_keeping(points, WITH_OOD_VAL) == ("epoch-2", "epoch-4")


def test_what_was_judged_on_validation_alone_is_worth_keeping_once_and_no_other_rule_applies():
    points = tuple(point.model_copy(update={"metrics": {"id_val": point.metrics["id_val"]}}) for point in BY_LOSS)
    assert worth_keeping(points, BENCHMARK, Recipe(judge="selected", select_by="cross_entropy")) == ("epoch-2",)
    assert worth_keeping(points, BENCHMARK, Recipe(judge="selected")) == ("epoch-0",)
    with pytest.raises(UserError, match="epoch-0 of a run on made-up was not judged on sketch") as caught:
        select(points, "oracle", BENCHMARK, "cross_entropy")
    assert "judge=selected" in caught.value.why and "--select id_val" in caught.value.cure
    with pytest.raises(UserError, match="epoch-3 of a run on made-up was not judged on sketch"):
        headline(select(points, "last", BENCHMARK), BENCHMARK.split("sketch"), BENCHMARK)


def test_the_rules_are_these():
    assert list(RULES) == ["id_val", "ood_val", "last", "oracle"]
    assert list(CHOICES) == ["paper", *RULES], "of a table; each run is judged by one of the rules"


def test_the_earliest_of_equals_is_selected():
    assert select(POINTS[1:3], "id_val", BENCHMARK).name == "epoch-2"
    assert select(POINTS[2:0:-1], "id_val", BENCHMARK).name == "epoch-3"


def test_the_oracle_averages_the_reported_ood_splits_and_nothing_else():
    assert score(POINTS[0], "oracle", WITH_OOD_VAL) == pytest.approx(0.55)
    assert score(POINTS[1], "oracle", WITH_OOD_VAL) == pytest.approx(0.6)


def test_test_splits_do_not_influence_fair_rules():
    spoiled = [
        point.model_copy(update={"metrics": {**point.metrics, "id_test": {"accuracy": 0.0}, "sketch": {"accuracy": 1.0 - index / 9}}})
        for index, point in enumerate(POINTS)
    ]
    for rule in ("id_val", "ood_val", "last"):
        assert select(spoiled, rule, WITH_OOD_VAL).name == select(POINTS, rule, WITH_OOD_VAL).name


def test_each_split_counts_by_its_own_headline_metric():
    """By accuracy, the oracle would take the first; sketch's own metric and clipart's accuracy take the second."""
    splits = (*fabricated.SPLITS[:3], fabricated.SPLITS[3].model_copy(update={"metric": "macro_f1"}), fabricated.SPLITS[4])
    benchmark = fabricated.benchmark(splits=splits)
    points = [
        point.model_copy(update={"metrics": {**point.metrics, "sketch": {**point.metrics["sketch"], "macro_f1": macro_f1}}})
        for point, macro_f1 in zip(POINTS[:2], (0.1, 0.6), strict=True)
    ]
    assert [score(point, "oracle", benchmark) for point in points] == pytest.approx([(0.1 + 0.2) / 2, (0.6 + 0.9) / 2])
    assert headline(points[0], splits[3], benchmark) == 0.1 and headline(points[0], splits[4], benchmark) == 0.2
    with pytest.raises(UserError, match="a result of made-up has no macro F1 on sketch"):
        score(POINTS[0], "oracle", benchmark)


def test_the_oracle_does_not_look_at_splits_beside_the_headline():
    beside = fabricated.SPLITS[4].model_copy(update={"headline": False})
    benchmark = fabricated.benchmark(splits=(*fabricated.SPLITS[:4], beside))
    assert score(POINTS[0], "oracle", benchmark) == 0.9
    assert select(POINTS, "oracle", benchmark).name == "epoch-1" and select(POINTS, "oracle", BENCHMARK).name == "epoch-2"
    assert worth_keeping(POINTS, benchmark) == ("epoch-1", "epoch-2", "epoch-4")
    alone = fabricated.benchmark(splits=(*fabricated.SPLITS[:3], beside))
    assert worth_keeping(POINTS, alone) == ("epoch-2", "epoch-4")
    with pytest.raises(UserError, match="no split for selection by oracle"):
        select(POINTS, "oracle", alone)


def test_a_validation_split_may_be_shown_beside_the_headline():
    quickdraw = Split(name="quickdraw", role="ood_val", column="OOD", headline=False)
    assert select(POINTS, "ood_val", fabricated.benchmark(splits=(*fabricated.SPLITS, quickdraw))).name == "epoch-3"


def test_a_run_with_one_checkpoint_needs_no_selection():
    assert select(POINTS[:1], "id_val", BENCHMARK) is POINTS[0]


def test_a_rule_without_its_split_is_refused():
    with pytest.raises(UserError, match="made-up has no split for selection by ood_val"):
        select(POINTS, "ood_val", BENCHMARK)
    with pytest.raises(UserError, match="made-up has no split for selection by ood_val"):
        select(POINTS[:1], "ood_val", BENCHMARK)


def test_a_wrong_rule_suggests_the_nearest():
    with pytest.raises(UserError, match="there is no selection rule 'idval'") as caught:
        select(POINTS, "idval", BENCHMARK)
    assert caught.value.why == "did you mean 'id_val'?"


def test_worth_keeping_is_what_any_rule_would_report():
    assert worth_keeping(POINTS, BENCHMARK) == ("epoch-2", "epoch-4")
    assert worth_keeping(POINTS, WITH_OOD_VAL) == ("epoch-2", "epoch-3", "epoch-4")
    assert worth_keeping(POINTS[:1], BENCHMARK) == ("epoch-1",)
