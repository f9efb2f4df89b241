"""Draws the figures whose numbers `robustness` and `figures` compute. matplotlib is imported when something is drawn.

Colours are Okabe and Ito's (2008), distinguishable by the colour-blind; markers, dashes and hatches differ too, so grey print keeps them
apart. Files are the same, byte for byte, whenever the numbers and matplotlib are the same.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError, unknown
from repro.figures import MEASURES, Distortion, Groups, Series, Training
from repro.robustness import Curves, Line, Robustness
from repro.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "++", "oo", "--")
GREY = "#8C8C8C"
STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine has it
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 150,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "repro",
    "pdf.fonttype": 42,  # whole glyphs of the font inside the file
}
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def require() -> None:
    """A `UserError` where matplotlib is absent, before any number is computed for it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("figures cannot be drawn", "the package matplotlib is not installed", "pip install 'repro[plot]'") from None


def form_of(out: Path) -> str:
    """The format that a file's name asks for."""
    form = out.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise unknown("figure format", form, FORMATS, "repro plot KIND --out FILE.svg, FILE.pdf or FILE.png")
    return form


def draw(shown: Sequence, out: Path) -> None:
    """Draw figures of one kind as panels of one file, whose suffix is its format. A file that cannot be written is a `UserError`."""
    require()
    import matplotlib

    form = form_of(out)
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        figure = PANELS[type(shown[0])](shown)
        try:
            figure.savefig(out, format=form, metadata=METADATA[form])
        except OSError as error:
            raise UserError(f"cannot write {out}", error.strerror or str(error), "name another file: --out FILE") from None


def _sheet(shown: Sequence, columns: int, size: tuple[float, float], rows: int = 1) -> tuple[Figure, list[list[Axes]]]:
    """A white sheet with title, TINY where it is, caption below; for each of `shown` a list of `rows` axes, one above the other.

    `size` is one panel's, in inches.
    """
    from matplotlib.figure import Figure

    columns = min(columns, len(shown))
    lines = math.ceil(len(shown) / columns)
    width = max(size[0] * columns, 5.5)
    caption = "\n".join(textwrap.wrap(" ".join(dict.fromkeys(sentence for one in shown for sentence in one.caption)), int(width * 16)))
    height = size[1] * lines + 0.16 * caption.count("\n") + 0.7
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, wspace=0.03)
    titles = list(dict.fromkeys(one.title if hasattr(one, "title") else "" for one in shown))
    tiny = "TINY – comparable with nothing\n" if shown[0].tiny else ""
    heading = shown[0].benchmark if isinstance(shown[0], Training) else titles[0] if len(titles) == 1 else ""
    figure.suptitle(
        "\n".join([tiny + line if not number else line for number, line in enumerate(textwrap.wrap(heading, int(width * 10)) or [""])])
    )
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7, linespacing=1.35)
    grid = figure.subplots(lines * rows, columns, squeeze=False)
    places = [[grid[line * rows + row][column] for row in range(rows)] for line in range(lines) for column in range(columns)]
    for axes in (one for place in places[len(shown) :] for one in place):
        axes.remove()
    if len(titles) > 1:
        for one, place in zip(shown, places, strict=False):
            place[0].set_title("\n".join(textwrap.wrap(one.title, int(size[0] * 10))))
    return figure, places[: len(shown)]


def _look(index: int) -> dict:
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _beside(axes: Axes) -> None:
    """The legend right of the data, never over them."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)


def _percent(values: Iterable[float]) -> list[float]:
    return [100 * value for value in values]


def _half(cell: Estimate) -> float:
    return 100 * (cell.half or 0)


def _within(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Limits around the data with a little room, within 0 to 100 %."""
    for values, setter in ((xs, axes.set_xlim), (ys, axes.set_ylim)):
        low, high = max(min(values), 0), min(max(values), 100)
        room = max(0.06 * (high - low), 1)
        setter(low - room, high + room)


def _robustness(shown: Sequence[Robustness]) -> Figure:
    figure, places = _sheet(shown, 2, (6.6, 4.2))
    for one, (axes,) in zip(shown, places, strict=True):
        if one.cloud:
            cloud = [_percent(values) for values in zip(*one.cloud, strict=True)]
            axes.scatter(*cloud, s=9, color=GREY, linewidths=0, alpha=0.6, label="judged epochs")
        for index, point in enumerate(one.points):
            effective = "" if point.effective is None else f"  ({100 * point.effective:+.1f})"
            axes.errorbar(
                100 * point.id.mean,
                100 * point.ood.mean,
                xerr=_half(point.id),
                yerr=_half(point.ood),
                linestyle="none",
                markersize=7,
                markeredgecolor="white",
                markeredgewidth=0.6,
                elinewidth=1,
                capsize=2,
                zorder=3,
                label=f"{point.name}{effective}",
                **_look(index),
            )
        ends = [(100 * cell.mean - sign * _half(cell)) for point in one.points for cell in (point.id,) for sign in (1, -1)]
        up = [(100 * cell.mean - sign * _half(cell)) for point in one.points for cell in (point.ood,) for sign in (1, -1)]
        _within(axes, [*ends, *_percent(x for x, _ in one.cloud)], [*up, *_percent(y for _, y in one.cloud)])
        axes.axline((0, 0), slope=1, color=GREY, linestyle=":", linewidth=1, label="y = x")
        if one.line:
            _draw_line(axes, one.line)
        axes.set(xlabel=one.axes[0], ylabel=one.axes[1])
        _beside(axes)
    return figure


