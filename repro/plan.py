"""From a request to an ordered list of runs: recipes resolved, parents found or added, finished runs known by their keys."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

from repro import backbones, plugins, rows
from repro.errors import UserError, unknown
from repro.known_weights import sha256_for
from repro.recipe import Choice, Setting, parse_set, resolve, unused
from repro.types import AUGMENTATION, IMAGES, BackboneRef, Benchmark, Method, Parent, Recipe, Record, Run

MOST_SEEDS = 1000  # larger is one seed written without its comma
MOST_SEED = 2**32 - 1  # of numpy's and scikit-learn's generators
RANDOM = "random"  # as --weights: no pretrained weights, on purpose


class Request(NamedTuple):
    """What the user asked for, in the user's words."""

    benchmark: Benchmark | None
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    backbone: str | None = None
    weights: str | None = None
    weights_hash: str | None = None  # sha256 of `weights`, where it is known without reading the file, which then need not be here yet
    sets: tuple[str, ...] = ()
    strict: bool = False  # True: the methods were named one by one, so one that cannot run is a mistake
    paper: str | None = None  # whose rows; None: the first of the benchmark's table
    quick: bool = False  # the recorded winners instead of the grids
    released: bool = False  # as the authors' code has it, where it departs from their text


class Plan(Record):
    """Runs in an order in which parents come first. `asked` are the keys of the rows; `skipped` says why a method is left out."""

    benchmark: Benchmark
    runs: tuple[Run, ...]
    asked: tuple[str, ...]
    skipped: dict[str, str] = {}
    weights_file: str | None = None

    def run(self, key: str) -> Run:
        return next(run for run in self.runs if run.key == key)


def parse_methods(given: list[str], benchmark: Benchmark) -> tuple[str, ...]:
    """`--method` takes commas, repeats and `all`; none given means the benchmark's own."""
    reported = [name for name in plugins.names("methods") if plugins.declared(name).reported]
    names = [name.strip() for entry in given for name in entry.split(",") if name.strip()]
    if not names:
        return benchmark.methods
    if "all" in names:
        order = [*benchmark.methods, *reported]
        return tuple(dict.fromkeys(name for name in order if name in reported))
    for name in names:
        if name not in plugins.names("methods"):
            raise unknown("method", name, [*reported, "all"], "repro list methods")
    return tuple(dict.fromkeys(names))


def parse_seeds(text: str) -> tuple[int, ...]:
    """`3` is the seeds 0, 1, 2; `0,4` is the seeds 0 and 4; `7,` is seed 7 alone."""
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
        if not numbers or min(numbers) < 0 or max(numbers) > MOST_SEED or ("," not in text and not 1 <= numbers[0] <= MOST_SEEDS):
            raise ValueError
    except ValueError:
        raise UserError(
            f"--seeds {text}: not a number of seeds or a list of them",
            "3 means the seeds 0, 1, 2; 0,4 means those two; 42, means seed 42 alone",
            "for example --seeds 3",
        ) from None
    return tuple(dict.fromkeys(numbers)) if "," in text else tuple(range(numbers[0]))


def as_in_paper(request: Request) -> Request:
    """The request with the paper's methods and number of seeds where it names none; a tiny subset has the benchmark's, and three."""
    benchmark = request.benchmark
    paper = rows.Paper(name="") if benchmark.tiny and request.paper is None else rows.paper_of(benchmark.name, request.paper)
    return request._replace(methods=request.methods or paper.methods or benchmark.methods, seeds=request.seeds or tuple(range(paper.seeds)))


class _Builder:
    """Resolves each method once per plan, and each run once per content."""

    def __init__(self, request: Request, settings: list[Setting], backbone: BackboneRef, own_weights: bool):
        self.request, self.settings = request, settings
        self.backbone, self.own_weights = backbone, own_weights
        self.rows = rows.rows_of(request.benchmark.name, request.paper)
        self.runs: dict[str, Run] = {}

    def runs_of(self, method: Method, seed: int, asked: bool) -> list[Run]:
        """Every run of a method for one seed: the sweep's recipes × the parents' own variants."""
        request, benchmark = self.request, self.request.benchmark
        layer = rows.layer(benchmark.name, self.rows.get(method.name), request.quick, request.released)
        made = []
        for choice in resolve(method, layer, self.settings, asked, tiny=benchmark.tiny):
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
        """Every combination of runs that can play the roles which a method needs."""
        benchmark = self.request.benchmark
        declared = {role: self._named(parent, recipe) for role, parent in method.parents.items()}
        if method.pretrained and _comes_pretrained(benchmark, self.backbone.name) and not self.own_weights:
            declared["backbone"] = Parent(method=benchmark.pretrained_by, shared=True)
        single = {role: parent for role, parent in declared.items() if not parent.many and not parent.start_of}
        combinations = [
            dict(zip(single, runs, strict=True)) for runs in itertools.product(*(self._playing(parent, seed) for parent in single.values()))
        ]
        for parents in combinations:
            for role, parent in declared.items():
                if parent.start_of:
                    parents[role] = self._start_of(parents[parent.start_of], parent)
                if parent.many:
                    every = {run.key: run for each in self.request.seeds for run in self._playing(parent, each)}
                    parents |= {f"{role}-{number:03}": run for number, run in enumerate(every.values())}
        return combinations

    def _named(self, parent: Parent, recipe: Recipe) -> Parent:
        """The parent, of the method that the recipe names where it may."""
        name = getattr(recipe, parent.field) if parent.field else None
        if name is None:
            return parent
        trained = [known for known in plugins.names("methods") if plugins.declared(known).reported]
        if name not in trained:
            raise unknown("method", name, trained, "repro list methods")
        return parent.model_copy(update={"method": name})

    def _start_of(self, run: Run, parent: Parent) -> Run:
        """What a run started from: that of its head where another run made it, else the parent's own method's."""
        return self.runs[run.parents["head"]] if "head" in run.parents else self._playing(parent, run.seed)[0]

    def _playing(self, parent: Parent, seed: int) -> list[Run]:
        method = plugins.declared(parent.method)
        return self.runs_of(method, 0 if parent.shared or not method.seeded else seed, parent.method in self.request.methods)


