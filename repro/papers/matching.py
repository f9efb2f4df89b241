"""Which stored runs belong in a cell of a paper's table, and of those that look like it and do not, why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter, ne
from typing import NamedTuple

from repro import backbones, plugins
from repro.errors import UserError
from repro.outcomes.metrics import title
from repro.papers import rows
from repro.planning.recipe import parse_set, resolve
from repro.record import digest
from repro.settings import AUGMENTATION, IMAGES, Recipe
from repro.types import Benchmark, Result, Run

RELEASED = "as released"
ANOTHER = "of another version, or other choices, of the benchmark"
NUMBERLESS = frozenset(["keep_weights"])  # of a recipe's fields those on which no number depends


class Place(NamedTuple):
    """What names the runs of a cell. `settings` are pairs of recipe field and value as the arrangement spells them."""

    paper: str
    benchmark: str
    splits: tuple[str, ...]
    metric: str
    method: str
    settings: tuple[tuple[str, str], ...]
    backbone: str


def paper_or_first(benchmark: str, paper: str) -> str | None:
    """The paper's name where it has recipes for a benchmark; None: those of the first paper are run."""
    return paper if paper in rows.papers_of(benchmark) else None


def written(place: Place, tiny: bool = False) -> dict[str, list[Recipe]]:
    """The recipes that the paper's row gives a method, its grid multiplied out: '' as its text has them, and `RELEASED` where its code
    departs from that; nothing where the row's settings are not of this program."""
    method = plugins.declared(place.method)
    row = rows.rows_of(place.benchmark, paper_or_first(place.benchmark, place.paper)).get(place.method)
    found: dict[str, list[Recipe]] = {}
    for kind in ("", RELEASED):
        try:
            settings = [parse_set(f"{place.method}.{field}={value}", [place.method]) for field, value in place.settings]
            layer = rows.layer(place.benchmark, row, released=bool(kind))
            found[kind] = [choice.recipe for choice in resolve(method, layer, settings, True, tiny)]
        except UserError:
            return {}
    if found[RELEASED] == found[""]:
        del found[RELEASED]
    return found


