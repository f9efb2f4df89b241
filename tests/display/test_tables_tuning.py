"""Which settings a row shows. Every number is fabricated, chosen so that each rule gives another answer."""

from __future__ import annotations

from made_tables import finished, only, rows

from repro.display import tables
from repro.display.tables import build


def test_the_learning_rate_is_chosen_by_the_mean_of_id_val_over_seeds():
    """One seed of lr 0.1 is the best of all; its mean is not. The test splits would choose otherwise, too."""
    results = [
        finished("ft", seed, test, id_val=id_val, lr=lr)
        for lr, test, id_vals in ((0.1, 0.9, (0.95, 0.5)), (0.2, 0.3, (0.8, 0.8)), (0.3, 0.4, (0.7, 0.7)))
        for seed, id_val in enumerate(id_vals)
    ]
    table = only(build(results))
    assert [row.cells[0].mean for row in table.rows] == [0.3]
    assert "ft: lr 0.2 chosen by id_val among 0.1, 0.2, 0.3." in table.caption
    assert [row.cells[0].mean for row in only(build(results, "oracle")).rows] == [0.9]
    assert "ft: lr 0.1 chosen by oracle among 0.1, 0.2, 0.3." in only(build(results, "oracle")).caption
    assert [row.cells[0].mean for row in only(build(results, "last")).rows] == [0.3], "tuning stays fair where the last checkpoint is taken"


def test_each_variant_is_tuned_by_itself():
    results = [finished("ft", 0, value, lr=lr, batch_size=size) for lr, size, value in ((0.1, 64, 0.6), (0.2, 64, 0.5), (0.2, 32, 0.4))]
    assert {name: row.cells[0].mean for name, row in rows(results).items()} == {"ft": 0.6, "ft batch_size=32": 0.4}


def test_settings_with_fewer_seeds_are_left_out_and_it_is_said():
    results = [finished("ft", seed, 0.5, lr=0.1) for seed in (0, 1)] + [finished("ft", 0, 0.9, lr=0.2)]
    table = only(build(results))
    assert table.rows[0].seeds == (0, 1) and table.rows[0].cells[0].mean == 0.5
    assert "ft: 1 settings with fewer seeds left out." in table.caption


def test_rows_may_have_different_numbers_of_seeds():
    table = only(build([*(finished("ft", seed) for seed in range(3)), finished("lp"), finished("zero-shot")]))
    assert {row.method: row.seeds for row in table.rows} == {"ft": (0, 1, 2), "lp": (0,), "zero-shot": (0,)}
    assert "(1 or 3 seeds; zero-shot has nothing random)" in table.caption[0]
    assert table.rows[1].cells[0].half is None


def test_tuned_fields_of_any_type(monkeypatch):
    monkeypatch.setattr(tables, "tuned_fields", lambda name: frozenset({"clip_norm", "augment"}))
    results = [finished("ft", 0, 0.6, clip_norm=1.0, augment="flip"), finished("ft", 0, 0.5), finished("ft", 0, 0.4, augment="shift")]
    caption = only(build(results)).caption
    assert "ft: augment flip chosen by id_val among flip, none, shift; ft: clip_norm 1 chosen by id_val among 1, None." in caption


def test_a_tuned_parent_is_said_too():
    parents = [finished("clip-pretrain", lr=lr) for lr in (0.1, 0.2)]
    children = [finished("ft", 0, value, parents={"backbone": parent.key}) for parent, value in zip(parents, (0.4, 0.6), strict=True)]
    table = only(build([*parents, *children]))
    assert [row.cells[0].mean for row in table.rows] == [0.6]
    assert "ft: clip-pretrain.lr 0.2 chosen by id_val among 0.1, 0.2." in table.caption
