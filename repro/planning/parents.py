"""The runs of a method and those that they start from, each made once per content."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from repro import backbones, plugins
from repro.errors import UserError
from repro.papers import rows
from repro.planning import augmenting, initial, mixtures, targeting
from repro.planning.recipe import Choice, Setting, resolve
from repro.settings import AUGMENTATION, IMAGES, Recipe
from repro.types import BackboneRef, Benchmark, Method, Parent, Run

if TYPE_CHECKING:
    from repro.planning.plan import Request


class Builder:
    """Resolves each method once per plan, and each run once per content: `runs`, in an order in which parents come first."""

    def __init__(self, request: Request, settings: list[Setting], entry: backbones.Entry, backbone: BackboneRef):
        self.request, self.settings = request, settings
        self.entry, self.backbone = entry, backbone
        self.rows = rows.rows_of(request.benchmark.name, request.paper)
        self.runs: dict[str, Run] = {}

    def runs_of(self, method: Method, seed: int, asked: bool, child: Choice | None = None, same: bool = False) -> list[Run]:
        """Every run of a method for one seed: the sweep's recipes × the parents' own variants.

        `child` is to start from them; with `same` their settings are the child's.
        """
        choices = self._of_child(method, child) if same else self._choices(method, asked, child)
        return [run for choice in choices for run in self._made(method, choice, seed)]

    def _choices(self, method: Method, asked: bool, child: Choice | None) -> list[Choice]:
        """The recipes of a method in this plan."""
        request, benchmark = self.request, self.request.benchmark
        layer = rows.layer(benchmark.name, self.rows.get(method.name), request.quick, request.released)
        settings = [*self.settings, *(initial.inherited(child.recipe, method) if child else [])]
        return self._allowed(method, resolve(method, layer, settings, asked, tiny=benchmark.tiny))

    def _of_child(self, method: Method, child: Choice) -> list[Choice]:
        """The one recipe of a run that has its child's settings."""
        _refuse_own(method, self.settings)
        layer = {field: (getattr(child.recipe, field), origin) for field, origin in child.provenance.items() if field in method.fields}
        return self._allowed(method, resolve(method, layer, self.settings, False, tiny=False))

    def _allowed(self, method: Method, found: list[Choice]) -> list[Choice]:
        """Recipes for which the benchmark has what they want; a `UserError` for the first that has not."""
        benchmark = self.request.benchmark
        for choice in found:
            _require_meaning(method, choice.recipe, benchmark)
            initial.require_splits(method, choice.recipe, benchmark)
            mixtures.require_splits(method, benchmark, choice.recipe)
            targeting.require(method, choice.recipe, benchmark)
            augmenting.require(method, choice.recipe, benchmark)
        return found

    def _made(self, method: Method, choice: Choice, seed: int) -> list[Run]:
        """The runs of one recipe: one for each combination of its parents' variants."""
        made = []
        for parents in self._parents(method, choice, seed):
            recipe, provenance = _images_of_parent(method, choice, parents)
            run = Run(
                benchmark=self.request.benchmark,
                method=method.name,
                method_version=method.version,
                recipe=recipe,
                provenance=provenance,
                backbone=initial.reference(self.backbone, method, recipe),
                seed=seed if mixtures.seeded(method, parents) else 0,
                parents={role: run.key for role, run in parents.items()},
                apart=mixtures.searched_apart(method, self.request.benchmark, recipe),
            )
            made.append(self.runs.setdefault(run.key, run))
        return made

    def _parents(self, method: Method, choice: Choice, seed: int) -> list[dict[str, Run]]:
        """Every combination of runs that can play the roles which a method needs; all of one pretraining."""
        benchmark, own_weights, recipe = self.request.benchmark, self.request.weights is not None, choice.recipe
        wanted = {role: parent for role, parent in method.parents.items() if _holds(parent, recipe)}
        declared = {role: mixtures.named(method, parent, recipe) for role, parent in wanted.items()}
        if stage := initial.pretraining(method, recipe, benchmark, self.entry.name, own_weights):
            declared["backbone"] = stage
            if recipe.init == stage.method and (why := impossible(plugins.declared(stage.method), self.entry, benchmark)):
                raise initial.impossible_stage(method, stage.method, why)
        single = {role: parent for role, parent in declared.items() if not parent.many and not parent.start_of}
        playing = [
            self._made(*_stage(method, parent, choice), seed) if parent.takes else self._playing(method, parent, seed, choice)
            for parent in single.values()
        ]
        combinations = [dict(zip(single, runs, strict=True)) for runs in itertools.product(*playing)]
        together = [
            parents
            for parents in combinations
            if all(_from(run, parents.get("backbone")) for role, run in parents.items() if role != "backbone")
        ]
        initial.require_one(method, combinations, together)
        for parents in together:
            for role, parent in declared.items():
                if parent.start_of:
                    parents[role] = self._start_of(method, parent, parents[parent.start_of], choice)
                if parent.many:
                    every = {run.key: run for each in self.request.seeds for run in self._playing(method, parent, each, choice)}
                    parts = sorted(every.values(), key=lambda run: (run.seed, run.key))  # whatever the order in which they were asked for
                    alike = (run for run in parts if _from(run, parents.get("backbone")))
                    parents |= {f"{role}-{number:03}": run for number, run in enumerate(alike)}
            mixtures.require_fit(method, parents)
        return together

    def _start_of(self, method: Method, parent: Parent, run: Run, child: Choice) -> Run:
        """What a run started from: that of its head where another run made it, else the parent's own method's, with images as the run's."""
        if "head" in run.parents:
            return self.runs[run.parents["head"]]
        starts = [
            start for start in self._playing(method, parent, run.seed, child) if _from(start, self.runs.get(run.parents.get("backbone")))
        ]
        return next(
            (start for start in starts if all(getattr(start.recipe, name) == getattr(run.recipe, name) for name in IMAGES)), starts[0]
        )

    def _playing(self, method: Method, parent: Parent, seed: int, child: Choice) -> list[Run]:
        other = plugins.declared(parent.method)
        if (parent.field or parent.start_of) and (why := impossible(other, self.entry, self.request.benchmark)):
            raise mixtures.impossible_parent(method, parent, why)
        own = 0 if parent.shared or not other.seeded else seed
        return self.runs_of(other, own, parent.method in self.request.methods, child, same=parent.settings)


