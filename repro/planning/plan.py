"""From a request to an ordered list of runs: recipes resolved, parents found or added, finished runs known by their keys."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from repro import backbones, plugins
from repro.errors import UserError, unknown
from repro.known_weights import sha256_for
from repro.papers import rows
from repro.planning import mixtures
from repro.planning.initial import comes_pretrained, from_file, stages
from repro.planning.parents import Builder, impossible
from repro.planning.recipe import Choice, Setting, parse_set, resolve, unused
from repro.record import Record
from repro.types import BackboneRef, Benchmark, Method, Run

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

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the dataset manifests that its runs need."""
        return tuple(dict.fromkeys([*self.benchmark.needs, *(name for run in self.runs for name in run.needs)]))

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


def make(request: Request) -> Plan:
    """The whole plan of a request; nothing is run, read from the network, or written."""
    benchmark = request.benchmark
    names = request.methods or benchmark.methods
    methods = [plugins.declared(name) for name in names]
    settings = [parse_set(text, sorted(plugins.names("methods"))) for text in request.sets]
    entry, reference = _backbone(request, methods, settings)
    skipped = {method.name: why for method in methods if (why := impossible(method, entry, benchmark))}
    if skipped and request.strict:
        name, why = next(iter(skipped.items()))
        raise UserError(f"{name} cannot run on {benchmark.name} with {entry.name}", why, "repro list methods")
    methods = [method for method in methods if method.name not in skipped]
    if error := unused(settings, methods):
        raise error
    builder = Builder(request, settings, entry, reference)
    asked: dict[str, None] = {}
    for method in methods:
        before = dict(builder.runs)
        try:
            made = [run.key for seed in request.seeds for run in builder.runs_of(method, seed, asked=True)]
        except mixtures.Unfit as unfit:
            if request.strict:
                raise
            builder.runs, skipped[method.name] = before, f"{unfit.what}: {unfit.why} ({unfit.cure})"
            continue
        asked.update(dict.fromkeys(made))
    file = None if request.weights == RANDOM else request.weights
    return Plan(benchmark=benchmark, runs=tuple(builder.runs.values()), asked=tuple(asked), skipped=skipped, weights_file=file)


def network(request: Request) -> str | None:
    """Name of the backbone: the one asked for, the paper's, or the benchmark's; None where only the user can name one."""
    benchmark = request.benchmark
    own = None if benchmark.tiny else rows.paper_of(benchmark.name, request.paper).backbone
    return request.backbone or own or benchmark.backbone


def standard_weights(request: Request) -> str | None:
    """The "manifest:file" to start from where the user names no weights; None: none are used, or only the user can name them."""
    name = network(request)
    if name is None or comes_pretrained(request.benchmark, name):
        return None
    settings = [parse_set(text, sorted(plugins.names("methods"))) for text in request.sets]
    methods = [plugins.declared(method) for method in request.methods or request.benchmark.methods]
    return backbones.find(name).weights if _reads_file(request, methods, settings) else None


def brings_weights(request: Request) -> str | None:
    """The first method that begins with weights which only the user can name; None: none does, or they are named."""
    name = network(request)
    if request.weights or name is None or comes_pretrained(request.benchmark, name) or backbones.find(name).weights:
        return None
    settings = [parse_set(text, sorted(plugins.names("methods"))) for text in request.sets]
    return _reads_file(request, [plugins.declared(method) for method in request.methods or request.benchmark.methods], settings)


def _reads_file(request: Request, methods: list[Method], settings: list[Setting]) -> str | None:
    """The first method that begins with the backbone's own weights, or from a run that does; None where all begin otherwise."""
    own_rows = rows.rows_of(request.benchmark.name, request.paper)

    def choices(method: Method, asked: bool) -> list[Choice]:
        layer = rows.layer(request.benchmark.name, own_rows.get(method.name), request.quick, request.released)
        return resolve(method, layer, settings, asked, request.benchmark.tiny)

    for method in (method for method in methods if method.pretrained):
        made = choices(method, True)
        named = [plugins.declared(stage) for stage in sorted({choice.recipe.init for choice in made} & set(stages()))]
        if from_file(made, [choice for stage in named if stage.pretrained for choice in choices(stage, False)]):
            return method.name
    return None


def _backbone(request: Request, methods: list[Method], settings: list[Setting]) -> tuple[backbones.Entry, BackboneRef]:
    """The network and the content of its weights; starting a pretrained method from random weights must be asked for by name."""
    name = network(request)
    if name is None:
        raise UserError(
            f"{request.benchmark.name} has no backbone of its own",
            "which network suits your images is for you to say",
            "name one: --backbone timm:resnet50 --weights FILE",
        )
    entry = backbones.find(name)
    if entry.kind != request.benchmark.kind:
        raise UserError(
            f"--backbone {name} takes {entry.kind}, and {request.benchmark.name} has {request.benchmark.kind}",
            "a network is made for one kind of example",
            "repro list backbones",
        )
    starts = _reads_file(request, methods, settings)
    if starts and not request.weights and not comes_pretrained(request.benchmark, entry.name):
        raise UserError(
            f"{starts} starts from pretrained weights, and none are given for {entry.name}",
            "from random weights its result would mean nothing",
            "--weights FILE, or on purpose: --weights random",
        )
    hashed = request.weights_hash or (sha256_for(entry, Path(request.weights)) if request.weights and request.weights != RANDOM else None)
    return entry, BackboneRef(name=entry.name, kwargs=entry.kwargs, definition=backbones.definition(entry), weights=hashed)
