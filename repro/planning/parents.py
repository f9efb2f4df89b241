"""The runs of a method and those that they start from, each made once per content."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from repro import backbones, plugins
from repro.errors import UserError
from repro.papers import rows
from repro.planning import mixtures
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

    def runs_of(self, method: Method, seed: int, asked: bool) -> list[Run]:
        """Every run of a method for one seed: the sweep's recipes × the parents' own variants."""
        request, benchmark = self.request, self.request.benchmark
        layer = rows.layer(benchmark.name, self.rows.get(method.name), request.quick, request.released)
        made = []
        for choice in resolve(method, layer, self.settings, asked, tiny=benchmark.tiny):
            _require_meaning(method, choice.recipe, benchmark)
            for parents in self._parents(method, choice.recipe, seed):
                recipe, provenance = _images_of_parent(method, choice, parents)
                run = Run(
                    benchmark=benchmark,
                    method=method.name,
                    method_version=method.version,
                    recipe=recipe,
                    provenance=provenance,
                    backbone=self.backbone if method.pretrained else self.backbone.model_copy(update={"weights": None}),
                    seed=seed if method.seeded else 0,
                    parents={role: run.key for role, run in parents.items()},
                )
                made.append(self.runs.setdefault(run.key, run))
        return made

    def _parents(self, method: Method, recipe: Recipe, seed: int) -> list[dict[str, Run]]:
        """Every combination of runs that can play the roles which a method needs; all of one pretraining."""
        benchmark, own_weights = self.request.benchmark, self.request.weights is not None
        declared = {role: mixtures.named(method, parent, recipe) for role, parent in method.parents.items()}
        if method.pretrained and comes_pretrained(benchmark, self.entry.name) and not own_weights:
            declared["backbone"] = Parent(method=benchmark.pretrained_by, shared=True)
        single = {role: parent for role, parent in declared.items() if not parent.many and not parent.start_of}
        playing = [self._playing(method, parent, seed) for parent in single.values()]
        combinations = [dict(zip(single, runs, strict=True)) for runs in itertools.product(*playing)]
        together = [parents for parents in combinations if all(_from(run, parents.get("backbone")) for run in parents.values())]
        for parents in together:
            for role, parent in declared.items():
                if parent.start_of:
                    parents[role] = self._start_of(method, parent, parents[parent.start_of])
                if parent.many:
                    every = {run.key: run for each in self.request.seeds for run in self._playing(method, parent, each)}
                    parts = sorted(every.values(), key=lambda run: (run.seed, run.key))  # whatever the order in which they were asked for
                    alike = (run for run in parts if _from(run, parents.get("backbone")))
                    parents |= {f"{role}-{number:03}": run for number, run in enumerate(alike)}
            mixtures.require_fit(method, parents)
        return together

    def _start_of(self, method: Method, parent: Parent, run: Run) -> Run:
        """What a run started from: that of its head where another run made it, else the parent's own method's, with images as the run's."""
        if "head" in run.parents:
            return self.runs[run.parents["head"]]
        starts = [start for start in self._playing(method, parent, run.seed) if _from(start, self.runs.get(run.parents.get("backbone")))]
        return next(
            (start for start in starts if all(getattr(start.recipe, name) == getattr(run.recipe, name) for name in IMAGES)), starts[0]
        )

    def _playing(self, method: Method, parent: Parent, seed: int) -> list[Run]:
        other = plugins.declared(parent.method)
        if (parent.field or parent.start_of) and (why := impossible(other, self.entry, self.request.benchmark)):
            raise mixtures.impossible_parent(method, parent, why)
        return self.runs_of(other, 0 if parent.shared or not other.seeded else seed, parent.method in self.request.methods)


def _require_meaning(method: Method, recipe: Recipe, benchmark: Benchmark) -> None:
    """Refuse the settings that mean nothing on a benchmark: an augmentation that it has not, of light curves what prepares images."""
    idle = sorted((IMAGES | AUGMENTATION) & recipe.changed().keys())
    if benchmark.kind != "images" and idle:
        raise UserError(
            f"{method.name}: {idle[0]} means nothing on {benchmark.name}",
            f"it prepares images, and there are {benchmark.kind}",
            "leave it out",
        )
    if recipe.targeted != "none" and benchmark.trained_on(method.trains_on, recipe.targeted) is None:
        raise UserError(
            f"{method.name}: targeted={recipe.targeted} is no augmentation of {benchmark.name}",
            "no training split of it holds that",
            f"--set {method.name}.targeted=none",
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


def comes_pretrained(benchmark: Benchmark, backbone: str) -> bool:
    """Whether a run of the plan makes the backbone's weights."""
    return benchmark.pretrained_by is not None and backbone == benchmark.backbone


def impossible(method: Method, entry: backbones.Entry, benchmark: Benchmark) -> str | None:
    """Why a method cannot run on that benchmark with that backbone; None: it can, as far as itself is concerned."""
    if benchmark.kind not in method.kinds:
        return f"{method.name} is made for {' and '.join(method.kinds)}, and {benchmark.name} has {benchmark.kind}"
    if benchmark.task not in method.tasks:
        return f"{method.name} is made for {' and '.join(method.tasks)}, and {benchmark.name} is {benchmark.task}"
    if method.needs_text and not entry.text:
        return f"{method.name} needs a text tower, and {entry.name} has none"
    if method.needs_text and not benchmark.templates:
        return f"{method.name} needs prompts, and {benchmark.name} has none"
    if not benchmark.with_role(method.trains_on):
        return f"{method.name} trains on a split of role {method.trains_on!r}, and {benchmark.name} has none"
    return None