def _stage(method: Method, parent: Parent, child: Choice) -> tuple[Method, Choice]:
    """A stage with its recipe: what the child's fields say, those of its own kind by the names that it takes, but for its own defaults."""
    stage = plugins.declared(parent.method)
    shared = {field: field for field in stage.fields & method.fields if field not in stage.defaults} | parent.takes
    recipe = Recipe.model_validate(stage.defaults | {field: getattr(child.recipe, source) for field, source in shared.items()})
    if recipe.steps is not None:
        recipe = recipe.model_copy(update={"epochs": 0})
    told = {field: child.provenance[source] for field, source in shared.items() if source in child.provenance}
    return stage, Choice(recipe, {field: told.get(field, f"method {stage.name}") for field in recipe.changed()})


def _refuse_own(method: Method, settings: list[Setting]) -> None:
    """A run that has its child's settings takes none of its own."""
    if own := next((setting for setting in settings if setting.method == method.name), None):
        child = method.name.removesuffix("-search")
        raise UserError(
            f"--set {own.text}: {method.name} has the settings of the run that starts from it",
            "set by themselves they would belong to no run",
            f"--set {child}.{own.text.partition('.')[2]}",
        )


def _holds(parent: Parent, recipe: Recipe) -> bool:
    """Whether the settings are those with which a method has that parent."""
    return all(getattr(recipe, field) == value for field, value in parent.when.items())


def _require_meaning(method: Method, recipe: Recipe, benchmark: Benchmark) -> None:
    """Refuse the settings that mean nothing on a benchmark: of light curves what prepares images."""
    idle = sorted((IMAGES | AUGMENTATION) & recipe.changed().keys())
    if benchmark.kind != "images" and idle:
        raise UserError(
            f"{method.name}: {idle[0]} means nothing on {benchmark.name}",
            f"it prepares images, and there are {benchmark.kind}",
            "leave it out",
        )


def _from(run: Run, pretrained: Run | None) -> bool:
    """Whether a run starts from that pretraining, where it starts from any."""
    return pretrained is None or run.parents.get("backbone", pretrained.key) == pretrained.key


def _images_of_parent(method: Method, choice: Choice, parents: dict[str, Run]) -> tuple[Recipe, dict[str, str]]:
    """The recipe, with images prepared as in the run that the method mixes."""
    role = next((role for role, parent in method.parents.items() if parent.images), None)
    if role is None:
        return choice
    parent = parents.get(role) or parents[f"{role}-000"]
    fields = {field: getattr(parent.recipe, field) for field in IMAGES - AUGMENTATION}
    origins = {field: origin for field, origin in parent.provenance.items() if field in fields}
    return choice.recipe.model_copy(update=fields), choice.provenance | origins


def of_another_kind(method: Method, benchmark: Benchmark) -> str | None:
    """Why a method cannot run on that benchmark, whatever the backbone, for what its examples or its task are; None: it can."""
    if benchmark.kind not in method.kinds:
        return f"{method.name} is made for {' and '.join(method.kinds)}, and {benchmark.name} has {benchmark.kind}"
    if benchmark.task not in method.tasks:
        return f"{method.name} is made for {' and '.join(method.tasks)}, and {benchmark.name} is {benchmark.task}"
    return None


def impossible(method: Method, entry: backbones.Entry, benchmark: Benchmark) -> str | None:
    """Why a method cannot run on that benchmark with that backbone; None: it can, as far as itself is concerned."""
    if why := of_another_kind(method, benchmark):
        return why
    if method.needs_text and not entry.text:
        return f"{method.name} needs a text tower, and {entry.name} has none"
    if method.targeted and not benchmark.targeted:
        return f"{method.name} needs a targeted augmentation, and {benchmark.name} has none"
    if method.needs_text and not benchmark.templates:
        return f"{method.name} needs prompts, and {benchmark.name} has none"
    if method.needs_domains and benchmark.domain is None:
        return f"{method.name} learns from several domains, and the training images of {benchmark.name} are of one, as far as is known"
    if method.needs_unlabelled and not benchmark.unlabelled:
        return f"{method.name} learns from images without labels, and {benchmark.name} has none"
    if not benchmark.with_role(method.trains_on):
        return f"{method.name} trains on a split of role {method.trains_on!r}, and {benchmark.name} has none"
    return None