class Matcher:
    """The stored runs by benchmark and method. `known` are the benchmarks as this program has them now, each as the paper has it and then
    otherwise; tiny ones match tiny runs alone."""

    def __init__(self, results: Iterable[Result], known: Mapping[str, Sequence[Benchmark]], tiny: bool = False):
        everything = list(results)
        self.known, self.tiny = known, tiny
        self.runs = {result.key: result.run for result in everything}
        self.by_method: dict[tuple[str, str], list[Result]] = {}
        for result in everything:
            if result.run.benchmark.tiny == tiny:
                self.by_method.setdefault((result.run.benchmark.name, result.run.method), []).append(result)
        self.written = cache(lambda place: written(place, tiny))
        self._row = cache(self._values)
        self._differing: dict[tuple[Place, int], tuple[Recipe, dict[str, list[str]]]] = {}
        self.ranks: dict[int, int | None] = {}
        self.departures: dict[tuple[Place, str], tuple[str, str | None]] = {}

    def of(self, place: Place) -> tuple[str, list[Result], dict[str, list[Result]]]:
        """The kind of recipe ('' or `RELEASED`), the runs of that kind, and by reason those of the cell's method that are not taken.

        Recipes of the paper's text and of its code are never mixed: those of the text are preferred. Nor are choices of the benchmark, which
        change no number of a split that both have: the paper's own are preferred.
        """
        near = [result for result in self.by_method.get((place.benchmark, place.method), []) if self._alike(place, result.run)]
        taken: dict[str, list[Result]] = {}
        others: dict[str, list[Result]] = {}
        for result in near:
            kind, why = self.departure(place, result.key, result.run)
            why = why or _unmeasured(place, result)
            (others if why else taken).setdefault(why or kind, []).append(result)
        kind = next((kind for kind in ("", RELEASED) if kind in taken), "")
        for other in set(taken) - {kind}:
            others.setdefault(other, []).extend(taken[other])
        own, further = self._of_one_choice(taken.get(kind, []))
        if further:
            others.setdefault(ANOTHER, []).extend(further)
        return kind, own, others

    def _of_one_choice(self, taken: list[Result]) -> tuple[list[Result], list[Result]]:
        """Runs whose benchmark is nearest to the paper's, and the others."""
        ranks = [0 if self.tiny else self._rank(result.run.benchmark) for result in taken]
        nearest = min(ranks, default=0)
        own, others = ([one for one, rank in zip(taken, ranks, strict=True) if (rank == nearest) == near] for near in (True, False))
        return own, others

    def fits(self, place: Place, run: Run) -> bool:
        """Whether a run, of which there may be no result, is one of the cell's."""
        if (run.benchmark.name, run.method, run.benchmark.tiny) != (place.benchmark, place.method, self.tiny):
            return False
        return self._alike(place, run) and not self.departure(place, run.key, run)[1]

    def _alike(self, place: Place, run: Run) -> bool:
        """Same network, same base: a run of another is another cell's, and not worth a word here."""
        base = dict(place.settings).get("base")
        return (self.tiny or run.backbone.name == place.backbone) and (base is None or run.recipe.base == base)

    def departure(self, place: Place, key: str, run: Run) -> tuple[str, str | None]:
        """As `_departure`, which columns of one benchmark share."""
        place = place._replace(splits=(), metric="")
        if (place, key) not in self.departures:
            self.departures[place, key] = self._departure(place, key, run)
        return self.departures[place, key]

    def _departure(self, place: Place, key: str, run: Run) -> tuple[str, str | None]:
        """The kind of recipe, and what of a run, or of one that it starts from, is not as the paper's row has it; None where all is."""
        method = plugins.declared(place.method)
        if run.method_version != method.version:
            return "", f"of version {run.method_version} of {place.method}"
        if not self.tiny and self._rank(run.benchmark) is None:
            return "", ANOTHER
        if not self.tiny and method.pretrained and run.recipe.init == "own" and (why := _weights(run)):
            return "", why
        differing = self._differences(place, run.recipe)
        kind = next((kind for kind, differs in differing.items() if not differs), None)
        if kind is None:
            return "", f"with {' '.join(min(differing.values(), key=len))}" if differing else "of settings that no row of the paper has"
        for role, parent in run.parents.items():
            if why := self._of_parent(place, role, parent):
                return "", why
        return kind, None

    def _differences(self, place: Place, recipe: Recipe) -> dict[str, list[str]]:
        """Kind of recipe → fields with their values in which a run's differs from the nearest of the row's; none where it is one of them."""
        name = place, id(recipe)  # runs that differ in their seeds share their recipe, which is kept, so that its id remains its own
        if name not in self._differing:
            fields, kinds = self._row(place)
            own, differing = attrgetter(*fields)(recipe), {}
            for kind, others in kinds.items():
                nearest = min(others, key=lambda other: sum(map(ne, own, other)))
                differing[kind] = [f"{field}={mine}" for field, mine, other in zip(fields, own, nearest, strict=True) if mine != other]
            self._differing[name] = recipe, differing
        return self._differing[name][1]

    def _values(self, place: Place) -> tuple[tuple[str, ...], dict[str, list[tuple]]]:
        """The fields that tell a method's runs apart, but for those that its parents have for it, and their values in the row's recipes."""
        parents = plugins.declared(place.method).parents.values()
        ignored = NUMBERLESS | ((IMAGES - AUGMENTATION) if any(parent.images for parent in parents) else frozenset())
        fields = tuple(field for field in Recipe.model_fields if field not in ignored)
        return fields, {kind: list(map(attrgetter(*fields), recipes)) for kind, recipes in self.written(place).items()}

    def _rank(self, benchmark: Benchmark) -> int | None:
        """The place of a run's benchmark among those that this program has now, None: it is none of them; many runs share one record of it."""
        if id(benchmark) not in self.ranks:
            known = [
                digest(one.identity()) for one in self.known.get(benchmark.name, (benchmark,))
            ]  # stored options are lists, own are tuples
            own = digest(benchmark.identity())
            self.ranks[id(benchmark)] = known.index(own) if own in known else None
        return self.ranks[id(benchmark)]

    def _of_parent(self, place: Place, role: str, key: str) -> str | None:
        if key not in self.runs:
            return f"its {role} {key[:8]} is not among the runs"
        run = self.runs[key]
        if not plugins.declared(run.method).reported:  # a stage that the benchmark itself has
            return None
        base = (("base", run.recipe.base),) if run.recipe.base else ()
        _, why = self.departure(place._replace(method=run.method, settings=base), key, run)
        return f"its {role} is {why}" if why else None


def _unmeasured(place: Place, result: Result) -> str | None:
    judged = result.checkpoints[-1].metrics
    lacking = next((split for split in place.splits if place.metric not in judged.get(split, {})), None)
    return f"without {title(place.metric)} on {lacking}" if lacking else None


@cache
def _standard(backbone: str) -> str | None:
    """sha256 of the weights that a network starts from, where its manifest knows it."""
    from repro.data import manifest

    try:
        name, _, file = (backbones.find(backbone).weights or "").partition(":")
        return next((entry.sha256 for entry in manifest.load(name).files if entry.name == file), None) if name else None
    except UserError:
        return None


def _weights(run: Run) -> str | None:
    """What is wrong with the weights that a pretrained method started from."""
    if "backbone" in run.parents:
        return None
    if run.backbone.weights is None:
        return "from random weights"
    standard = _standard(run.backbone.name)
    return None if standard in (None, run.backbone.weights) else f"from other weights ({run.backbone.weights[:8]})"
