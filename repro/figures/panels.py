"""What each kind of figure draws on its axes, which `plots` hands over. Nothing here imports matplotlib.

Colours are Okabe and Ito's (2008), distinguishable by the colour-blind; markers, dashes and hatches differ too, so grey print keeps them
apart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from repro.figures import logit_axes
from repro.figures.measures import MEASURES, Distortion, Groups, Series, Training
from repro.figures.robustness import Curves, Robustness, logit
from repro.figures.searches import Search
from repro.outcomes.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "++", "oo", "--")
GREY = "#8C8C8C"
EDGED = {"markeredgecolor": "white", "markeredgewidth": 0.6}
HOLLOW = {"markerfacecolor": "none", "markeredgewidth": 1.6}  # so that rows that coincide are seen


class Panel(NamedTuple):
    """How a kind is laid out: at most `columns` beside each other, each of `size` (of all that are shown; inches) and `rows` axes."""

    draw: Callable[..., None]
    columns: int
    size: Callable[[Sequence], tuple[float, float]]
    rows: int = 1


def _look(index: int) -> dict:
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _beside(axes: Axes) -> None:
    """The legend right of the data, never over them."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)


def _name(name: str) -> str:
    """A row's name in lines short enough to leave room for the data."""
    return "\n".join(textwrap.wrap(name, 30))


def _percent(values: Iterable[float]) -> list[float]:
    return [100 * value for value in values]


def _half(cell: Estimate) -> float:
    return 100 * (cell.half or 0)


def robustness(one: Robustness, place: Sequence[Axes]) -> None:
    (axes,) = place
    across = logit_axes.limits_of([point.id.mean for point in one.points] + [x for x, _ in one.cloud])
    up = logit_axes.limits_of([point.ood.mean for point in one.points] + [y for _, y in one.cloud])
    drawn = [(logit(x), logit(y)) for x, y in one.cloud if 0 < x < 1 and 0 < y < 1]
    if drawn:
        axes.scatter(*zip(*drawn, strict=True), s=9, color=GREY, linewidths=0, alpha=0.6, label="judged epochs")
    for index, point in enumerate(one.points):
        effective = "" if point.effective is None else f"  ({100 * point.effective:+.1f})".replace("-", "−")
        axes.errorbar(
            logit_axes.inside(point.id.mean, across),
            logit_axes.inside(point.ood.mean, up),
            xerr=logit_axes.error_bar(point.id, across),
            yerr=logit_axes.error_bar(point.ood, up),
            linestyle="none",
            markersize=7,
            elinewidth=1,
            zorder=3,
            label=_name(f"{point.name}{effective}"),
            **HOLLOW,
            **_look(index),
        )
    axes.axline((0, 0), slope=1, color=GREY, linestyle=":", linewidth=1, label="y = x")
    if one.line:
        ends = [one.line.intercept + one.line.slope * x for x in across]
        axes.plot(across, ends, color="black", linestyle="--", linewidth=1, label="fit in logits")
    axes.set(xlim=across, ylim=up, xlabel=one.axes[0], ylabel=one.axes[1])
    logit_axes.label(axes.xaxis, across)
    logit_axes.label(axes.yaxis, up)
    _beside(axes)


def curves(one: Curves, place: Sequence[Axes]) -> None:
    (axes,) = place
    for index, curve in enumerate(one.curves):
        colour = COLOURS[index % len(COLOURS)]
        xs, ys = (_percent(cell.mean for cell in cells) for cells in (curve.id, curve.ood))
        axes.plot(xs, ys, color=colour, linestyle=DASHES[index % len(DASHES)], marker=".", markersize=6, label=_name(curve.name))
        for position, marker in ((0, "s"), (-1, "^")):
            said = f"α = {curve.alphas[position]:g}"
            axes.plot(xs[position], ys[position], color=colour, marker=marker, markersize=8, linestyle="none", label=said, **EDGED)
        chosen = [curve.alphas.index(alpha) for alpha in curve.selected]
        axes.plot(
            [xs[at] for at in chosen],
            [ys[at] for at in chosen],
            marker="o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor="black",
            linestyle="none",
            label=f"selected: α = {', '.join(f'{alpha:g}' for alpha in curve.selected)}",
        )
    axes.set(xlabel=one.axes[0], ylabel=one.axes[1])
    axes.margins(0.08)
    _beside(axes)


