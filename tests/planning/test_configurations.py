"""How rows are told apart. Every number is fabricated; the recipes are those of the tables that ship."""

from __future__ import annotations

import fabricated

from repro.display.tables import build
from repro.planning.configurations import short
from repro.planning.plan import Request, make

GEO = fabricated.benchmark(name="fmow-geo")


def results(*methods: str, **asked) -> list:
    """A finished run for each run that the request plans."""
    plan = make(Request(GEO, methods, (0,), weights="random", quick=True, **asked))
    return [fabricated.result(run) for run in plan.runs]


def test_a_row_run_as_released_says_what_differs():
    """Intended: the patch by hand behind the paper's numbers, each C solved; released: a bias of 0, scikit-learn's 200 iterations."""
    intended, released = results("lp", "lp-ft"), results("lp", "lp-ft", released=True)
    assert [run.run.recipe.lp_absent_bias for run in (intended[0], released[0])] == [-1000.0, 0.0]
    assert [run.run.recipe.lp_solver for run in (intended[0], released[0])] == ["converged", "sklearn"]
    assert released[0].run.provenance["lp_absent_bias"] == "tables/fmow-geo.toml: lp-ft lp (as released)"
    (table,) = build([*intended, *released])
    assert [row.name for row in table.rows] == [
        "lp",
        "lp (lp_solver=sklearn lp_absent_bias=0)",
        "lp-ft",
        "lp-ft (lp.lp_solver=sklearn lp.lp_absent_bias=0)",
    ]
    quirks = {note.quirk.name: note.rows for note in table.footnotes}
    assert quirks["absent-bias-1000"] == ("lp", "lp-ft")
    assert quirks["absent-bias-0"] == tuple(row.name for row in table.rows if row.variant)


def test_rows_of_one_paper_are_told_from_its_own_recipes():
    assert [row.variant for row in build(results("ft"))[0].rows] == [("weights=random",)]
    living17 = fabricated.benchmark(name="living17")
    plan = make(Request(living17, ("ft",), (0,), weights="random", paper="lp-ft-no-augmentation", quick=True))
    (alone,) = build([fabricated.result(run) for run in plan.runs])
    assert alone.rows[0].variant == ("weights=random",) and "Recipes of lp-ft-no-augmentation." in alone.caption
    both = make(Request(living17, ("ft",), (0,), weights="random", quick=True))
    (mixed,) = build([fabricated.result(run) for run in (*plan.runs, *both.runs)])
    assert [row.variant for row in mixed.rows] == [(), ("augment=none", "pack_side=None")]


def test_values_are_spelt_short():
    assert [short(value) for value in (1e-5, (0.9, 1.0), None, "rrc")] == ["1e-05", "0.9,1", "None", "rrc"]
