"""From a request to an ordered list of runs: recipes resolved, parents found or added, finished runs known by their keys."""

from __future__ import annotations

import itertools
import statistics
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from repro import backbones, plugins
from repro.errors import UserError, nearest, unknown
from repro.known_weights import sha256_for
from repro.paths import tables_dir
from repro.recipe import Setting, parse_set, resolve, unused
from repro.store import Store
from repro.types import BackboneRef, Benchmark, Method, Parent, Record, Result, Run

MOST_SEEDS = 1000  # larger is one seed written without its comma
MOST_SEED = 2**32 - 1  # of numpy's and scikit-learn's generators
RANDOM = "random"  # as --weights: no pretrained weights, on purpose


class Request(NamedTuple):
    """What the user asked for, in the user's words."""

    benchmark: Benchmark
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    backbone: str | None = None
    weights: str | None = None
    weights_hash: str | None = None  # sha256 of `weights`, where it is known without reading the file, which then need not be here yet
    sets: tuple[str, ...] = ()
    strict: bool = False  # True: the methods were named one by one, so one that cannot run is a mistake


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


def table_rows(benchmark: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Method → (recipe of its row, origin) from `tables/<benchmark>.toml`; empty where there is no such file."""
    path = tables_dir() / f"{benchmark}.toml"
    if not path.is_file():
        return {}
    rows = {row["method"]: (row.get("recipe", {}), f"tables/{path.name}: {row['method']}") for row in read_table(path)["row"]}
    for name in rows:
        if name not in plugins.names("methods"):
            near = nearest(name, plugins.names("methods"))
            why = f"did you mean {near!r}?" if near else "repro list methods names those that there are"
            raise UserError(f"tables/{path.name}: there is no method {name!r}", why, f"mend it: {path}")
    return rows


def read_table(path: Path) -> dict[str, Any]:
    """A table file: `title`, `benchmark`, `tuned` (fields chosen by the selection rule), and one `[[row]]` per method."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the table {path}", str(error), f"mend it: {path}") from None
    missing = [field for field in ("title", "benchmark", "row") if field not in content]
    rows = content.get("row")
    if missing or not isinstance(rows, list) or not all(isinstance(row, dict) and "method" in row for row in rows):
        raise UserError(f"{path} is not a table", f"it lacks {', '.join(missing) or 'a method in a row'}", f"mend it: {path}")
    return content


class _Builder:
    """Resolves each method once per plan, and each run once per content."""

    def __init__(self, request: Request, settings: list[Setting], backbone: BackboneRef, own_weights: bool):
        self.request, self.settings = request, settings
        self.backbone, self.own_weights = backbone, own_weights
        self.rows = table_rows(request.benchmark.name)
        self.runs: dict[str, Run] = {}

    def runs_of(self, method: Method, seed: int, asked: bool) -> list[Run]:
        """Every run of a method for one seed: the sweep's recipes × the parents' own variants."""
        benchmark = self.request.benchmark
        row, origin = self.rows.get(method.name, ({}, ""))
        parents = dict(method.parents)
        if method.pretrained and benchmark.pretrained_by and self.backbone.name == benchmark.backbone and not self.own_weights:
            parents["backbone"] = Parent(method=benchmark.pretrained_by, shared=True)
        variants = [
            self.runs_of(
                plugins.declared(parent.method),
                0 if parent.shared or not plugins.declared(parent.method).seeded else seed,
                parent.method in self.request.methods,
            )
            for parent in parents.values()
        ]
        made = []
        for choice in resolve(method, row, origin, self.settings, asked, tiny=benchmark.tiny):
            for combination in itertools.product(*variants):
                run = Run(
                    benchmark=benchmark,
                    method=method.name,
                    method_version=method.version,
                    recipe=choice.recipe,
                    provenance=choice.provenance,
                    backbone=self.backbone if method.pretrained else self.backbone.model_copy(update={"weights": None}),
                    seed=seed if method.seeded else 0,
                    parents={role: run.key for role, run in zip(parents, combination, strict=True)},
                )
                made.append(self.runs.setdefault(run.key, run))
        return made


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


def standard_weights(benchmark: Benchmark, backbone: str | None = None, methods: Sequence[str] = ()) -> str | None:
    """The "manifest:file" to start from where the user names no weights; None: none are used, or only the user can name them."""
    name = backbone or benchmark.backbone
    if name is None or (benchmark.pretrained_by and name == benchmark.backbone):
        return None
    if not any(plugins.declared(method).pretrained for method in methods or benchmark.methods):
        return None
    return backbones.find(name).weights


def _backbone(request: Request, methods: list[Method]) -> tuple[backbones.Entry, BackboneRef]:
    """The network and the content of its weights; starting a pretrained method from random weights must be asked for by name."""
    benchmark = request.benchmark
    name = request.backbone or benchmark.backbone
    if name is None:
        raise UserError(
            f"{benchmark.name} has no backbone of its own",
            "which network suits your images is for you to say",
            "name one: --backbone timm:resnet50 --weights FILE",
        )
    entry = backbones.find(name)
    comes_pretrained = benchmark.pretrained_by and entry.name == benchmark.backbone
    starts = next((method.name for method in methods if method.pretrained), None)
    if starts and not request.weights and not comes_pretrained:
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


class Forecast(NamedTuple):
    """What a plan will cost as far as earlier runs tell: `seconds` is None where nothing comparable has been run."""

    todo: tuple[Run, ...]
    done: tuple[Run, ...]
    seconds: float | None
    known: int


def forecast(plan: Plan, store: Store) -> Forecast:
    """Split a plan into finished and missing runs, and predict the time of the missing ones from finished ones like them."""
    done = tuple(run for run in plan.runs if store.result(run))
    todo = tuple(run for run in plan.runs if run not in done)
    history = store.results() if todo else []
    predictions = [predict(run, history) for run in todo]
    known = [seconds for seconds in predictions if seconds is not None]
    total = sum(known) + (len(todo) - len(known)) * statistics.mean(known) if known else None
    return Forecast(todo, done, total, len(known))


def predict(run: Run, history: list[Result]) -> float | None:
    """Median seconds of finished runs of the same method, benchmark data and backbone, scaled by epochs."""
    like = [
        result.seconds["total"] * max(run.recipe.epochs, 1) / max(result.run.recipe.epochs, 1)
        for result in history
        if (result.run.method, result.run.benchmark.identity(), result.run.backbone.name)
        == (run.method, run.benchmark.identity(), run.backbone.name)
        and result.run.recipe.image_size == run.recipe.image_size
    ]
    return statistics.median(like) if like else None
