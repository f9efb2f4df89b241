"""What finished runs say of this device, and what another run will therefore cost.

The calibration is the store itself: each result says how long it trained and judged, with how much memory, on which device. No file is
written for it, so there is nothing to lock between workers, to go stale when results are removed, or to carry to another machine; the
index beside the results (repro/outcomes/index.py) makes the look at all of them cheap.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain

from repro import plugins
from repro.errors import UserError
from repro.outcomes.kept import Kept
from repro.outcomes.predicted import ARITHMETIC, DEVICE, LIKE, RATE, Prediction
from repro.planning.memory import arithmetic, peak
from repro.planning.passes import Passes, image_flop, length, passes
from repro.planning.spent import LATEST, Spent, latest, manner, network, saves, trains
from repro.preflight.device import Device
from repro.record import digest
from repro.types import Benchmark, Result, Run

FLOP_PER_SECOND = 30e12  # of one GPU, a round number for these networks in practice
FLOP_PER_SECOND_OF_A_THREAD = 30e9  # of a CPU, likewise
FAR = 10  # times as much arithmetic in an image: a small network does not fill a device that a large one does


class Calibration:
    """Predicts runs on one device from finished ones on the same, oldest first, of which the latest are heard. `add` what ends meanwhile."""

    def __init__(self, results: Iterable[Result | Kept], device: Device):
        self.device = device
        self.seen: dict[str, dict[str, int]] = defaultdict(dict)  # benchmark's identity → split → examples
        self.like: dict[Hashable, dict[Hashable, deque[Spent]]] = defaultdict(dict)  # likeness → manner of training → runs
        self.of_network: dict[Hashable, dict[str, deque[Spent]]] = defaultdict(dict)  # network → method → runs
        self._identities: dict[int, tuple[Benchmark, str]] = {}
        self._passes: dict[int, tuple[Run, Passes | None]] = {}
        found = list(results)
        alone = [result for result in found if result.environment.get("processes", 1) == 1]  # what several shared took others' time, too
        own = [result for result in alone if device.name and result.environment.get("device_name") == device.name]
        threaded = [result for result in own if device.kind == "GPU" or result.environment.get("threads") == device.threads]
        for result in found:
            self._count(result)
        for result in threaded or own:
            self._learn(result)

    def add(self, result: Result | Kept) -> None:
        """Learn from a run that ended on this device just now."""
        self._count(result)
        self._learn(result)

    def predict(self, run: Run) -> Prediction:
        """From the first that knows: runs like it, others of its backbone, other backbones, arithmetic; of memory likewise."""
        ways = ((LIKE, self._as_like), (RATE, self._at_rate), (DEVICE, self._as_device), (ARITHMETIC, self._by_rule))
        memory_ways = (
            (LIKE, self._memory_as_like),
            (RATE, self._memory_of_network),
            (DEVICE, self._memory_of_device),
            (ARITHMETIC, self._memory_by_arithmetic),
        )
        seconds, source = _first(run, ways)
        memory, memory_source = _first(run, memory_ways)
        return Prediction(seconds, None if memory is None else round(memory), source, memory_source)

    def passes(self, run: Run) -> Passes | None:
        """As `repro.planning.passes` counts them, with the numbers of examples that earlier runs found."""
        if id(run) not in self._passes:
            self._passes[id(run)] = run, passes(run, self.seen.get(self._identity(run.benchmark)))
        return self._passes[id(run)][1]

    # learning

    def _count(self, result: Result | Kept) -> None:
        found = result.extras.get("examples", {})
        if result.run.recipe.shots:  # it drew a few of those that it learned from
            drawn = {split.name for split in result.run.benchmark.with_role("train", "id_val")}
            found = {name: number for name, number in found.items() if name not in drawn}
        self.seen[self._identity(result.run.benchmark)].update(found)
        self._passes.clear()

    def _learn(self, result: Result | Kept) -> None:
        spent, run = Spent.of(result), result.run
        try:
            plugins.declared(run.method)
            self.of_network[network(run)].setdefault(run.method, deque(maxlen=LATEST)).append(spent)
        except (UserError, ImportError):  # a plug-in that is here no more
            return
        self.like[self._likeness(run)].setdefault(manner(run), deque(maxlen=LATEST)).append(spent)

    def _identity(self, benchmark: Benchmark) -> str:
        """What is measured, in short; each record is hashed once."""
        if id(benchmark) not in self._identities:
            self._identities[id(benchmark)] = benchmark, digest(benchmark.identity())
        return self._identities[id(benchmark)][1]

    def _likeness(self, run: Run) -> Hashable:
        return run.method, self._identity(run.benchmark), network(run), run.recipe.freeze, run.recipe.shots, run.recipe.steps is None

    def _of_likeness(self, run: Run) -> Sequence[Spent]:
        """Runs like it, and if possible of the same manner."""
        found = self.like.get(self._likeness(run), {})
        return latest([found[manner(run)]] if manner(run) in found else found.values())

    # seconds

    def _as_like(self, run: Run) -> float | None:
        """The median of like runs, training and judging scaled by their images, or by epochs, steps or the steps of trials."""
        return _median(self._scaled(spent, run) for spent in self._of_likeness(run))

    def _scaled(self, spent: Spent, run: Run) -> float:
        ours, theirs = self.passes(run), self.passes(spent.run)
        if ours is None or theirs is None:
            return (spent.fit + spent.judge) * length(run) / length(spent.run) + spent.rest
        if not spent.judge:  # not told apart
            return spent.fit * (ours.total / theirs.total if theirs.total else 1.0) + spent.rest
        fit = spent.fit * (ours.trained / theirs.trained if theirs.trained else 1.0)
        return fit + spent.judge * (ours.judged / theirs.judged if theirs.judged else 1.0) + spent.rest

    def _at_rate(self, run: Run) -> float | None:
        """Its images at the seconds that other runs of the network took for one, and their start."""
        ours, found = self.passes(run), self.of_network.get(network(run), {})
        if ours is None:
            return None
        trained = self._median_of(found, run, _per_pass)
        judged = self._median_of(found, None, lambda spent, theirs: spent.judge / theirs.judged if theirs.judged and spent.judge else None)
        trained, judged = (judged if trained is None else trained), (trained if judged is None else judged)
        if trained is None:
            return None
        start = self._median_of(found, run, lambda spent, theirs: max(spent.rest - judged * theirs.features, 0.0) * _share(run, spent.run))
        return trained * ours.trained * ours.each + judged * (ours.judged + ours.features) + start

    def _median_of(self, found: dict[str, deque[Spent]], run: Run | None, value: Callable[[Spent, Passes], float | None]) -> float | None:
        """Of a value of finished runs: of `run`'s method, else of those that train as much of the network, else of any."""
        groups = [found.values()]
        if run:
            alike = [those for those in found.values() if trains(those[-1].run) == trains(run)]
            groups = [[found[run.method]] if run.method in found else [], alike, *groups]
        for group in groups:
            counted = [(spent, theirs) for spent in chain(*group) if (theirs := self.passes(spent.run))]
            told = [(spent, known) for spent, theirs in counted if (known := value(spent, theirs)) is not None]
            if told:
                newest = sorted(told, key=lambda pair: pair[0].result.finished)[-LATEST:]
                return statistics.median(known for _, known in newest)
        return None

    def _as_device(self, run: Run) -> float | None:
        """Its arithmetic at the FLOP/s of the network nearest to its own in the arithmetic of an image, at the same precision if possible."""
        each, ours = image_flop(run), self.passes(run)
        if each is None or ours is None:
            return None
        measured = [(latest(group.values()), image_flop(next(iter(group.values()))[-1].run)) for group in self.of_network.values()]
        measured = [(those, theirs) for those, theirs in measured if theirs and any(self._rate(spent) for spent in those)]
        measured = [one for one in measured if 1 / FAR <= one[1] / each <= FAR]
        same = [one for one in measured if one[0][-1].run.recipe.precision == run.recipe.precision]
        if not measured:
            return None
        those, _ = min(same or measured, key=lambda one: abs(math.log(one[1] / each)))
        rate = statistics.median(filter(None, map(self._rate, those)))
        return ours.total * each / rate + statistics.median(spent.rest for spent in those)

    def _rate(self, spent: Spent) -> float | None:
        """FLOP/s of training and judging."""
        counted, each = self.passes(spent.run), image_flop(spent.run)
        seconds = spent.fit + spent.judge
        return (counted.total - counted.features) * each / seconds if counted and each and seconds else None

    def _by_rule(self, run: Run) -> float | None:
        each, ours = image_flop(run), self.passes(run)
        return None if each is None or ours is None else ours.total * each / rule_of_thumb(self.device)

    # memory

    def _memory_as_like(self, run: Run) -> float | None:
        return peak(run, self._of_likeness(run), self.device)

    def _memory_of_network(self, run: Run) -> float | None:
        """Of runs that train as much of the network, or judge it alone, as this one does; on a CPU of any where there is none."""
        found = self.of_network.get(network(run), {}).values()
        alike = [those for those in found if trains(those[-1].run) == trains(run)]
        return peak(run, latest(alike or (found if self.device.kind == "CPU" else ())), self.device)

    def _memory_of_device(self, run: Run) -> float | None:
        """On a CPU, where most of it is the program, of runs of other networks."""
        groups = chain.from_iterable(found.values() for found in self.of_network.values())
        return peak(run, latest(groups), self.device) if self.device.kind == "CPU" else None

    def _memory_by_arithmetic(self, run: Run) -> float | None:
        return arithmetic(run, self.device)


def _share(run: Run, other: Run) -> float:
    """Of what another run needed beside training and judging: for what does not train, of what does, that of as many states written."""
    return saves(run) / saves(other) if trains(run) == "nothing" != trains(other) else 1.0


def _per_pass(spent: Spent, counted: Passes) -> float | None:
    """Seconds of training for what is worth a pass forward; where judging is not told apart, it is in both."""
    each = counted.trained * counted.each if spent.judge else counted.total
    return spent.fit / each if counted.trained and spent.fit else None


def rule_of_thumb(device: Device) -> float:
    """FLOP/s where nothing is known of a device."""
    return FLOP_PER_SECOND if device.kind == "GPU" else FLOP_PER_SECOND_OF_A_THREAD * device.threads


def _first(run: Run, ways: Iterable[tuple[str, Callable[[Run], float | None]]]) -> tuple[float | None, str | None]:
    return next(((found, name) for name, way in ways if (found := way(run)) is not None), (None, None))


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.median(known) if known else None
