"""What a worker's log says of a run that ended."""

from __future__ import annotations

import fabricated

from repro.launch.worker import Teller
from repro.outcomes.predicted import FIELD, LIKE, Prediction


def test_the_time_and_what_had_been_predicted(capsys):
    run = fabricated.run("scratch")
    for extras in ({}, {FIELD: Prediction(12.34, None, LIKE).as_json()}):
        Teller(None).finished(run, fabricated.result(run, extras=extras))
    lines = [line.partition(run.key)[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [" finished after 10.0 s", " finished after 10.0 s, 12.3 s had been predicted"]
