"""Figures as files: the sheet with its title, panels and caption, in SVG, PDF or PNG. matplotlib is imported when something is drawn.

Files are the same, byte for byte, whenever the numbers and matplotlib are the same: no dates, no random names.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError, unknown
from repro.figures.panels import PANELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
STYLE = {
    "font.family": "sans-serif",  # where an SVG is looked at without the font below
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so it is there whenever something is drawn
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
    "pdf.fonttype": 42,  # TrueType outlines inside the file
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
        panel = PANELS[type(shown[0])]
        size = panel.size(shown)
        figure, places = _sheet(shown, min(panel.columns, len(shown)), size, panel.rows)
        for one, place in zip(shown, places, strict=True):
            panel.draw(one, place)
            if len({other.title for other in shown}) > 1:
                place[0].set_title("\n".join([_wrapped(one.title, size[0] * 6), place[0].get_title()]).strip())
        try:
            figure.savefig(out, format=form, metadata=METADATA[form])
        except OSError as error:
            raise UserError(f"cannot write {out}", error.strerror or str(error), "name another file: --out FILE") from None


def _sheet(shown: Sequence, columns: int, size: tuple[float, float], rows: int) -> tuple[Figure, list[list[Axes]]]:
    """A white sheet with title, TINY where it is, caption below; for each of `shown` a list of `rows` axes, one above the other.

    `size` is one panel's, in inches.
    """
    from matplotlib.figure import Figure

    lines = -(-len(shown) // columns)
    width = max(size[0] * columns, 5.5)
    caption = _wrapped(caption_of(shown), width * 19)
    figure = Figure(figsize=(width, size[1] * lines + 0.16 * caption.count("\n") + 0.7), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, wspace=0.03)
    titles = list(dict.fromkeys(one.title for one in shown))
    heading = [_wrapped(titles[0], width * 10)] if len(titles) == 1 else []
    if shown[0].tiny:
        heading.insert(0, "TINY – comparable with nothing")
    figure.suptitle("\n".join(heading))
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7, linespacing=1.35)
    grid = figure.subplots(lines * rows, columns, squeeze=False)
    places = [[grid[line * rows + row][column] for row in range(rows)] for line in range(lines) for column in range(columns)]
    for axes in (axes for place in places[len(shown) :] for axes in place):
        axes.remove()
    return figure, places[: len(shown)]


def caption_of(shown: Sequence) -> str:
    """What all panels say once, then what only some say behind their titles."""
    shared = [sentence for sentence in shown[0].caption if all(sentence in one.caption for one in shown)]
    own = {one.title: [sentence for sentence in one.caption if sentence not in shared] for one in shown}
    return " ".join([*shared, *(f"{title}: {' '.join(sentences)}" for title, sentences in own.items() if sentences)])


def _wrapped(text: str, letters: float) -> str:
    return "\n".join(textwrap.wrap(text, int(letters)))
