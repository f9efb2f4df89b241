"""From words to pairs of runs."""

from __future__ import annotations

import fabricated
import kept_predictions
import pytest

from repro.errors import UserError
from repro.outcomes.pairing import find
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged


@pytest.fixture
def store(tmp_path) -> Store:
    """ft with seeds 0 to 2, lp-ft with seeds 1 to 3, zero-shot, which has one run."""
    made = Store(tmp_path / "runs")
    for method, seeds in {"ft": (0, 1, 2), "lp-ft": (1, 2, 3), "zero-shot": (0,)}.items():
        for seed in seeds:
            kept_predictions.finish(made, fabricated.run(method, seed))
    return made


def seeds(pairs) -> list[tuple[int, int]]:
    return [(a.run.seed, b.run.seed) for a, b in pairs.pairs]


def complaint(*arguments, **options) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        find(*arguments, **options)
    return caught.value.lines()


def test_methods_are_paired_by_seed(store):
    pairs = find(store, "lp-ft", "ft")
    assert (pairs.a, pairs.b) == ("lp-ft", "ft")
    assert seeds(pairs) == [(1, 1), (2, 2)]
    assert {run.run.method for run in pairs.runs} == {"ft", "lp-ft"} and len(pairs.runs) == 4
    assert pairs.benchmark.name == "made-up"


def test_a_method_in_which_nothing_is_random_stands_beside_every_seed(store):
    assert seeds(find(store, "ft", "zero-shot")) == [(0, 0), (1, 0), (2, 0)]
    assert seeds(find(store, "zero-shot", "lp-ft")) == [(0, 1), (0, 2), (0, 3)]
    assert len(find(store, "zero-shot", "lp-ft").runs) == 4


def test_keys_are_a_pair_whatever_their_seeds(store):
    a, b = fabricated.run("ft", 0).key, fabricated.run("lp-ft", 3).key
    pairs = find(store, a[:8], b)
    assert seeds(pairs) == [(0, 3)]
    assert (pairs.a, pairs.b) == (f"ft seed 0 ({a[:8]})", f"lp-ft seed 3 ({b[:8]})")


def test_a_damaged_run_makes_no_pair_and_is_an_error_where_it_is_named(store):
    lost = store.folder(fabricated.run("ft", 1))
    (lost / "result.json").write_text("{")
    damaged: list[Damaged] = []
    assert seeds(find(store, "lp-ft", "ft", damaged=damaged)) == [(2, 2)] and [one.folder for one in damaged] == [lost]
    with pytest.raises(Damaged):
        find(store, lost.name.rpartition("-")[2], "ft", damaged=[])


def test_a_key_beside_a_method_takes_the_run_of_its_seed(store):
    assert seeds(find(store, fabricated.run("ft", 2).key, "lp-ft")) == [(2, 2)]
    what, why, _ = complaint(store, fabricated.run("ft", 0).key, "lp-ft")
    assert what.endswith("and lp-ft have no seed in common") and why == "they have 0 and 1, 2, 3"


def test_the_setting_that_the_table_shows_is_compared(store):
    """The learning rate is chosen on ID validation; other fields make rows of their own, which are named as the table names them."""
    for seed in range(3):
        kept_predictions.finish(store, fabricated.run("ft", seed, lr=0.5), 0.95)
    assert {a.run.recipe.lr for a, _ in find(store, "ft", "lp-ft").pairs} == {0.5}
    kept_predictions.finish(store, fabricated.run("ft", 1, weight_decay=0.5))
    assert seeds(find(store, "lp-ft", "ft (weight_decay=0.5)")) == [(1, 1)]
    assert seeds(find(store, "ft", "lp-ft")) == [(1, 1), (2, 2)]
    what, why, cure = complaint(store, "lp-ft", "ft (weight_decay=0.7)")
    assert what.startswith("no rows of made-up") and "'ft (weight_decay=0.5)'" in why and "quotes" in cure


