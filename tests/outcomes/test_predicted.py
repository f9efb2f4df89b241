"""How far a prediction was off, by hand."""

from __future__ import annotations

import fabricated
import pytest

from repro.outcomes import predicted
from repro.outcomes.predicted import DEVICE, FIELD, LIKE, RATE, Prediction


def result(told: Prediction | None, total=10.0, memory=1000, **seconds):
    extras = {FIELD: told.as_json()} if told else {}
    return fabricated.result(fabricated.run(), extras=extras, seconds={"total": total, **seconds}, peak_memory_bytes=memory)


def test_a_prediction_is_read_as_it_was_recorded():
    told = Prediction(12.5, 2000, RATE, LIKE)
    assert predicted.prediction(result(told)) == told
    assert predicted.prediction(result(None)) is None


def test_its_error_is_relative_to_what_came_and_signed():
    assert predicted.error(result(Prediction(12.5, None, LIKE))) == pytest.approx(0.25)
    assert predicted.error(result(Prediction(7.5, None, LIKE))) == pytest.approx(-0.25)
    assert predicted.error(result(Prediction(7.5, None, LIKE), total=110.0, pack=100.0)) == pytest.approx(-0.25), "packing is not of it"
    assert predicted.error(result(None)) is None and predicted.error(result(Prediction(1.0, None, LIKE), total=0.0)) is None
    assert predicted.memory_error(result(Prediction(1.0, 1100, LIKE, LIKE))) == pytest.approx(0.1)
    assert predicted.memory_error(result(Prediction(1.0, None, LIKE))) is None
    assert predicted.memory_error(result(Prediction(1.0, 1100, DEVICE, LIKE), memory=None)) is None


def test_of_several_the_median_whichever_way():
    assert predicted.typical([0.5, -0.1, None, 0.2]) == 0.2
    assert predicted.typical([None]) is None
