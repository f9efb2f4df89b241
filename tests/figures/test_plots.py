"""Figures as files: each kind in each format, the same bytes each time, text that stays text."""

from __future__ import annotations

import sys

import pytest

from repro.errors import UserError
from repro.figures import plots
from repro.figures.measures import MEASURES, Bars, Change, Distortion, Groups, Series, Training
from repro.figures.robustness import Curve, Curves, Point, Robustness, fit
from repro.outcomes.stats import Estimate

pytest.importorskip("matplotlib", reason="figures are an extra")
CAPTION = (
    "A caption made up for a test, long enough to be wrapped into more than one line below the panels of the figure that it is for.",
)
CLOUD = ((0.5, 0.3), (0.7, 0.5), (0.9, 0.6), (1.0, 0.8))
CELL, ALONE = Estimate(0.8, 0.3, 3), Estimate(0.6, None, 1)


def robustness(tiny: bool = False, title: str = "made-up") -> Robustness:
    points = (Point("ft", CELL, ALONE, 0.1), Point("lp (lr=1)", ALONE, CELL, -0.1), Point("perfect", Estimate(1.0, None, 1), CELL, None))
    return Robustness(title, tiny, ("ID", "OOD"), points, CLOUD, fit(CLOUD), CAPTION)


def training(title: str = "made-up") -> Training:
    line = Series("loss", (1, 2, 3), (2.0, 1.0, 0.5))
    return Training(title, "ft seed 0", False, (line, line._replace(name="penalty")), (line._replace(name="OOD: sketch"),), "%", 2, CAPTION)


FIGURES = {
    "robustness": [robustness()],
    "no line": [robustness()._replace(line=None, cloud=())],
    "wise-ft": [
        Curves("made-up", False, ("ID", "OOD"), (Curve("wise-ft", (0.0, 0.5, 1.0), (CELL,) * 3, (CELL, ALONE, CELL), (0.5,)),) * 2, CAPTION)
    ],
    "training": [training(), training("other"), training(), training()],
    "groups": [
        Groups(
            "made-up", False, "sketch", "region", ("a", "b"), ("b",), (Bars("ft", (CELL, None), 0), Bars("lp", (ALONE, CELL), 1)), CAPTION
        )
    ],
    "distortion": [Distortion("made-up", True, (Change("ft", {measure: {"ID": CELL, "OOD": ALONE} for measure in MEASURES}),), CAPTION)],
}
BEGINS = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}


@pytest.mark.parametrize("form", plots.FORMATS)
@pytest.mark.parametrize("kind", FIGURES)
def test_each_kind_is_drawn_in_each_format_the_same_each_time(kind, form, tmp_path):
    for name in ("first", "second"):
        plots.draw(FIGURES[kind], tmp_path / f"{name}.{form}")
    first, second = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("first", "second"))
    assert first == second
    assert first.startswith(BEGINS[form])
    if form == "pdf":
        assert b"/FontFile2" in first, "the font is inside"


def test_text_stays_text_and_a_tiny_figure_says_so(tmp_path):
    plots.draw([robustness(tiny=True)], tmp_path / "tiny.svg")
    plots.draw([robustness()], tmp_path / "whole.svg")
    tiny, whole = ((tmp_path / f"{name}.svg").read_text() for name in ("tiny", "whole"))
    assert "TINY" in tiny and "TINY" not in whole
    for text in ("made-up", "ft  (+10.0)", "lp (lr=1)  (−10.0)", "A caption made up"):
        assert text in tiny, text
    assert "<dc:date>" not in whole


def test_panels_of_different_tables_keep_their_titles(tmp_path):
    plots.draw([robustness(title="first table"), robustness(title="second table")], tmp_path / "two.svg")
    text = (tmp_path / "two.svg").read_text()
    assert "first table" in text and "second table" in text


def test_a_wrong_suffix_names_those_that_there_are(tmp_path):
    with pytest.raises(UserError) as error:
        plots.form_of(tmp_path / "figure.gif")
    assert "svg" in error.value.cure and "pdf" in error.value.cure


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        plots.draw([robustness()], tmp_path / "absent" / "figure.svg")


def test_without_matplotlib_the_cure_is_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError) as error:
        plots.require()
    assert error.value.cure == "pip install 'repro[plot]'"
