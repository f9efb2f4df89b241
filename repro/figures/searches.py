"""The numbers behind the figure of a search: its trials one after another, and which settings mattered. No drawing."""

from __future__ import annotations

from typing import NamedTuple

from repro.figures.robustness import Nothing, tiny_option
from repro.outcomes.metrics import title
from repro.outcomes.study import Interval, Trial, importances
from repro.types import Result


class Search(NamedTuple):
    """One search. `scores` are the trials' in their order, in percent but for cross-entropies, None where one diverged; `best` the best so far.

    `axis` is what they are; `shares` the importance of each setting.
    """

    title: str
    tiny: bool
    scores: tuple[float | None, ...]
    best: tuple[float | None, ...]
    chosen: int
    axis: str
    shares: dict[str, float]
    caption: tuple[str, ...]


def trials_of(result: Result) -> list[Trial]:
    """The trials that a result records; none where it is of no search."""
    return [Trial.model_validate(trial) for trial in result.extras.get("trials", ())]


def search(result: Result) -> Search:
    """The figure's numbers of one run; one that searched nothing is a `Nothing`."""
    run, trials = result.run, trials_of(result)
    if not trials:
        raise Nothing(
            f"run {result.key} ({run.label}) searched nothing",
            "the figure shows the trials of autoft's search",
            f"repro run {run.benchmark.name} -m autoft{tiny_option(run.benchmark)}",
        )
    best: list[float | None] = []
    leading: Trial | None = None
    for trial in trials:
        if trial.rank is not None and (leading is None or trial.rank >= leading.rank):
            leading = trial
        best.append(leading.score if leading else None)
    about = result.extras["search"]
    space = {name: Interval.model_validate(interval) for name, interval in result.extras["space"].items()}
    shares, scale = importances(trials, space), 1 if about["metric"] == "cross_entropy" else 100
    told = "Importance: share of a setting in the variance of the score (functional ANOVA); of trials that did not diverge."
    caption = (
        f"Score: {title(about['metric'])} of {len(about['examples'])} examples of {about['split']} after {run.recipe.inner_steps} steps.",
        told if shares else "No setting's importance can be told: all trials have the same score.",
        *(["TINY subset: a check that the program works, comparable with nothing."] if run.benchmark.tiny else []),
    )
    return Search(
        title=f"{run.benchmark.title}: {run.label} ({result.key[:8]})",
        tiny=run.benchmark.tiny,
        scores=tuple(None if trial.score is None else scale * trial.score for trial in trials),
        best=tuple(None if score is None else scale * score for score in best),
        chosen=result.extras["best"]["trial"],
        axis=title(about["metric"]) + ("" if scale == 1 else " in %"),
        shares=shares,
        caption=caption,
    )
