"""Which runs are compared with which: from the words that the user gave to pairs of runs with equal seeds."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from typing import NamedTuple

from repro import plugins
from repro.display import tables
from repro.errors import UserError, nearest, unknown
from repro.outcomes.selection import PAPER
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.planning.configurations import gone
from repro.record import digest
from repro.types import Benchmark, Result


class Pairs(NamedTuple):
    """Runs of `a` and of `b`, side by side; a run in which nothing is random stands in several pairs."""

    a: str
    b: str
    pairs: tuple[tuple[Result, Result], ...]

    @property
    def benchmark(self) -> Benchmark:
        return self.pairs[0][0].run.benchmark

    @property
    def runs(self) -> tuple[Result, ...]:
        """Each run once."""
        return tuple({run.key: run for pair in self.pairs for run in pair}.values())


def find(store: Store, a: str, b: str, rule: str = PAPER, benchmark: str | None = None, damaged: list[Damaged] | None = None) -> Pairs:
    """The runs that two words name: a key or its first digits is one run; a method, or a row as `repro table` names it, is all its seeds.

    `rule` chooses among a row's tuned settings, as in the table; `benchmark`, its name or a part of its title, where two methods were run
    on several. Runs of equal seeds make pairs. `damaged` as in `Store.read_result`; a run that is named itself is an error in any case.
    """
    results = store.results(damaged=damaged)
    keyed = [_keyed(store, word, results) for word in (a, b)]
    named = next((run for run in keyed if run), None)
    own = _of(results, named) if named else _shared(results, a, b, benchmark)
    sides = [[run] if run else _row(own, results, word, rule) for run, word in zip(keyed, (a, b), strict=True)]
    _require_same_benchmark(sides[0][0], sides[1][0])
    names = [f"{run.run.label} ({run.key[:8]})" if run else word for run, word in zip(keyed, (a, b), strict=True)]
    if {run.key for run in sides[0]} == {run.key for run in sides[1]}:
        raise UserError(f"{a} and {b} are the same run", "there is nothing between them", "repro show")
    return Pairs(*names, _pair(names, sides, both_keys=all(keyed)))


def _identity(run: Result) -> str:
    return digest(run.run.benchmark.identity())


def _method(word: str) -> str:
    return word.partition(" (")[0]


def _keyed(store: Store, word: str, results: list[Result]) -> Result | None:
    """The finished run whose key starts with `word`; None where the word names a method."""
    if _method(word) in plugins.names("methods"):
        return None
    if not re.fullmatch(r"[0-9a-f]{4,20}", word):
        raise unknown("method or run", word, plugins.names("methods"), "repro show")
    if not any(folder.name.rpartition("-")[2].startswith(word) for folder in store.folders()):
        near = nearest(word, [result.key[: len(word)] for result in results])
        why = f"did you mean {near!r}?" if near else f"{len(results)} runs are finished, and none is near"
        raise UserError(f"no run's key starts with {word}", why, "repro show")
    folder = store.find(word)
    result = store.read_result(folder)
    if result is None:
        raise UserError(f"run {folder.name} is not finished", "only finished runs have predictions of every split", "repro show")
    return result


def _of(results: list[Result], named: Result) -> list[Result]:
    """The runs on a run's benchmark."""
    return [result for result in results if _identity(result) == _identity(named)]


def _shared(results: list[Result], a: str, b: str, benchmark: str | None) -> list[Result]:
    """The runs on the one benchmark where both methods have been run: full ones before tiny subsets."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if benchmark is None or benchmark == result.run.benchmark.name or benchmark in result.run.benchmark.title:
            found[_identity(result)].append(result)
    both = [runs for runs in found.values() if {_method(a), _method(b)} <= {result.run.method for result in runs}]
    both = [runs for runs in both if not runs[0].run.benchmark.tiny] or both
    if not both:
        methods = ",".join(dict.fromkeys([_method(a), _method(b)]))
        named = next((name for name in plugins.names("benchmarks") if name == benchmark), "BENCHMARK" if results else "digits")
        asked = f"no benchmark called {benchmark}" if benchmark else "no benchmark"
        raise UserError(
            f"{asked} has results of both {a} and {b}",
            "repro show lists what has" if results else "nothing has been run",
            f"repro run {named} --method {methods}",
        )
    if len(both) > 1:
        names, titles = ([getattr(runs[0].run.benchmark, field) for runs in both] for field in ("name", "title"))
        told = names if len(set(names)) == len(both) else titles
        cure = f"repro compare {shlex.quote(a)} {shlex.quote(b)} --benchmark {shlex.quote(told[-1])}"
        if len(set(told)) < len(both):  # the same title of other data
            cure = "repro compare KEY KEY; repro show lists keys"
        raise UserError(f"{a} and {b} were both run on {len(both)} benchmarks", ", ".join(titles), cure)
    return both[0]


def _row(own: list[Result], results: list[Result], word: str, rule: str) -> list[Result]:
    """The runs behind a row of the benchmark's tables: of that very name, else the method's only one."""
    made = tables.build(results, rule, frozenset(result.key for result in own))
    rows = [row for table in made for row in table.rows if row.method == _method(word)]
    rows = [row for row in rows if row.name == word] or ([] if word != _method(word) else rows)
    if len(rows) != 1:
        known = ", ".join(f"{row.name!r} ({row.keys[0][:8]})" for table in made for row in table.rows if row.method == _method(word))
        raise UserError(
            f"{len(rows) or 'no'} row{'' if len(rows) == 1 else 's'} of {own[0].run.benchmark.title} {'is' if len(rows) == 1 else 'are'} {word!r}",
            f"there are {known}" if known else f"{_method(word)} has not been run on it, or is a stage and no row",
            "repro compare A B, with rows' names in quotes or with keys" if known else "repro table",
        )
    return sorted((result for result in results if result.key in rows[0].keys), key=lambda result: result.run.seed)


def _require_same_benchmark(a: Result, b: Result) -> None:
    if _identity(a) == _identity(b):
        return
    one, other = a.run.benchmark.identity(), b.run.benchmark.identity()
    fields = [f"{field} {_brief(one[field])} and {_brief(other[field])}" for field in one if one[field] != other[field]]
    raise UserError(
        f"runs {a.key[:8]} and {b.key[:8]} are not of the same benchmark",
        f"they have {'; '.join(fields)}",
        "repro show, and compare two runs of the same one",
    )


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def _pair(names: list[str], sides: list[list[Result]], both_keys: bool) -> tuple[tuple[Result, Result], ...]:
    """Equal seeds side by side; two runs that were named themselves are a pair whatever their seeds."""
    a, b = ({run.run.seed: run for run in side} for side in sides)
    if both_keys:
        return ((sides[0][0], sides[1][0]),)
    if _fixed(sides[0]) or _fixed(sides[1]):  # one run for every seed of the other side
        return tuple((one, other) for one in sides[0] for other in sides[1])
    common = sorted(a.keys() & b.keys())
    if not common:
        raise UserError(
            f"{names[0]} and {names[1]} have no seed in common",
            f"they have {', '.join(map(str, sorted(a)))} and {', '.join(map(str, sorted(b)))}",
            "run one of them with --seeds as the other has them",
        )
    return tuple((a[seed], b[seed]) for seed in common)


def _fixed(side: list[Result]) -> bool:
    """Whether the side is the one run of a method in which nothing is random."""
    return len(side) == 1 and not gone(side[0]) and not plugins.declared(side[0].run.method).seeded
