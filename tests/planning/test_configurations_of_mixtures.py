"""What tells rows apart where runs are mixed: shortly, and only what is so. (Rows of single runs: test_tables.py.)"""

from __future__ import annotations

from made_tables import finished, only, rows

from repro.display.tables import build
from repro.planning.configurations import rank, short


def line(base: str, seed: int = 0, **of):
    """A fine-tuning of that method, and WiSE-FT on it."""
    end, start = finished(base, seed, **of), finished("zero-shot")
    return [end, start, finished("wise-ft", seed, base=base, parents={"end": end.key, "start": start.key})]


def soup(*parts, method: str = "uniform-soup", accuracy: float = 0.5, **of):
    roles = {f"part-{number:03}": part.key for number, part in enumerate(parts)}
    return finished(method, accuracy=accuracy, base=parts[0].run.method, parents=roles, **of)


def of(method: str, results) -> list[tuple[str, ...]]:
    return sorted(row.variant for row in only(build(results)).rows if row.method == method)


def test_a_mixture_names_its_base_and_what_differs_in_it():
    results = [*line("flyp"), *line("ft", head="zero_shot")]
    assert of("wise-ft", results) == [("base=flyp",), ("ft.head=zero_shot",)]
    assert of("ft", results) == [("head=zero_shot",)]


def test_images_that_a_mixture_has_from_its_base_are_told_as_the_bases():
    end, start = finished("flyp", image_size=48), finished("zero-shot", image_size=48)
    mixed = finished("wise-ft", base="flyp", image_size=48, parents={"end": end.key, "start": start.key})
    assert of("wise-ft", [end, start, mixed, finished("ft")]) == [("base=flyp", "flyp.image_size=48")]


def test_the_tuned_field_of_a_base_is_chosen_and_seeds_make_no_variant():
    results = [result for seed in (0, 1) for lr in (0.1, 0.2) for result in line("ft", seed, lr=lr, head="zero_shot")]
    table = only(build({result.key: result for result in results}.values()))
    (row,) = [row for row in table.rows if row.method == "wise-ft"]
    assert (row.variant, row.seeds) == (("ft.head=zero_shot",), (0, 1))


def test_soups_of_other_numbers_of_runs_are_told_apart():
    parts = [finished("ft", seed) for seed in range(3)]
    assert of("uniform-soup", [*parts, soup(*parts), soup(*parts[:2])]) == [("runs=2",), ("runs=3",)]


def test_a_soup_names_every_field_in_which_its_runs_differ_the_tuned_ones_too():
    parts = [finished("ft", lr=lr, weight_decay=decay) for lr in (0.2, 0.1) for decay in (0.0, 0.5)]
    assert of("greedy-soup", [*parts, soup(*parts, method="greedy-soup")]) == [("runs=4", "ft.lr=0.1,0.2", "ft.weight_decay=0,0.5")]


def test_soups_of_one_learning_rate_each_are_chosen_among():
    parts = {(lr, seed): finished("ft", seed, lr=lr) for lr in (0.1, 0.2) for seed in (0, 1)}
    soups = [soup(parts[lr, 0], parts[lr, 1], accuracy=value) for lr, value in ((0.1, 0.4), (0.2, 0.6))]
    both = soup(*parts.values(), accuracy=0.3)
    table = only(build([*parts.values(), *soups, both]))
    assert {row.variant: row.cells[0].mean for row in table.rows if row.method == "uniform-soup"} == {
        ("runs=2",): 0.6,
        ("runs=4", "ft.lr=0.1,0.2"): 0.3,
    }
    assert "uniform-soup: ft.lr 0.2 chosen by id_val among 0.1, 0.2" in " ".join(table.caption)


def test_soups_of_as_many_runs_over_seeds_and_over_settings_can_be_ranked():
    """Both are of two runs, and only tuned fields tell them apart."""
    parts = {(lr, seed): finished("ft", seed, lr=lr) for lr, seed in ((0.1, 0), (0.1, 1), (0.2, 0))}
    results = [soup(parts[0.1, 0], parts[0.1, 1], accuracy=0.4), soup(parts[0.1, 0], parts[0.2, 0], accuracy=0.6)]
    assert rows([*parts.values(), *results])["uniform-soup runs=2 ft.lr=0.1,0.2"].cells[0].mean == 0.6


def test_values_of_any_kind_have_an_order_and_a_spelling():
    assert sorted([None, 0.2, 0.1], key=rank) == [0.1, 0.2, None]
    assert sorted([(0.2, None), (0.1, 0.3), (0.2, 0.1)], key=rank) == [(0.1, 0.3), (0.2, 0.1), (0.2, None)]
    assert short((1e-5, 0.5, None)) == "1e-05,0.5,None"
