"""ID against OOD: the line in logits against numpy's, rows and curves against hand-made records."""

from __future__ import annotations

import fabricated
import numpy as np
import pytest

from repro.display import tables
from repro.figures import robustness
from repro.figures.robustness import Nothing, axis, curves, fit, named
from repro.outcomes.stats import t_interval
from repro.types import Checkpoint


def numpy_fit(points) -> np.ndarray:
    share = np.array(points)
    return np.polyfit(*(np.log(share / (1 - share))).T, 1)


def test_the_line_is_numpys_in_logits():
    points = np.random.default_rng(0).uniform(0.05, 0.97, (40, 2)).tolist()
    line = fit(points)
    assert (line.slope, line.intercept) == pytest.approx(tuple(numpy_fit(points)), rel=1e-9)
    assert (line.count, line.left_out) == (40, 0)
    x = np.log(0.7 / 0.3)
    assert line.at(0.7) == pytest.approx(1 / (1 + np.exp(-np.polyval(numpy_fit(points), x))))


def test_what_has_no_logit_is_left_out_and_counted():
    inside = [(0.6, 0.4), (0.7, 0.55), (0.9, 0.6)]
    line = fit([*inside, (1.0, 0.8), (0.5, 0.0)])
    assert (line.slope, line.intercept) == pytest.approx(tuple(numpy_fit(inside)))
    assert (line.count, line.left_out) == (3, 2)


@pytest.mark.parametrize("points", [[], [(0.5, 0.4)], [(0.5, 0.4), (0.5, 0.6)], [(1.0, 0.4), (0.5, 0.6)]])
def test_too_few_points_make_no_line(points):
    assert fit(points) is None


def epoch(number: int, **shares: float) -> Checkpoint:
    return fabricated.checkpoint(f"epoch-{number}", **shares).model_copy(update={"epoch": number})


def made(*results, rule: str = "id_val"):
    (table,) = tables.build(results, rule)
    return table, {result.key: result for result in results}


def test_rows_stand_where_the_table_has_them_and_the_line_goes_through_all_epochs():
    ft = [
        fabricated.result(
            fabricated.run("ft", seed=seed),
            [
                epoch(1, id_val=0.6, id_test=0.6 + seed / 50, sketch=0.3, clipart=0.5),
                epoch(2, id_val=0.9, id_test=0.8, sketch=0.4 + seed / 10, clipart=0.6),
                epoch(3, id_val=0.7, id_test=0.9, sketch=0.5, clipart=0.9),
            ],
        )
        for seed in (0, 1)
    ]
    lp = fabricated.result(
        fabricated.run("lp"), [fabricated.checkpoint("final", id_test=0.7, sketch=0.6, clipart=0.6).model_copy(update={"epoch": None})]
    )
    one = robustness.robustness(*made(*ft, lp))
    assert one.axes == ("ID: accuracy in % (id_test)", "OOD: accuracy in % (mean of sketch, clipart)")
    points = {point.name: point for point in one.points}
    assert points["ft"].id == t_interval([0.8, 0.8])
    assert points["ft"].ood == pytest.approx(t_interval([0.5, 0.55]))
    cloud = [(0.6, 0.4), (0.8, 0.5), (0.9, 0.7), (0.62, 0.4), (0.8, 0.55), (0.9, 0.7)]
    assert np.array(sorted(one.cloud)) == pytest.approx(np.array(sorted(cloud)))
    slope, intercept = numpy_fit(cloud)
    assert (one.line.slope, one.line.intercept) == pytest.approx((slope, intercept))
    expected = 1 / (1 + np.exp(-(slope * np.log(0.7 / 0.3) + intercept)))
    assert points["lp"].effective == pytest.approx(0.6 - expected)
    assert "6 judged epochs" in " ".join(one.caption) and "2 trainings" in " ".join(one.caption)
    assert "2 seeds" in one.caption[0]


def test_without_a_training_there_is_no_line():
    point = fabricated.checkpoint("final").model_copy(update={"epoch": None})
    one = robustness.robustness(*made(fabricated.result(fabricated.run("lp"), [point])))
    assert one.line is None and one.points[0].effective is None
    assert any("No line" in sentence for sentence in one.caption)


def test_splits_of_different_metrics_have_no_average_so_the_first_stands_for_them():
    benchmark = fabricated.with_splits(sketch={"metric": "macro_f1"})
    point = epoch(1)
    metrics = {**point.metrics, "sketch": {"accuracy": 0.5, "macro_f1": 0.25}}
    table, _ = made(fabricated.result(fabricated.run("ft", of=benchmark), [point.model_copy(update={"metrics": metrics})]))
    assert named(axis(table, "OOD")) == "OOD: macro F1 in % (sketch)"


def mixtures(seed: int):
    points = [
        fabricated.checkpoint(
            f"alpha-{alpha:g}", id_val=0.9 - abs(alpha - 0.5 - seed / 2), id_test=0.6 + alpha / 5 + seed / 10, sketch=0.5 - alpha / 10
        )
        for alpha in (0.0, 0.5, 1.0)
    ]
    return fabricated.result(fabricated.run("wise-ft", seed=seed), [point.model_copy(update={"epoch": None}) for point in points])


def test_a_curve_is_the_mean_over_seeds_at_each_alpha():
    shown = curves(*made(mixtures(0), mixtures(1)))
    (curve,) = shown.curves
    assert curve.alphas == (0.0, 0.5, 1.0)
    assert [cell.mean for cell in curve.id] == pytest.approx([0.65, 0.75, 0.85])
    assert [cell.n for cell in curve.id] == [2, 2, 2]
    assert [cell.mean for cell in curve.ood] == pytest.approx([0.5, 0.475, 0.45])
    assert curve.selected == (0.5, 1.0)


def test_an_epoch_that_was_not_judged_on_all_splits_is_no_point():
    whole = epoch(2, id_val=0.9, id_test=0.8, sketch=0.4, clipart=0.6)
    partly = epoch(1).model_copy(update={"metrics": {"id_val": {"accuracy": 0.5}}})
    one = robustness.robustness(*made(fabricated.result(fabricated.run("ft"), [partly, whole])))
    assert [pair == pytest.approx((0.8, 0.5)) for pair in one.cloud] == [True]


def test_no_mixtures_is_told_with_the_command_that_makes_some():
    tiny = fabricated.benchmark(tiny=True)
    with pytest.raises(Nothing) as error:
        curves(*made(fabricated.result(fabricated.run("ft", of=tiny))))
    assert error.value.cure == "repro run made-up -m wise-ft --tiny"


def test_a_tiny_subset_says_so():
    tiny = fabricated.benchmark(tiny=True)
    one = robustness.robustness(*made(fabricated.result(fabricated.run("ft", of=tiny))))
    assert one.tiny and any("TINY" in sentence for sentence in one.caption)
