"""How rows are told apart. Every number is fabricated."""

from __future__ import annotations

from made_tables import finished, only, rows, with_backbone

from repro import plugins
from repro.display.tables import build
from repro.types import BackboneRef


def test_a_variant_is_labelled_by_what_differs_from_its_row():
    made = rows([finished("ft"), finished("ft", weight_decay=0.1, betas=(0.8, 0.9), clip_norm=1.0)])
    assert set(made) == {"ft", "ft betas=0.8,0.9 weight_decay=0.1 clip_norm=1"}


def test_a_variant_of_a_parent_labels_its_children():
    parents = [finished("lp"), finished("lp", lp_features="train")]
    children = [finished("lp-ft", parents={"head": parent.key}) for parent in parents]
    assert set(rows([*parents, *children])) == {"lp", "lp lp_features=train", "lp-ft", "lp-ft lp.lp_features=train"}


def test_what_a_parent_shares_with_its_child_is_said_once():
    parent = finished("lp", image_size=48)
    assert set(rows([parent, finished("lp-ft", parents={"head": parent.key}, image_size=48), finished("ft")])) == {
        "ft",
        "lp image_size=48",
        "lp-ft image_size=48",
    }


def test_what_all_rows_share_stands_in_the_caption():
    table = only(build([finished("ft", batch_size=32, momentum=0.5), finished("scratch", batch_size=32)]))
    assert [row.variant for row in table.rows] == [("momentum=0.5",), ()]
    assert "All rows with batch_size=32." in table.caption


def test_seeds_of_a_parent_make_no_variant():
    parents = [finished("lp", seed) for seed in (0, 1)]
    children = [finished("lp-ft", seed, parents={"head": parent.key}) for seed, parent in enumerate(parents)]
    assert {name: row.seeds for name, row in rows([*parents, *children]).items()} == {"lp": (0, 1), "lp-ft": (0, 1)}


def test_rows_of_other_weights_are_told_apart():
    results = [with_backbone(finished("ft"), weights=letter * 64) for letter in "ab"]
    assert set(rows(results)) == {"ft weights=aaaaaaaa", "ft weights=bbbbbbbb"}
    assert set(rows(results[:1])) == {"ft"}, "the caption names weights that all share"
    assert set(rows([results[0], with_backbone(finished("scratch"))])) == {"ft", "scratch"}


def test_weights_of_ones_own_are_told_from_those_pretrained_in_the_run():
    pretrained = finished("ft")
    given = with_backbone(pretrained, weights="a" * 64)
    run = given.run.model_copy(update={"backbone": BackboneRef(name="digits-clip", weights="a" * 64)})
    assert set(rows([pretrained, given.model_copy(update={"run": run, "key": run.key})])) == {"ft", "ft weights=aaaaaaaa"}


def test_random_weights_where_pretrained_ones_belong_are_always_told():
    assert set(rows([with_backbone(finished("ft")), with_backbone(finished("scratch"))])) == {"ft weights=random", "scratch"}


def test_rows_of_other_arguments_of_the_backbone_are_told_apart():
    results = [with_backbone(finished("ft"), kwargs=kwargs, weights="a" * 64) for kwargs in ({}, {"drop_rate": 0.5})]
    assert set(rows(results)) == {"ft", "ft drop_rate=0.5"}


def test_rows_of_an_earlier_version_of_a_method_are_told_apart(monkeypatch):
    old = finished("ft", accuracy=0.4)
    real = plugins.declared
    monkeypatch.setattr(plugins, "declared", lambda name: real(name).model_copy(update={"version": 2}))
    assert {name: row.cells[0].mean for name, row in rows([old, finished("ft")]).items()} == {"ft": 0.5, "ft version=1": 0.4}