def _images_of_parent(method: Method, choice: Choice, parents: dict[str, Run]) -> tuple[Recipe, dict[str, str]]:
    """The recipe, with images prepared as in the run that the method mixes."""
    role = next((role for role, parent in method.parents.items() if parent.images), None)
    if role is None:
        return choice
    parent = parents.get(role) or parents[f"{role}-000"]
    fields = {field: getattr(parent.recipe, field) for field in IMAGES - AUGMENTATION}
    origins = {field: origin for field, origin in parent.provenance.items() if field in fields}
    return choice.recipe.model_copy(update=fields), choice.provenance | origins


def make(request: Request) -> Plan:
    """The whole plan of a request; nothing is run, read from the network, or written."""
    benchmark = request.benchmark
    names = request.methods or benchmark.methods
    methods = [plugins.declared(name) for name in names]
    settings = [parse_set(text, sorted(plugins.names("methods"))) for text in request.sets]
    entry, reference = _backbone(request, methods)
    skipped = {method.name: why for method in methods if (why := _impossible(method, entry, benchmark))}
    if skipped and request.strict:
        name, why = next(iter(skipped.items()))
        raise UserError(f"{name} cannot run on {benchmark.name} with {entry.name}", why, "repro list methods")
    methods = [method for method in methods if method.name not in skipped]
    if error := unused(settings, methods):
        raise error
    builder = _Builder(request, settings, reference, own_weights=request.weights is not None)
    asked: dict[str, None] = {}
    for method in methods:
        for seed in request.seeds:
            asked.update(dict.fromkeys(run.key for run in builder.runs_of(method, seed, asked=True)))
    file = None if request.weights == RANDOM else request.weights
    return Plan(benchmark=benchmark, runs=tuple(builder.runs.values()), asked=tuple(asked), skipped=skipped, weights_file=file)


def network(request: Request) -> str | None:
    """Name of the backbone: the one asked for, the paper's, or the benchmark's; None where only the user can name one."""
    benchmark = request.benchmark
    own = None if benchmark.tiny else rows.paper_of(benchmark.name, request.paper).backbone
    return request.backbone or own or benchmark.backbone


def _comes_pretrained(benchmark: Benchmark, backbone: str) -> bool:
    """Whether a run of the plan makes the backbone's weights."""
    return benchmark.pretrained_by is not None and backbone == benchmark.backbone


def standard_weights(request: Request) -> str | None:
    """The "manifest:file" to start from where the user names no weights; None: none are used, or only the user can name them."""
    name = network(request)
    if name is None or _comes_pretrained(request.benchmark, name):
        return None
    if not any(plugins.declared(method).pretrained for method in request.methods or request.benchmark.methods):
        return None
    return backbones.find(name).weights


def _backbone(request: Request, methods: list[Method]) -> tuple[backbones.Entry, BackboneRef]:
    """The network and the content of its weights; starting a pretrained method from random weights must be asked for by name."""
    name = network(request)
    if name is None:
        raise UserError(
            f"{request.benchmark.name} has no backbone of its own",
            "which network suits your images is for you to say",
            "name one: --backbone timm:resnet50 --weights FILE",
        )
    entry = backbones.find(name)
    starts = next((method.name for method in methods if method.pretrained), None)
    if starts and not request.weights and not _comes_pretrained(request.benchmark, entry.name):
        raise UserError(
            f"{starts} starts from pretrained weights, and none are given for {entry.name}",
            "from random weights its result would mean nothing",
            "--weights FILE, or on purpose: --weights random",
        )
    hashed = request.weights_hash or (sha256_for(entry, Path(request.weights)) if request.weights and request.weights != RANDOM else None)
    return entry, BackboneRef(name=entry.name, kwargs=entry.kwargs, definition=backbones.definition(entry), weights=hashed)


def _impossible(method: Method, entry: backbones.Entry, benchmark: Benchmark) -> str | None:
    if method.needs_text and not entry.text:
        return f"{method.name} needs a text tower, and {entry.name} has none"
    if method.needs_text and not benchmark.templates:
        return f"{method.name} needs prompts, and {benchmark.name} has none"
    if not benchmark.with_role(method.trains_on):
        return f"{method.name} trains on a split of role {method.trains_on!r}, and {benchmark.name} has none"
    return None
