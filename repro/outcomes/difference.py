"""Why two results differ, and how far: content of the data, settings, parents, environment, then the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from repro import plugins
from repro.outcomes.finished import Finished
from repro.outcomes.outputs import Outputs, compare_outputs
from repro.record import Record
from repro.settings import Recipe
from repro.types import Benchmark, Result, Run

SETTINGS = ("benchmark", "images", "recipe", "method", "backbone", "seed", "parents")
ENVIRONMENT = ("software", "device", "threads", "precision", "determinism")
_ASPECT_OF = {"device": "device", "device_name": "device", "processor": "device", "threads": "threads"}
_ASPECT_OF |= {"precision": "precision", "deterministic": "determinism"}  # whatever else an environment names is software
UNTOLD = "; both from a checkout with uncommitted changes, which no record holds"
FEW = 4  # changes that a sentence names


class Change(Record):
    """One thing that is not the same: `first` and `second` are JSON-ready, None where one has no such thing. `parent` is the role, or roles."""

    aspect: str
    name: str
    first: Any
    second: Any
    parent: str = ""

    @property
    def title(self) -> str:
        return f"{self.parent}: {self.name}" if self.parent else self.name


class Shift(Record):
    """A split's headline metric at the selected checkpoints, as fractions."""

    split: str
    metric: str
    first: float
    second: float

    @property
    def points(self) -> float:
        """Second less first, in percentage points."""
        return 100 * (self.second - self.first)


class Difference(Record):
    """What separates two results. `exact`: all metrics, losses and files agree bit for bit; `same`: both are one folder."""

    keys: tuple[str, str]
    same: bool
    changes: tuple[Change, ...]
    checkpoints: tuple[str, str]
    shifts: tuple[Shift, ...]
    outputs: Outputs | None
    exact: bool
    dirty: bool = Field(description="both from a checkout of one commit with changes that were not committed")
    verdict: str

    @property
    def settings(self) -> tuple[Change, ...]:
        """What a key or the images say, as opposed to the environment."""
        return tuple(change for change in self.changes if change.aspect in SETTINGS)

    @property
    def environment(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.aspect in ENVIRONMENT)


def compare(first: Finished, second: Finished, rule: str = "id_val") -> Difference:
    """Everything in which two finished runs differ; numbers are compared at the checkpoints that `rule` selects of each."""
    changes = tuple(_changes(first, second))
    points = (first.reported(rule), second.reported(rule))
    made = Difference(
        keys=(first.result.key, second.result.key),
        same=first.folder.resolve() == second.folder.resolve(),
        changes=changes,
        checkpoints=(points[0].name, points[1].name),
        shifts=_shifts(first.result.run.benchmark, second.result.run.benchmark, points[0].metrics, points[1].metrics),
        outputs=compare_outputs(first.folder, second.folder, points[0].name, points[1].name),
        exact=_numbers(first.result) == _numbers(second.result),
        dirty=all(one.result.environment.get("dirty") is True for one in (first, second)),
        verdict="",
    )
    return made.model_copy(update={"verdict": _verdict(made)})


def _numbers(result: Result) -> Any:
    """All that was computed, without the times."""
    return [point.model_copy(update={"seconds": 0.0}) for point in result.checkpoints], result.files


def _changes(first: Finished, second: Finished) -> Iterator[Change]:
    yield from _of_settings(first.result, second.result)
    yield from _of_parents(first, second)
    yield from _of_environment(first.result.environment, second.result.environment)


def _of_settings(one: Result, other: Result) -> Iterator[Change]:
    yield from _differing("benchmark", _content(one.run), _content(other.run))
    packs = one.extras.get("packs", {}), other.extras.get("packs", {})
    shared = [split for split in packs[0] if split in packs[1]]  # which splits a run looks at follows from its method
    yield from _differing("images", *({f"pack of {split}": own[split] for split in shared} for own in packs))
    yield from _of_recipes(one.run, other.run)
    yield from _differing("method", _method(one.run), _method(other.run))
    yield from _differing("backbone", _backbone(one.run), _backbone(other.run))
    yield from _differing("seed", {"seed": one.run.seed}, {"seed": other.run.seed})


def _content(run: Run) -> dict[str, Any]:
    """What a run's benchmark measures on, field by field, its splits, and what the run searches on besides."""
    measured = [split for split in run.benchmark.splits if not split.apart]
    splits = {f"split {split.name}": {"role": split.role, "count": split.count} for split in measured}
    return {**run.benchmark.identity(), **splits, **run.apart}


def _of_recipes(one: Run, other: Run) -> Iterator[Change]:
    """The settings in which they differ; one that means nothing to a run's method has no value there."""
    ours, theirs = (
        plugins.declared(run.method).fields if run.method in plugins.names("methods") else Recipe.model_fields.keys()
        for run in (one, other)
    )
    for change in _differing("recipe", one.recipe.model_dump(mode="json"), other.recipe.model_dump(mode="json")):
        values = {"first": change.first if change.name in ours else None, "second": change.second if change.name in theirs else None}
        if values["first"] != values["second"]:
            yield change.model_copy(update=values)