def _lines(axes: Axes, series: Sequence[Series], scale: float) -> None:
    for index, one in enumerate(series):
        axes.plot(
            one.epochs,
            [scale * value for value in one.values],
            linestyle=DASHES[index % len(DASHES)],
            markersize=4,
            linewidth=1.3,
            markevery=max(len(one.epochs) // 10, 1),
            label=one.name,
            **_look(index),
        )


def training(one: Training, place: Sequence[Axes]) -> None:
    above, below = place
    above.set_title(one.run)
    _lines(above, one.losses, 1)
    _lines(below, one.metrics, 100)
    for axes in place:
        axes.axvline(one.selected, color="black", linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        axes.locator_params(axis="x", integer=True)
    above.set_ylabel("loss")
    below.set(xlabel=f"epoch (selected: {one.selected})", ylabel=one.axis)
    if len(one.losses) > 1:
        above.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1 if max(len(line.name) for line in one.metrics) > 16 else 2)


def groups(one: Groups, place: Sequence[Axes]) -> None:
    (axes,) = place
    width = 0.84 / len(one.bars)
    for index, row in enumerate(one.bars):
        at = [group + (index - (len(one.bars) - 1) / 2) * width for group in range(len(one.groups))]
        worst = row.values[row.worst]
        top = min(100 * worst.mean + _half(worst), 100) + 4
        axes.plot(at[row.worst], top, "v", color="black", markersize=5, label=None if index else f"worst {one.grouping}")
        there = [(x, cell) for x, cell in zip(at, row.values, strict=True) if cell]
        axes.bar(
            [x for x, _ in there],
            _percent(cell.mean for _, cell in there),
            width,
            yerr=[_half(cell) for _, cell in there] if any(cell.half for _, cell in there) else None,
            error_kw={"elinewidth": 0.8},
            color=COLOURS[index % len(COLOURS)],
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor="white",
            linewidth=0,
            label=_name(row.name),
        )
    axes.set_xticks(range(len(one.groups)), [f"({name})" if name in one.ignored else name for name in one.groups])
    axes.tick_params(axis="x", length=0, rotation=0 if len(one.groups) < 9 else 45)
    axes.grid(visible=False, axis="x")
    axes.set(ylabel="accuracy in %", ylim=(0, 108), yticks=range(0, 101, 20), title=f"{one.split} by {one.grouping}")
    _beside(axes)


def _size_of_groups(shown: Sequence[Groups]) -> tuple[float, float]:
    bars = max(len(one.groups) * (len(one.bars) + 1) for one in shown)
    letters = max(sum(map(len, one.groups)) if len(one.groups) < 9 else 0 for one in shown)
    return min(max(0.18 * bars, 0.11 * letters, 5.0) + 1.5, 14), 2.9


def distortion(one: Distortion, place: Sequence[Axes]) -> None:
    for axes, measure in zip(place, MEASURES, strict=True):
        for index, group in enumerate(one.changes[0].measures[measure]):
            cells = [change.measures[measure][group] for change in one.changes]
            axes.errorbar(
                [cell.mean for cell in cells],
                [row + (index - 0.5) * 0.3 for row in range(len(cells))],
                xerr=[cell.half or 0 for cell in cells],
                linestyle="none",
                markersize=6,
                elinewidth=1,
                capsize=2,
                label=group,
                **_look(index),
            )
        axes.set_yticks(range(len(one.changes)), [_name(change.name) for change in one.changes], fontsize=8)
        axes.set(xlabel=MEASURES[measure], ylim=(len(one.changes) - 0.5, -0.5))
        _along(axes, [cell for change in one.changes for cell in change.measures[measure].values()])
        axes.grid(visible=False, axis="y")
    _beside(place[0])


def _along(axes: Axes, cells: Sequence[Estimate]) -> None:
    """From 0, or where means differ tenfold on a logarithmic axis around them, at whose frame an interval may end."""
    means = [cell.mean for cell in cells]
    if 0 < 10 * min(means) < max(means):
        axes.set_xscale("log", nonpositive="clip")
        axes.set_xlim(min(means) / 2.5, 1.3 * max(cell.mean + (cell.half or 0) for cell in cells))
    else:
        axes.set_xlim(left=0)


def _size_of_distortion(shown: Sequence[Distortion]) -> tuple[float, float]:
    rows = max(len(one.changes) for one in shown)
    lines = max(_name(change.name).count("\n") + 1 for one in shown for change in one.changes)
    return 7.0, 1.7 + 2 * rows * max(0.35, 0.16 * lines)


def search(one: Search, place: Sequence[Axes]) -> None:
    """Above the trials and the best so far, below what mattered."""
    history, shares = place
    told = [(number, score) for number, score in enumerate(one.scores) if score is not None]
    history.plot(*zip(*told, strict=True), linestyle="none", marker="o", markersize=4, color=GREY, label="trial")
    reached = [(number, score) for number, score in enumerate(one.best) if score is not None]
    history.step(*zip(*reached, strict=True), where="post", color=COLOURS[0], label="best so far")
    history.plot(one.chosen, one.scores[one.chosen], linestyle="none", color=COLOURS[1], markersize=9, marker="*", label="chosen")
    diverged = [number for number, score in enumerate(one.scores) if score is None]
    if diverged:
        lowest = min(score for _, score in told)
        history.plot(diverged, [lowest] * len(diverged), linestyle="none", marker="x", color="black", markersize=5, label="diverged")
    history.set(xlabel="trial", ylabel=one.axis)
    history.xaxis.get_major_locator().set_params(integer=True)
    _beside(history)
    shares.barh(range(len(one.shares)), list(one.shares.values()), color=COLOURS[2])
    shares.set_yticks(range(len(one.shares)), list(one.shares), fontsize=8)
    shares.set(xlabel="importance", ylim=(max(len(one.shares), 1) - 0.5, -0.5), xlim=(0, None if one.shares else 1))
    shares.grid(visible=False, axis="y")


PANELS: dict[type, Panel] = {
    Robustness: Panel(robustness, 2, lambda shown: (7.0, 4.2)),
    Curves: Panel(curves, 2, lambda shown: (7.0, 4.2)),
    Training: Panel(training, 3, lambda shown: (4.4, 5.0), rows=2),
    Groups: Panel(groups, 1, _size_of_groups),
    Distortion: Panel(distortion, 1, _size_of_distortion, rows=2),
    Search: Panel(search, 2, lambda shown: (7.0, 5.4), rows=2),
}
