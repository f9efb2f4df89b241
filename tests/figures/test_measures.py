"""The numbers behind the figures of trainings, groups and features, against hand-made records."""

from __future__ import annotations

import fabricated
import pytest

from repro.display import tables
from repro.figures import measures
from repro.figures.measures import Nothing
from repro.outcomes.stats import t_interval
from repro.types import Grouping

REGION = Grouping(name="region", values=("Asia", "Africa", "Other", "Nowhere"), ignored=("Other",))


def table_of(*results):
    (table,) = tables.build(results)
    return table, {result.key: result for result in results}


def trained(method: str = "ft", seed: int = 0, **changes):
    points = [
        fabricated.checkpoint(f"epoch-{number}", id_val=id_val, sketch=sketch).model_copy(
            update={"epoch": number, "train": {"loss": 2 / number}}
        )
        for number, id_val, sketch in ((1, 0.5, 0.7), (2, 0.9, 0.6), (4, 0.8, 0.65))
    ]
    return fabricated.result(fabricated.run(method, seed=seed, epochs=4), points, **changes)


def test_a_training_is_read_as_it_was_judged():
    one = measures.training(trained(), "id_val")
    assert [(line.name, line.epochs, line.values) for line in one.losses] == [("loss", (1, 2, 4), (2.0, 1.0, 0.5))]
    assert [line.name for line in one.metrics] == ["id_val", "ID: id_test", "OOD: sketch", "OOD: clipart"]
    assert one.metrics[2].values == (0.7, 0.6, 0.65)
    assert one.axis == "accuracy in %"
    assert one.selected == 2
    assert measures.training(trained(), "oracle").selected == 1
    assert measures.training(trained(), "last").selected == 4


def test_a_run_without_epochs_is_no_training():
    probe = fabricated.result(fabricated.run("lp"), [fabricated.checkpoint("final").model_copy(update={"epoch": None})])
    with pytest.raises(Nothing) as error:
        measures.training(probe, "id_val")
    assert error.value.cure == "repro run made-up -m ft"
    with pytest.raises(Nothing):
        measures.trainings(*table_of(probe))


def test_the_first_seed_of_each_training_row_is_shown():
    runs = [trained("ft", 1), trained("ft", 0), trained("l2-sp", 2)]
    assert [one.run.partition(" (")[0] for one in measures.trainings(*table_of(*runs))] == ["ft seed 0", "l2-sp seed 2"]


def grouped(seed: int, asia: float, africa: float, other: float):
    benchmark = fabricated.benchmark(groupings=(REGION,))
    point = fabricated.checkpoint()
    of_sketch = {"accuracy": 0.5, "worst_region": min(asia, africa), "region=Asia": asia, "region=Africa": africa, "region=Other": other}
    point = point.model_copy(update={"metrics": {**point.metrics, "sketch": of_sketch}})
    return fabricated.result(fabricated.run("ft", seed=seed, of=benchmark), [point])


def test_bars_are_means_over_seeds_and_the_worst_is_never_an_ignored_group():
    (one,) = measures.groups(*table_of(grouped(0, 0.8, 0.6, 0.1), grouped(1, 0.6, 0.7, 0.2)))
    assert (one.split, one.grouping, one.groups, one.ignored) == ("sketch", "region", ("Asia", "Africa", "Other"), ("Other",))
    (row,) = one.bars
    assert row.values == (t_interval([0.8, 0.6]), t_interval([0.6, 0.7]), t_interval([0.1, 0.2]))
    assert one.groups[row.worst] == "Africa"


def test_a_benchmark_without_groups_is_told():
    with pytest.raises(Nothing, match="made-up has no groups"):
        measures.groups(*table_of(trained()))


def test_distortion_averages_splits_first_and_seeds_then():
    runs = [trained(seed=seed, kept={"weights": ("epoch-2",)}) for seed in (0, 1)]
    probe = fabricated.result(fabricated.run("lp"), kept={"weights": ("final",)})
    table, results = table_of(*runs, probe)
    assert {(result.key, point.name) for result, point in measures.tuned(table, results)} == {(run.key, "epoch-2") for run in runs}
    measured = {
        run.key: {
            split: {"mean_squared_difference": value + seed, "euclidean_distance": 10 * value}
            for split, value in (("id_test", 1.0), ("sketch", 2.0), ("clipart", 4.0))
        }
        for seed, run in enumerate(runs)
    }
    one = measures.distortion(table, measured)
    (change,) = one.changes
    assert change.name == "ft (epochs=4)"
    squared, euclidean = (change.measures[name] for name in ("mean_squared_difference", "euclidean_distance"))
    assert squared == {"ID": t_interval([1.0, 2.0]), "OOD": t_interval([3.0, 4.0])}
    assert euclidean == {"ID": t_interval([10.0, 10.0]), "OOD": t_interval([30.0, 30.0])}


@pytest.mark.parametrize("changes", [{"kept": {"weights": ()}}, {}])
def test_without_kept_weights_there_is_nothing_to_compare(changes):
    with pytest.raises(Nothing) as error:
        measures.tuned(*table_of(trained(**changes)))
    assert error.value.cure == "repro run made-up -m ft,lp-ft"
