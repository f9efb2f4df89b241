"""What a watched plan prints: a line for each run that ends, and how far predictions were off. Every time is fabricated."""

from __future__ import annotations

import fabricated
import pytest

from repro.cli.watching import Watcher
from repro.outcomes.predicted import FIELD, LIKE, Prediction


def result(run, seconds: float, predicted: float | None):
    extras = {} if predicted is None else {FIELD: Prediction(predicted, None, LIKE).as_json()}
    return fabricated.result(run, seconds={"total": seconds}, extras=extras)


def watched(capsys, *ended: tuple[float, float | None], quiet: bool = False) -> list[str]:
    with Watcher(len(ended), quiet=quiet) as watcher:
        for seed, (seconds, predicted) in enumerate(ended):
            run = fabricated.run("lp-ft", seed)
            watcher.started(run)
            watcher.finished(run, result(run, seconds, predicted))
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_what_had_been_predicted_stands_in_brackets_and_the_median_error_at_the_end(capsys):
    lines = watched(capsys, (10.0, None), (10.0, 12.0), (100.0, 70.0), (10.0, 8.9))
    told = [line.partition("id_test")[0].rstrip().partition(" s ")[2] for line in lines[:-1]]
    assert told == ["", "(12 s)", "(70 s)", "(9 s)"]
    assert len({line.index("id_test") for line in lines[:-1]}) == 1, "in columns"
    assert lines[-1] == "predicted times, in brackets, were off by 20 % (median of 3 runs)"


@pytest.mark.parametrize("ended", [(), ((10.0, None),)])
def test_without_predictions_there_is_nothing_to_say_of_them(capsys, ended):
    assert not any("predicted" in line for line in watched(capsys, *ended))


def test_of_one_run_and_quietly(capsys):
    assert watched(capsys, (10.0, 11.0))[-1] == "predicted times, in brackets, were off by 10 % (1 run)"
    assert watched(capsys, (10.0, 11.0), quiet=True) == []


def test_of_several_checkpoints_the_line_names_the_one_that_it_tells(capsys):
    run = fabricated.run("ft")
    points = [fabricated.checkpoint(name=f"epoch-{number}") for number in (1, 2)]
    with Watcher(1, quiet=False) as watcher:
        watcher.started(run)
        watcher.finished(run, fabricated.result(run, points))
    assert " epoch-2: id_test " in capsys.readouterr().err
    assert "epoch-" not in "".join(watched(capsys, (10.0, None)))
