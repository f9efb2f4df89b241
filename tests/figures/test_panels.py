"""What panels draw: looks that can be told apart."""

from __future__ import annotations

from repro.figures.panels import COLOURS, MARKERS, _look

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def test_rows_differ_in_colour_and_marker():
    assert set(COLOURS) <= OKABE_ITO
    looks = [tuple(_look(index).values()) for index in range(len(COLOURS) * len(MARKERS))]
    assert len(set(looks)) == len(looks) == 63
    assert len({marker for _, marker in looks[: len(COLOURS)]}) == len(COLOURS), "in grey print too"
