"""Whether a measured cell agrees with the reported one.

Δ is the mean over measured seeds less the printed mean, in points (percent). u is the unit of the last printed digit (0.1 of 77.8). What is
asked is whether the two programs have the same mean over seeds on these test images; both are judged on the same images, so another draw of
the test set is no part of the answer (repro/outcomes/bootstrap.py has that).

Uncertainty. Each side is a standard error with its degrees of freedom:

* measured: s/√n, n − 1 degrees, s over the seeds;
* reported, from the printed spread b, the largest that would be printed so (b + half its unit): an interval of the mean is factor·s/√m, so
  the standard error is b/factor, factor 1.645 for `ci90` and 1.96 for `ci95` unless the paper's rule says otherwise; `std` is s itself, so
  b/√m. Where the rule's s divides by m, it is raised by √(m/(m − 1)). m − 1 degrees, m the seeds; where m is not stated, an interval is taken
  to be over two, and a standard deviation cannot be used;
* reported without a usable spread (none, `unknown`, or one run): assumed is that the paper's seeds vary as ours, s/√m, with m = 1 where it is
  not stated; both sides then share s and its n − 1 degrees. Where `examples` is given, the sampling error of a share of so many examples,
  p(1 − p)/N, is added once: two programs that agree may read, resize or order images otherwise, and then differ on some of them.

With standard error e and degrees of freedom f of Δ (Welch 1947, Satterthwaite 1946), and R = max(|Δ| − u/2, 0), which is what rounding
cannot explain:

* *match*: |Δ| ≤ u/2 + 0.25 points, and a difference of 1 point or more is excluded at 5 %: P(T_f > (1 − u/2 − |Δ|)/e) ≤ 0.05
  (the nearer of the two one-sided tests of Schuirmann 1987). One point is what these papers argue about: FLYP claims 1, Connect Later 0.9;
* *above*, *below*: otherwise, P(|T_f| > R/e) < 0.05;
* *within noise*: otherwise. It says that no difference was found, not that there is none: look at Δ and at the number of seeds;
* *not comparable*, *not run*, *failed*: there is nothing to test, and `why` says so.

How often it errs, for means printed to 0.1 and 3 seeds against 3 (simulated, tests/papers/test_verdict_errors.py). Of equal means whose seeds vary
alike, at most 5 % come out "above" or "below". A true difference of 1, 2 and 5 standard deviations of the seeds, where that is 1 point, is
found in this share of cells:

    spread printed              11 %   33 %   97 %
    no spread, 3 runs stated    11 %   28 %   85 %
    no spread, nothing stated    8 %   17 %   62 %

so three seeds cannot tell a shift of one deviation from nothing; 10 of ours find 20, 55 and 98 % where a spread is printed. A true difference
of 1 point comes out as a match in fewer than 5 %. Where the two sides' seeds vary differently, Welch's test itself errs up to 5.9 % of the
time for 3 against 3 (one varies five times as much) and 7.2 % for 10 against 3 (the three vary twice as much). Without a printed spread
nothing guards against a paper whose seeds vary more than ours: at three times as much, every fifth equal cell is called different.

A table has many cells, and of a hundred equal ones five would be "above" or "below": `holm` brings that to 5 % per table.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from repro.outcomes.stats import ddof_of, t_outside, welch

if TYPE_CHECKING:
    from repro.papers.reported import Interval, Reported

MATCH, WITHIN, ABOVE, BELOW = "match", "within noise", "above", "below"
NOT_COMPARABLE, NOT_RUN, FAILED = "not comparable", "not run", "failed"
VERDICTS = (MATCH, WITHIN, ABOVE, BELOW, NOT_COMPARABLE, NOT_RUN, FAILED)
LEVEL = 0.05
MARGIN = 1.0  # points that a match excludes
TOLERANCE = 0.25  # points that nobody argues about: a quarter of the margin
FACTOR = {"ci90": 1.645, "ci95": 1.96}


class Outcome(NamedTuple):
    """`delta`: measured less reported, in points, None where they are of different things; `p` of the test that they are equal, None where
    there was none; `why` says in words what the verdict rests on, or what stood in the way.
    """

    verdict: str
    delta: float | None
    why: str
    p: float | None


def compare(
    reported: Reported,
    measured: Sequence[float],
    *,
    tiny: bool = False,
    comparable: str | None = None,
    examples: int | None = None,
    seeded: bool = True,
    rule: Interval | None = None,
) -> Outcome:
    """The verdict on `measured`, a value in percent per seed.

    `comparable`: in words, why the two are of different things (another split, metric, backbone); None: they are of the same.
    `examples`: how many the metric is a share of (of a worst group: that group's). `seeded`: False where nothing in the method is random, so
    that one run is all there is and does not vary. `rule`: how the paper makes its spreads (`reported.publication(paper).interval`).
    """
    if reported.value is None:
        return Outcome(NOT_COMPARABLE, None, "only the spread is known", None)
    if not measured:
        return Outcome(NOT_RUN, None, "", None)
    if why := _different(reported, tiny, comparable):
        return Outcome(NOT_COMPARABLE, None, why, None)
    delta = statistics.fmean(measured) - float(reported.value)
    if reported.confidence == "recalled":
        return Outcome(NOT_COMPARABLE, delta, "recalled", None)
    if seeded and len(measured) < 2:
        return Outcome(NOT_COMPARABLE, delta, "fewer than 2 seeds: --seeds 3 runs more", None)
    error, freedom, basis = _uncertainty(reported, measured, examples, rule)
    return _judge(delta, float(_unit(reported.value)) / 2, error, freedom, basis)


def holm(outcomes: Sequence[Outcome], level: float = LEVEL) -> tuple[Outcome, ...]:
    """The verdicts of a whole table: among all its tested cells, the chance of a false "above" or "below" anywhere is `level` (Holm 1979).

    Those that do not survive become "within noise"; everything else, and each cell's own p, stays.
    """
    tested = sorted((outcome.p, index) for index, outcome in enumerate(outcomes) if outcome.p is not None)
    kept: set[int] = set()
    for rank, (p, index) in enumerate(tested):
        if p * (len(tested) - rank) >= level:
            break
        kept.add(index)
    return tuple(
        outcome._replace(verdict=WITHIN, why=f"{outcome.why}; {outcome.verdict} alone, but not among {len(tested)} cells (Holm)")
        if outcome.verdict in (ABOVE, BELOW) and index not in kept
        else outcome
        for index, outcome in enumerate(outcomes)
    )


def _different(reported: Reported, tiny: bool, comparable: str | None) -> str | None:
    """Why the two numbers cannot be subtracted."""
    if tiny:
        return "tiny subset"
    if comparable:
        return comparable
    if reported.above:
        return f"the source says only more than {reported.value}"
    return "not in percent" if reported.metric in ("rmse", "distance") else None


def _unit(printed: Decimal) -> Decimal:
    """Of the last printed digit: 0.1 of 77.8, 1 of 77."""
    return Decimal(1).scaleb(int(printed.as_tuple().exponent))


def _uncertainty(reported: Reported, measured: Sequence[float], examples: int | None, rule: Interval | None) -> tuple[float, float, str]:
    """Standard error of Δ in points, its degrees of freedom, and what it rests on."""
    n = len(measured)
    variance = statistics.variance(measured) if n > 1 else 0.0
    own = _printed(reported, rule)
    if own:
        return *welch((variance / n, max(n - 1, 1)), own), f"{n} seeds and the printed spread"
    runs = reported.seeds or 1
    seeds = (variance * (1 / n + 1 / runs), max(n - 1, 1))
    basis = f"{n} seed{'s' if n > 1 else ''}; no usable spread is printed: taken as ours, of {runs} run{'s' if runs > 1 else ''}"
    if examples is None or not (reported.metric == "accuracy" or reported.metric.startswith("worst_")):
        return *welch(seeds), basis
    share = min(max(float(reported.value) / 100, 0.0), 1.0)
    sampling = 100**2 * share * (1 - share) / examples
    return *welch(seeds, (sampling, math.inf)), f"{basis}; sampling error of {examples} examples"


def _printed(reported: Reported, rule: Interval | None) -> tuple[float, int] | None:
    """Squared standard error of the printed mean and its degrees of freedom; None where the printed spread does not give one."""
    kind, runs = reported.spread_kind, reported.seeds
    if reported.spread is None or kind not in ("std", *FACTOR) or runs == 1 or (kind == "std" and runs is None):
        return None
    runs = runs or 2
    own = rule if rule and rule.kind == kind else None
    factor = own.factor if own else FACTOR.get(kind, 1.0)
    largest = float(reported.spread + _unit(reported.spread) / 2) / factor
    error = largest if (own.of_mean if own else kind != "std") else largest / math.sqrt(runs)
    ddof = ddof_of(own, reported.benchmark) if own else 1
    return error * error * (runs - ddof) / (runs - 1), runs - 1


def _judge(delta: float, rounding: float, error: float, freedom: float, basis: str) -> Outcome:
    """The verdict on a difference of printed means: `rounding` is half a printed unit."""
    beyond = max(abs(delta) - rounding, 0.0)
    p = t_outside(freedom, beyond / error) if error else float(beyond == 0.0)
    room = MARGIN - rounding - abs(delta)
    near = room > 0 and (error == 0.0 or t_outside(freedom, room / error) / 2 <= LEVEL)
    if near and abs(delta) <= rounding + TOLERANCE:
        return Outcome(MATCH, delta, f"1 point or more is excluded ({basis})", p)
    if p < LEVEL:
        return Outcome(ABOVE if delta > 0 else BELOW, delta, f"p = {p:.2g} ({basis})", p)
    return Outcome(WITHIN, delta, f"p = {p:.2g} ({basis})", p)
