"""What two runs have in common: the same configuration in other seeds, the same row in other settings; and how a row differs from its recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repro import plugins, quirks
from repro.plan import RANDOM
from repro.quirks import Quirk
from repro.recipe import resolve
from repro.rows import layer, paper_behind, rows_of
from repro.types import Result, Run, digest


class Reader:
    """Names configurations: what two runs share when only their seeds differ, and what rows share when only tuned fields differ."""

    def __init__(self, results: Iterable[Result], chosen: Iterable[Result], tuned: frozenset[str]):
        self.by_key = {result.key: result for result in results}
        self.runs = [result.run for result in chosen]
        self.tuned = tuned
        papers = {paper.name for run in self.runs if (paper := paper_behind(run.benchmark.name, run.provenance))}
        self.paper = papers.pop() if len(papers) == 1 else None  # several papers' rows are told apart by what differs from the first's

    def configuration(self, result: Result, without: frozenset[str] = frozenset()) -> str:
        """Hash of the identity without seeds, parents replaced by their own configurations."""
        run = result.run
        recipe = {field: value for field, value in run.recipe.changed().items() if field not in without}
        parents = {role: self.configuration(self.by_key[key], without) if key in self.by_key else key for role, key in run.parents.items()}
        return digest([run.method, run.method_version, recipe, run.backbone, parents])

    def variant(self, result: Result, prefix: str = "") -> list[str]:
        """Fields in which a run (or a run that it starts from) differs from its table row, but for tuned ones; an older method's version."""
        run = result.run
        if gone(result):  # a parent's method that was removed has no row to differ from
            return [f"{prefix}version={run.method_version}"]
        method = plugins.declared(run.method)
        row = rows_of(run.benchmark.name, self.paper).get(run.method)
        default = resolve(method, layer(run.benchmark.name, row), [], False, run.benchmark.tiny)[0].recipe
        differs = [f"{prefix}version={run.method_version}"] if run.method_version != method.version else []
        differs += [
            f"{prefix}{field}={short(value)}" for field, value in run.recipe if field not in self.tuned and value != getattr(default, field)
        ]
        for key in run.parents.values():
            if key in self.by_key:
                parent = self.by_key[key]
                differs += [part for part in self.variant(parent, f"{parent.run.method}.") if part.partition(".")[2] not in differs]
        return differs

    def network(self, run: Run) -> list[str]:
        """What tells the network of a row from those of the table's other rows: its arguments, its weights; random ones are always told."""
        own = run.backbone
        differs = [
            f"{key}={value}" for key, value in own.kwargs.items() if any(other.backbone.kwargs.get(key) != value for other in self.runs)
        ]
        if plugins.declared(run.method).pretrained and "backbone" not in run.parents:
            several = len({other.backbone.weights for other in self.runs if plugins.declared(other.method).pretrained}) > 1
            differs += [] if own.weights and not several else [f"weights={own.weights[:8] if own.weights else RANDOM}"]
        return differs

    def fitted_on(self, result: Result) -> frozenset[str]:
        """The splits that a probe's C was chosen by, the run's own or that of a run that it starts from."""
        own = result.run.benchmark.with_role("id_val") if "lp_c_count" in plugins.declared(result.run.method).fields else ()
        parents = [self.by_key[key] for key in result.run.parents.values() if key in self.by_key and not gone(self.by_key[key])]
        return frozenset(split.name for split in own).union(*map(self.fitted_on, parents))

    def quirks(self, key: str) -> tuple[Quirk, ...]:
        """The quirks of a run, and those that it inherits."""
        runs = {key: result.run for key, result in self.by_key.items()}
        return quirks.of(runs[key], runs.get)

    def tuning(self, result: Result, prefix: str = "") -> dict[str, Any]:
        """The tuned fields of a run and of those that it starts from."""
        run = result.run
        found = {f"{prefix}{field}": getattr(run.recipe, field) for field in sorted(self.tuned)}
        for key in run.parents.values():
            if key in self.by_key:
                found.update(self.tuning(self.by_key[key], f"{self.by_key[key].run.method}."))
        return found


def short(value: Any) -> str:
    """A recipe field's value as tables spell it."""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def gone(result: Result) -> bool:
    """Whether a result is of a method that this program has no more: nothing says what its row would be."""
    return result.run.method not in plugins.names("methods")
