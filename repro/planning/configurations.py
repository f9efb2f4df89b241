"""What two runs have in common: the same configuration in other seeds, the same row in other settings; and how a row differs from its recipe."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from repro import plugins
from repro.papers import quirks
from repro.papers.quirks import Quirk
from repro.papers.rows import Paper, layer, paper_behind, rows_of
from repro.planning.plan import RANDOM
from repro.planning.recipe import resolve
from repro.record import canonical_json
from repro.settings import Recipe
from repro.types import BackboneRef, Result, Run

FIELDS = tuple(Recipe.model_fields)
_values = attrgetter(*FIELDS)


@cache
def _values_but(without: frozenset[str]) -> Callable[[Recipe], tuple]:
    return attrgetter(*(field for field in FIELDS if field not in without))


class Reader:
    """Names configurations: what two runs share when only their seeds differ, and what rows share when only tuned fields differ.

    What is looked up of a run is found once for each distinct recipe, network and origin: thousands of runs are a few hundred of them.
    """

    def __init__(self, results: Iterable[Result], chosen: Iterable[Result], tuned: frozenset[str]):
        self.by_key = {result.key: result for result in results}
        self.runs = [result.run for result in chosen]
        self.tuned = tuned
        self._configurations: dict[tuple[str, frozenset[str]], Hashable] = {}
        self._defaults: dict[tuple[str, str, bool], tuple] = {}
        self._papers: dict[tuple[str, int], tuple[dict, Paper | None]] = {}
        papers = {paper.name for run in self.runs if (paper := self.behind(run))}
        self.paper = papers.pop() if len(papers) == 1 else None  # several papers' rows are told apart by what differs from the first's

    def configuration(self, result: Result, without: frozenset[str] = frozenset()) -> Hashable:
        """The identity without seeds, and without some fields of recipes; parents replaced by their own configurations."""
        found = self._configurations.get((result.key, without))
        if found is None:
            run = result.run
            parents = sorted(
                (role, self.configuration(self.by_key[key], without) if key in self.by_key else key) for role, key in run.parents.items()
            )
            recipe = _values_but(without)(run.recipe)
            found = (run.method, run.method_version, recipe, _spelled(run.backbone), tuple(parents))
            self._configurations[result.key, without] = found
        return found

    def behind(self, run: Run) -> Paper | None:
        """The paper whose row a run came from."""
        name = (run.benchmark.name, id(run.provenance))
        if name not in self._papers:
            self._papers[name] = run.provenance, paper_behind(run.benchmark.name, run.provenance)
        return self._papers[name][1]

    def _default(self, run: Run) -> tuple:
        """The values of the recipe that the table's row gives a run's method."""
        name = (run.benchmark.name, run.method, run.benchmark.tiny)
        if name not in self._defaults:
            row = rows_of(run.benchmark.name, self.paper).get(run.method)
            choices = resolve(plugins.declared(run.method), layer(run.benchmark.name, row), [], False, run.benchmark.tiny)
            self._defaults[name] = _values(choices[0].recipe)
        return self._defaults[name]

    def variant(self, result: Result, prefix: str = "") -> list[str]:
        """Fields in which a run (or a run that it starts from) differs from its table row, but for tuned ones; an older method's version.

        Of a soup the number of its runs, and every field in which they differ from one another but the seed.
        """
        run = result.run
        if gone(result):  # a parent's method that was removed has no row to differ from
            return [f"{prefix}version={run.method_version}"]
        method = plugins.declared(run.method)
        differs = [f"{prefix}version={run.method_version}"] if run.method_version != method.version else []
        differs += [
            f"{prefix}{field}={short(value)}"
            for field, value, default in zip(FIELDS, _values(run.recipe), self._default(run), strict=True)
            if value != default and field in method.fields and field not in self.tuned
        ]
        parts, others = self._parents(run)
        swept = _swept([part.run for part in parts])
        differs += [f"{prefix}runs={len(parts)}"] if parts else []
        differs += [f"{parts[0].run.method}.{field}={short(values)}" for field, values in swept.items()]
        told = {_bare(part) for part in differs}
        like_this = {parent.method for parent in method.parents.values() if parent.settings}
        for parent in (*parts, *(other for other in others if other.run.method not in like_this)):
            for part in self.variant(parent, f"{parent.run.method}."):
                if _bare(part) not in told and _bare(part).partition("=")[0] not in swept:
                    differs.append(part)
                    told.add(_bare(part))
        return differs

    def _parents(self, run: Run) -> tuple[list[Result], list[Result]]:
        """The runs that a run starts from, as far as they are known: the parts of a soup, and all others but stages, whose recipes are its own."""
        declared = plugins.declared(run.method).parents
        many = {role for role, parent in declared.items() if parent.many}
        stages = {role for role, parent in declared.items() if parent.takes}
        known = {role: self.by_key[key] for role, key in run.parents.items() if key in self.by_key and role not in stages}
        parts = [result for role, result in known.items() if role.rpartition("-")[0] in many]
        return parts, [result for result in known.values() if result not in parts]

    def network(self, run: Run) -> list[str]:
        """What tells the network of a row from those of the table's other rows: its arguments, its weights; random ones are always told."""
        own = run.backbone
        differs = [f"{key}={value}" for key, value in own.kwargs.items() if any(other.get(key) != value for other in self.several_kwargs)]
        if _reads_file(run) and "backbone" not in run.parents:
            differs += [] if own.weights and not self.several_weights else [f"weights={own.weights[:8] if own.weights else RANDOM}"]
        return differs

    @cached_property
    def several_kwargs(self) -> list[dict[str, Any]]:
        """The different arguments of the table's networks."""
        return list({canonical_json(run.backbone.kwargs): run.backbone.kwargs for run in self.runs}.values())

    @cached_property
    def several_weights(self) -> bool:
        """Whether the table's pretrained rows started from different files."""
        return len({run.backbone.weights for run in self.runs if _reads_file(run)}) > 1

    def fitted_on(self, result: Result) -> frozenset[str]:
        """The splits that a probe's C or a search's trials were chosen by, the run's own or that of a run that it starts from."""
        fields, benchmark = plugins.declared(result.run.method).fields, result.run.benchmark
        own = benchmark.with_role("id_val") if "lp_c_count" in fields else ()
        if "search_on" in fields and result.run.recipe.searched:
            own = benchmark.searchable(result.run.recipe.search_on)
        parents = [self.by_key[key] for key in result.run.parents.values() if key in self.by_key and not gone(self.by_key[key])]
        return frozenset(split.name for split in own).union(*map(self.fitted_on, parents))

    def quirks(self, key: str) -> tuple[Quirk, ...]:
        """The quirks of a run, and those that it inherits."""
        return quirks.of(self.by_key[key].run, lambda other: self.by_key[other].run if other in self.by_key else None)

    def tuning(self, result: Result, prefix: str = "") -> dict[str, Any]:
        """The tuned fields of a run and of those that it starts from; of a soup's parts all their values, in order."""
        run = result.run
        found = {f"{prefix}{field}": getattr(run.recipe, field) for field in sorted(self.tuned)}
        if gone(result):
            return found
        parts, others = self._parents(run)
        for parent in others:
            found.update(self.tuning(parent, f"{parent.run.method}."))
        each = [self.tuning(part, f"{part.run.method}.") for part in parts]
        return found | {name: tuple(sorted({values[name] for values in each}, key=rank)) for name in (each[0] if each else ())}


