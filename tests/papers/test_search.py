"""Draws equal the authors': the generator asked in their order, against the numbers that they published."""

import numpy as np
import pytest

from repro.papers import rows
from repro.papers.search import Range, Search, Together

# helenqu/connect-later-wilds@88e79ef launch_camelyon_tuning.sh:8-11: the first and the last of twenty, as their generator printed them.
PUBLISHED = {
    "probe_lr": (0.004094210574219827, 0.0019739007152135553, 0.001732535496371176, 0.004837912261560764),
    "lr": (3.215209401079871e-05, 2.802133817452133e-05, 0.00010303115672820608, 3.406841995207059e-05),
    "targeted_p": (0.6744236077484681, 0.5089913298176647, 0.8962849858523515, 0.8458741948187047),
    "stain_sigma": (0.08846312362615615, 0.0710112246132279, 0.06188632269500114, 0.07410443884068409),
}


def row_of(benchmark: str, method: str = "connect-later") -> rows.Row:
    return next(row for row in rows.table_of(benchmark).row if (row.paper, row.method) == ("connect-later", method))


def test_camelyon17s_draws_are_those_that_were_published():
    drawn = row_of("camelyon17").search.fields()
    assert {field: (*values[:3], values[-1]) for field, values in drawn.items()} == {
        field: pytest.approx(values, rel=1e-15) for field, values in PUBLISHED.items()
    }
    assert {len(values) for values in drawn.values()} == {20}


@pytest.mark.parametrize(("benchmark", "count"), [("iwildcam", 10), ("camelyon17", 20)])
def test_the_recorded_winner_is_one_of_the_draws(benchmark, count):
    row = row_of(benchmark)
    drawn = row.search.fields()
    trials = [dict(zip(drawn, values, strict=True)) for values in zip(*drawn.values(), strict=True)]
    winner = [
        number for number, trial in enumerate(trials) if all(trial[field] == pytest.approx(row.quick[field], rel=1e-14) for field in trial)
    ]
    assert len(trials) == count and winner == [5] and set(drawn) == set(row.quick)


@pytest.mark.parametrize(("benchmark", "augmented", "each"), [("iwildcam", 10, 3), ("camelyon17", 20, 4)])
def test_draws_without_augmentation_come_after_those_with_it(benchmark, augmented, each):
    generator = np.random.RandomState(111)
    generator.uniform(size=augmented * each)
    pairs = [(generator.uniform(-3, -2), generator.uniform(-5, -2)) for _ in range(10)]
    assert row_of(benchmark, "lp-ft").search.fields() == {"lr": pytest.approx([10**exponent for _, exponent in pairs])}


def test_draws_are_numpys_in_the_order_of_the_ranges():
    ranges = (Range(field="lr", low=-3, high=-2, exponent=True), Range(field="momentum", low=0.5, high=0.9))
    np.random.seed(7)
    expected = [(10 ** np.random.uniform(-3, -2), np.random.uniform(0.5, 0.9)) for _ in range(6)]
    drawn = Search(seed=7, draws=6, ranges=ranges).fields()
    assert list(zip(drawn["lr"], drawn["momentum"], strict=True)) == expected
    later = Search(seed=7, draws=4, ranges=ranges, skip=4).fields()
    assert later["lr"] == drawn["lr"][2:] and isinstance(later["lr"], Together)
    alone = Search(seed=7, draws=6, ranges=ranges, unused=("lr",)).fields()
    assert alone == {"momentum": drawn["momentum"]}