def _method(run: Run) -> dict[str, Any]:
    return {"method": run.method, "method version": run.method_version}


def _backbone(run: Run) -> dict[str, Any]:
    return {("backbone" if name == "name" else name): value for name, value in run.backbone.model_dump(mode="json").items()}


def _of_parents(first: Finished, second: Finished) -> Iterator[Change]:
    """Where both have a run in a role, what separates those two; one run is not compared with itself."""
    ours, theirs = first.result.run.parents, second.result.run.parents
    known = (first.parents(), second.parents())
    for role in dict.fromkeys([*ours, *theirs]):
        pair = known[0].get(role), known[1].get(role)
        if None not in pair and pair[0].folder.resolve() != pair[1].folder.resolve():
            inner = list(_changes(*pair))
            yield from (change.model_copy(update={"parent": f"{role} {change.parent}".strip()}) for change in inner)
            if not inner and _numbers(pair[0].result) != _numbers(pair[1].result):
                yield Change(aspect="parents", name="numbers", first="as recorded", second="others", parent=role)
        elif ours.get(role) != theirs.get(role):
            yield Change(aspect="parents", name=role, first=ours.get(role), second=theirs.get(role))


def _of_environment(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    """In the order of ENVIRONMENT; what is itself a mapping (packages, determinism) entry by entry."""
    found = []
    for name in dict.fromkeys([*one, *other]):
        before, after = one.get(name), other.get(name)
        nested = isinstance(before, dict) and isinstance(after, dict)
        found += _differing(_ASPECT_OF.get(name, "software"), before if nested else {name: before}, after if nested else {name: after})
    yield from sorted(found, key=lambda change: ENVIRONMENT.index(change.aspect))


def _differing(aspect: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield Change(aspect=aspect, name=name, first=one.get(name), second=other.get(name))


def _shifts(one: Benchmark, other: Benchmark, before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> tuple[Shift, ...]:
    """The splits that both have judged by the same headline metric, in the first's order."""
    theirs = {split.name: other.metric_of(split) for split in other.splits}
    measured = [(split.name, one.metric_of(split)) for split in one.splits if theirs.get(split.name) == one.metric_of(split)]
    return tuple(
        Shift(split=split, metric=metric, first=before[split][metric], second=after[split][metric])
        for split, metric in measured
        if metric in before.get(split, {}) and metric in after.get(split, {})
    )


def _verdict(found: Difference) -> str:
    """One sentence: which kind of difference it is, and its size."""
    if found.same:
        return f"both are the same run, {found.keys[0]}"
    agree = "every number agrees bit for bit"
    elsewhere = _list(found.environment)
    numbers = agree if found.exact else f"the numbers differ: {_size(found)}"
    if not found.settings:
        if elsewhere:
            return f"the same run in another environment ({elsewhere}): {numbers}"
        if found.exact:
            return f"identical: same run, same environment, and {agree}"
        return f"same key and environment, and the numbers differ: noise of {_size(found)}{UNTOLD if found.dirty else ''}"
    also = f", in another environment ({elsewhere})" if elsewhere else ""
    if all(change.name == "seed" for change in found.settings):
        return f"they differ by the seed alone{also}: {numbers}"
    what = "a setting" if len(found.settings) == 1 else f"{len(found.settings)} settings"
    return f"they differ by {what} ({_list(found.settings)}){also}: {numbers}"


def _list(changes: tuple[Change, ...]) -> str:
    shown = [f"{change.title} {short(change.first)} → {short(change.second)}" for change in changes[:FEW]]
    return "; ".join([*shown, *([f"{len(changes) - FEW} more"] if len(changes) > FEW else [])])


def _size(found: Difference) -> str:
    """How far the numbers are apart: the largest shift, logits, predictions."""
    if not found.shifts:
        return "no split was judged by the same metric in both"
    largest = max(found.shifts, key=lambda shift: abs(shift.points))
    parts = [f"{abs(largest.points):.2g} points at most ({largest.split})" if largest.points else "0 points in every metric"]
    if found.outputs:
        parts += [f"logits by up to {found.outputs.largest:.2g}", f"{found.outputs.changed} of {found.outputs.examples} predictions"]
    return ", ".join(parts)


def short(value: Any) -> str:
    """A value of a change as a line has room for: hashes by their beginning, long lists by their length."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple) and len(value) > FEW:
        return f"{len(value)} entries"
    if isinstance(value, dict):
        return ", ".join(f"{name} {short(item)}" for name, item in value.items() if item is not None) or "–"
    if isinstance(value, list | tuple):
        return ",".join(short(item) for item in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text[:12]}…" if len(text) > 24 and text.isalnum() else text
