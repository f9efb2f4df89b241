"""A fixture of a paper: tables and recipes in tests/golden/tables, results made up here. None of its numbers was reported or measured."""

from __future__ import annotations

from pathlib import Path

import fabricated

from repro import plugins
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan
from repro.types import Benchmark, Checkpoint, Run

TABLES = Path(__file__).with_name("golden") / "tables"
# benchmark, method → by learning rate (None: there is none) the accuracies of three seeds on id_val and ood_test
ACCURACIES = {
    ("living17", "ft"): {1e-3: [(0.970, 0.775), (0.971, 0.779), (0.972, 0.778)], 1e-2: [(0.95, 0.99), (0.94, 0.99), (0.96, 0.99)]},
    ("living17", "lp"): {None: [(0.965, 0.850), (0.965, 0.852), (0.966, 0.851)]},
    ("living17", "lp-ft"): {1e-4: [(0.978, 0.826), (0.979, 0.820)], 1e-3: [(0.5, 0.5), (0.5, 0.5)]},
    ("entity30", "ft"): {1e-3: [(0.9, 0.55), (0.9, 0.62), (0.9, 0.66)]},
}


def use_tables(monkeypatch) -> None:
    """The program's tables are those of the fixture."""
    for module in ("arrangement", "reported", "rows"):
        monkeypatch.setattr(f"repro.papers.{module}.tables_dir", lambda: TABLES)


def described(name: str, tiny: bool = False) -> Benchmark:
    """A real benchmark, without its images."""
    made = plugins.benchmark(name).describe({}, Places.find())
    return made.model_copy(update={"tiny": True}) if tiny else made


def planned(of: Benchmark, *methods: str, seeds: int = 3, **asked) -> list[Run]:
    """The runs that `repro run` would make of the fixture's recipes, parents first."""
    request = plan.Request(of, methods, tuple(range(seeds)), weights="weights.pt", weights_hash="0" * 64, paper="made-up")
    return list(plan.make(request._replace(**asked)).runs)


def point(id_val: float, ood_test: float) -> Checkpoint:
    return Checkpoint(name="epoch-1", epoch=1, metrics={"id_val": {"accuracy": id_val}, "ood_test": {"accuracy": ood_test}})


def fill(store: Store) -> None:
    """ACCURACIES; on entity30 a failed LP, and FT with a learning rate that the recipe has not."""
    for name in ("living17", "entity30"):
        benchmark = described(name)
        for run in planned(benchmark, "lp", "ft", "lp-ft"):
            seeds = ACCURACIES.get((name, run.method), {}).get(None if run.method == "lp" else run.recipe.lr, [])
            if run.seed < len(seeds):
                finish(store, run, point(*seeds[run.seed]))
    other = planned(described("entity30"), "ft", sets=("lr=0.5",))
    for run in other:
        finish(store, run, point(0.99, 0.99))
    broken = planned(described("entity30"), "lp", seeds=1)[0]
    folder = store.claim(broken)
    store.fail(folder, fabricated.failure(broken, "RuntimeError: made up\nin two lines"))
    store.release(folder)


def finish(store: Store, run: Run, *points: Checkpoint) -> None:
    environment = {"precision": run.recipe.precision, "device_name": "a made-up device"}
    fabricated.finish(store, run, *points, environment=environment)