def _draw_line(axes: Axes, line: Line) -> None:
    low, high = (min(max(limit / 100, 1e-3), 1 - 1e-3) for limit in axes.get_xlim())
    shares = [low + (high - low) * step / 100 for step in range(101)]
    frame = axes.get_ylim()
    axes.plot(_percent(shares), _percent(map(line.at, shares)), color="black", linestyle="--", linewidth=1, label="fit in logits")
    axes.set_ylim(frame)


def _curves(shown: Sequence[Curves]) -> Figure:
    figure, places = _sheet(shown, 2, (6.6, 4.2))
    for one, (axes,) in zip(shown, places, strict=True):
        for index, curve in enumerate(one.curves):
            colour, xs, ys = COLOURS[index % len(COLOURS)], *(_percent(cell.mean for cell in cells) for cells in (curve.id, curve.ood))
            axes.plot(xs, ys, color=colour, linestyle=DASHES[index % len(DASHES)], marker=".", markersize=5, label=curve.name)
            for position, marker, name in ((0, "s", "α = {:g}"), (-1, "^", "α = {:g}")):
                said = name.format(curve.alphas[position])
                axes.plot(xs[position], ys[position], color=colour, marker=marker, markersize=8, linestyle="none", label=said)
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
    return figure


def _lines(axes: Axes, series: Sequence[Series], scale: float) -> None:
    for index, one in enumerate(series):
        axes.plot(
            one.epochs,
            [scale * value for value in one.values],
            linestyle=DASHES[index % len(DASHES)],
            markersize=4,
            linewidth=1.3,
            markevery=max(len(one.epochs) // 10, 1),
            label=f"{one.group}: {one.name}" if one.group else one.name,
            **_look(index),
        )


def _training(shown: Sequence[Training]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, places = _sheet(shown, 3, (4.4, 5.0), rows=2)
    for one, (above, below) in zip(shown, places, strict=True):
        above.set_title(one.title)
        _lines(above, one.losses, 1)
        _lines(below, one.metrics, 100)
        for axes in (above, below):
            axes.axvline(one.selected, color="black", linewidth=1, linestyle=(0, (4, 2)), zorder=1)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        above.set_ylabel("loss")
        below.set(xlabel=f"epoch (selected: {one.selected})", ylabel="%")
        if len(one.losses) > 1:
            above.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1)
    return figure


def _groups(shown: Sequence[Groups]) -> Figure:
    most = max(len(one.groups) * (len(one.bars) + 1) for one in shown)
    figure, places = _sheet(shown, 1, (min(max(0.16 * most, 5.5), 14), 2.9))
    for one, (axes,) in zip(shown, places, strict=True):
        width = 0.84 / len(one.bars)
        for index, row in enumerate(one.bars):
            at = [group + (index - (len(one.bars) - 1) / 2) * width for group in range(len(one.groups))]
            there = [(x, cell) for x, cell in zip(at, row.values, strict=True) if cell]
            axes.bar(
                [x for x, _ in there],
                [100 * cell.mean for _, cell in there],
                width,
                yerr=[_half(cell) for _, cell in there] if any(cell.half for _, cell in there) else None,
                error_kw={"elinewidth": 0.8},
                color=COLOURS[index % len(COLOURS)],
                hatch=HATCHES[index % len(HATCHES)],
                edgecolor="white",
                linewidth=0,
                label=row.name,
            )
            top = min(100 * row.values[row.worst].mean + _half(row.values[row.worst]), 100)
            axes.plot(
                at[row.worst],
                top + 4,
                "v",
                color="black",
                markersize=5,
                label=f"worst {one.grouping}" if row is one.bars[-1] else None,
                clip_on=False,
            )
        axes.set_xticks(range(len(one.groups)), [f"({name})" if name in one.ignored else name for name in one.groups])
        axes.tick_params(axis="x", length=0, rotation=0 if len(one.groups) < 9 else 45)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="accuracy in %", ylim=(0, 108), yticks=range(0, 101, 20), title=f"{one.split} by {one.grouping}")
        _beside(axes)
    return figure


def _distortion(shown: Sequence[Distortion]) -> Figure:
    most = max(len(one.changes) for one in shown)
    figure, places = _sheet(shown, 1, (6.6, 1.7 + 0.7 * most), rows=2)
    for one, place in zip(shown, places, strict=True):
        for axes, measure in zip(place, MEASURES, strict=True):
            for index, group in enumerate(("ID", "OOD")):
                cells = [
                    (row, change.measures[measure][group]) for row, change in enumerate(one.changes) if group in change.measures[measure]
                ]
                axes.errorbar(
                    [cell.mean for _, cell in cells],
                    [row + (index - 0.5) * 0.3 for row, _ in cells],
                    xerr=[cell.half or 0 for _, cell in cells],
                    linestyle="none",
                    markersize=6,
                    elinewidth=1,
                    capsize=2,
                    label=group,
                    **_look(index),
                )
            axes.set_yticks(range(len(one.changes)), [change.name for change in one.changes])
            axes.set(xlabel=MEASURES[measure], ylim=(len(one.changes) - 0.5, -0.5))
            axes.set_xlim(left=0)
            axes.grid(visible=False, axis="y")
        _beside(place[0])
    return figure


PANELS: dict[type, Callable[[Sequence], Figure]] = {
    Robustness: _robustness,
    Curves: _curves,
    Training: _training,
    Groups: _groups,
    Distortion: _distortion,
}