def _spelled(network: BackboneRef) -> tuple:
    return network.name, canonical_json(network.kwargs) if network.kwargs else "", network.definition, network.weights


def _swept(runs: list[Run]) -> dict[str, tuple]:
    """The recipe fields in which runs differ, with all their values in order."""
    if len(runs) < 2:
        return {}
    among = {field: {getattr(run.recipe, field) for run in runs} for field in Recipe.model_fields}
    return {field: tuple(sorted(values, key=rank)) for field, values in among.items() if len(values) > 1}


def _reads_file(run: Run) -> bool:
    """Whether a run starts from weights that were there before it."""
    return plugins.declared(run.method).pretrained and run.recipe.init == "own"


def rank(value: Any) -> tuple:
    """A key by which values of a field can be sorted: none last, whatever the others are."""
    return tuple(map(rank, value)) if isinstance(value, tuple) else (value is None, value)


def _bare(part: str) -> str:
    """`lp.lp_c_count=3` without the method before it."""
    name, _, value = part.partition("=")
    return f"{name.rpartition('.')[2]}={value}"


def short(value: Any) -> str:
    """A recipe field's value as tables spell it."""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(short, value)) if isinstance(value, tuple) else str(value)


def gone(result: Result) -> bool:
    """Whether a result is of a method that this program has no more: nothing says what its row would be."""
    return result.run.method not in plugins.names("methods")