def test_several_rows_of_a_method_must_be_told_apart(store):
    for decay in (0.5, 0.6):
        kept_predictions.finish(store, fabricated.run("l2-sp", 1, weight_decay=decay))
    what, why, _ = complaint(store, "l2-sp", "ft")
    assert what.startswith("2 rows of made-up") and what.endswith("are 'l2-sp'")
    assert f"'l2-sp (weight_decay=0.6)' ({fabricated.run('l2-sp', 1, weight_decay=0.6).key[:8]})" in why


@pytest.mark.parametrize(
    ("word", "what", "why"),
    [
        ("lp-fd", "there is no method or run 'lp-fd'", "did you mean 'lp-ft'?"),
        ("0000", "no run's key starts with 0000", "7 runs are finished, and none is near"),
        ("ft", "ft and ft are the same run", "there is nothing between them"),
    ],
)
def test_wrong_words(store, word, what, why):
    assert complaint(store, word, "ft") == (what, why, "repro show")


def test_the_nearest_key_is_named(store):
    key = fabricated.run("ft", 0).key
    typo = key[:7] + ("0" if key[7] != "0" else "1")
    what, why, _ = complaint(store, typo, "ft")
    assert what == f"no run's key starts with {typo}" and why == f"did you mean {key[:8]!r}?"


def test_an_unfinished_run_has_nothing_to_compare(store):
    run = fabricated.run("scratch", 5)
    store.claim(run)
    what, _, cure = complaint(store, run.key, "ft")
    assert what.endswith("is not finished") and cure == "repro show"


def test_runs_of_other_data_are_refused(store):
    other = fabricated.run("lp-ft", 0, of=fabricated.benchmark(data="1" * 64, version=2))
    kept_predictions.finish(store, other)
    what, why, _ = complaint(store, fabricated.run("ft", 0).key, other.key)
    assert what.endswith("are not of the same benchmark")
    assert why == "they have version 1 and 2; data 000000000000… and 111111111111…"


def test_a_method_that_was_not_run_where_the_key_was(store):
    what, why, _ = complaint(store, fabricated.run("ft", 0).key, "scratch")
    assert what == "no rows of made-up: numbers fabricated for a test are 'scratch'" and why.startswith("scratch has not been run on it")


def test_methods_without_a_benchmark_in_common(store):
    assert complaint(store, "lp", "ft") == (
        "no benchmark has results of both lp and ft",
        "repro show lists what has",
        "repro run BENCHMARK --method lp,ft",
    )
    what, _, cure = complaint(store, "lp-ft", "ft", benchmark="digits")
    assert what == "no benchmark called digits has results of both lp-ft and ft" and cure == "repro run digits --method lp-ft,ft"


def test_methods_with_several_benchmarks_in_common(store):
    for method in ("ft", "lp-ft"):
        kept_predictions.finish(store, fabricated.run(method, 0, of=fabricated.of_digits()))
    _, why, cure = complaint(store, "lp-ft", "ft")
    assert "digits: numbers" in why and "made-up: numbers" in why
    assert cure in ("repro compare lp-ft ft --benchmark digits", "repro compare lp-ft ft --benchmark made-up")
    assert seeds(find(store, "lp-ft", "ft", benchmark="digits")) == [(0, 0)]
    assert seeds(find(store, "lp-ft", "ft", benchmark="made-up: num")) == [(1, 1), (2, 2)]


def test_the_same_title_of_other_data_needs_keys(store):
    for method in ("ft", "lp-ft"):
        kept_predictions.finish(store, fabricated.run(method, 0, of=fabricated.benchmark(data="1" * 64)))
    assert complaint(store, "lp-ft", "ft")[2] == "repro compare KEY KEY; repro show lists keys"


def test_tiny_subsets_give_way_to_full_ones(store):
    for method in ("ft", "lp-ft", "lp"):
        kept_predictions.finish(store, fabricated.run(method, 0, of=fabricated.benchmark(tiny=True)))
    assert not find(store, "lp-ft", "ft").benchmark.tiny
    assert find(store, "lp", "ft").benchmark.tiny
