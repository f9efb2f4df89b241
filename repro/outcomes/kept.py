"""A stored result as far as tables read it: what it is, and the checkpoint that each selection rule reports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, overload

from repro.errors import UserError
from repro.outcomes.selection import RULES, reported
from repro.settings import Recipe
from repro.types import BackboneRef, Benchmark, Checkpoint, Result, Run

PLAIN = ("method", "method_version", "seed")  # fields of a run that are kept as they are


class Entry(NamedTuple):
    """What the index keeps of a result. `benchmark` is a hash of its record; texts are JSON; `points` is the number of checkpoints; `picks`
    are lines: rule → number of a line below, for the rules that can be followed, then a checkpoint each, without what training said; `cost` is
    what later runs' costs are predicted from."""

    key: str
    finished: str
    environment: str
    cost: str
    benchmark: str
    method: str
    method_version: int
    seed: int
    recipe: str
    backbone: str
    provenance: str
    parents: str
    points: int
    picks: str


def entry(result: Result) -> Entry:
    """What is kept of a result."""
    run, picks = result.run, {}
    for rule in RULES:
        with suppress(UserError):  # a rule that has nothing to look at here; who asks for it gets the same error
            picks[rule] = reported(result, rule)
    told = {name: result.environment[name] for name in ("precision", "device_name", "threads", "processes") if name in result.environment}
    return Entry(
        key=result.key,
        finished=result.finished,
        environment=json.dumps(told),
        cost=json.dumps([result.seconds, result.peak_memory_bytes, result.extras.get("examples", {})]),
        benchmark=digest_of(run.benchmark),
        recipe=json.dumps(run.recipe.changed(), sort_keys=True),
        backbone=run.backbone.model_dump_json(),
        provenance=json.dumps(run.provenance, sort_keys=True),
        parents=json.dumps(run.parents),
        points=len(result.checkpoints),
        picks=_lines(picks),
        **{name: getattr(run, name) for name in PLAIN},
    )


def digest_of(benchmark: Benchmark) -> str:
    return hashlib.sha256(benchmark.model_dump_json().encode()).hexdigest()


def _lines(picks: dict[str, Checkpoint]) -> str:
    """Each checkpoint once: rules often agree."""
    points = {point.name: json.dumps([point.name, point.epoch, point.step, point.metrics]) for point in picks.values()}
    return "\n".join([json.dumps({rule: 1 + list(points).index(point.name) for rule, point in picks.items()}), *points.values()])


class Kept:
    """A result from its entry, under the names of `Result`. Checkpoints that no rule reports are read from its file when they are looked at:
    `read` gives the whole result."""

    def __init__(self, kept: Entry, benchmark: Benchmark, read: Callable[[], Result]):
        self.key, self.finished = kept.key, kept.finished
        self.environment: dict[str, Any] = _parsed(kept.environment)
        self._cost = kept.cost
        self.run = Run.model_construct(
            benchmark=benchmark,
            recipe=_recipe(kept.recipe),
            backbone=_backbone(kept.backbone),
            provenance=_parsed(kept.provenance),
            parents=_parsed(kept.parents),
            method=kept.method,
            method_version=kept.method_version,
            seed=kept.seed,
        )
        self.picked = _Picks(kept.picks).of
        self.checkpoints = _Checkpoints(kept.points, self.picked, read)

    @property
    def seconds(self) -> dict[str, float]:
        return json.loads(self._cost)[0]

    @property
    def peak_memory_bytes(self) -> int | None:
        return json.loads(self._cost)[1]

    @property
    def extras(self) -> dict[str, Any]:
        """Of a result's, the number of examples in each split that it looked at."""
        return {"examples": json.loads(self._cost)[2]}


class _Picks:
    """The checkpoints that rules report."""

    def __init__(self, lines: str):
        self._lines = lines.split("\n")
        self._found: dict[int, Checkpoint] = {}

    def of(self, rule: str) -> Checkpoint | None:
        """The checkpoint that a rule reports; None where it cannot be followed, or is none."""
        line = _parsed(self._lines[0]).get(rule)
        if line is None:
            return None
        if line not in self._found:
            self._found[line] = _checkpoint(*json.loads(self._lines[line]))
        return self._found[line]


class _Checkpoints(Sequence[Checkpoint]):
    """All of a result's: their number and the last are known, the others cost a look into the file."""

    def __init__(self, number: int, picked: Callable[[str], Checkpoint | None], read: Callable[[], Result]):
        self._number, self._picked, self._read = number, picked, read

    def __len__(self) -> int:
        return self._number

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Checkpoint]: ...
    def __getitem__(self, index):
        last = self._picked("last") if index in (-1, self._number - 1) else None
        return last or self._read().checkpoints[index]

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._read().checkpoints)


def _checkpoint(name: str, epoch: int | None, step: int | None, metrics: dict[str, dict[str, float]]) -> Checkpoint:
    return Checkpoint.model_construct(name=name, epoch=epoch, step=step, metrics=metrics)


@cache
def _recipe(text: str) -> Recipe:
    return Recipe.model_validate_json(text)


@cache
def _backbone(text: str) -> BackboneRef:
    return BackboneRef.model_validate_json(text)


@cache
def _parsed(text: str) -> dict[str, Any]:
    return json.loads(text)
