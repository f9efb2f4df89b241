"""What the command line shows of a search: its trials, and their figure."""

from __future__ import annotations

import fabricated
import pytest

SCORES = [0.25, None, 0.5]


@pytest.fixture
def searched(home_store):
    run = fabricated.run("autoft-search", of=fabricated.of_digits())
    trials = [
        {
            "number": number,
            "settings": {"weight_dcm": 10.0**-number, "seed": 3.0, "lr": 2e-5},
            "score": score,
            "rank": score,
            "seconds": 1.5,
        }
        for number, score in enumerate(SCORES)
    ]
    space = {"low": 1e-4, "high": 10.0, "log": True, "whole": False}
    extras = {
        "search": {"split": "id_val", "metric": "accuracy", "examples": list(range(100, 140))},
        "best": {"trial": 2, "score": 0.5},
        "space": {"weight_dcm": space, "seed": {"low": 0, "high": 10, "whole": True}, "lr": {"low": 1e-7, "high": 1e-3, "log": True}},
        "trials": trials,
    }
    result = fabricated.result(run).model_copy(update={"extras": extras})
    home_store.finish(home_store.claim(run), result)
    return result


def test_show_lists_the_trials(call, searched):
    code, out, _ = call("show", searched.key)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["trials", "(accuracy,", "in", "%)"] in lines and ["score", "dcm", "seed", "lr", "seconds"] in lines
    assert ["0", "25.0", "1", "3", "2e-05", "1.5"] in lines and ["1", "diverged", "0.1", "3", "2e-05", "1.5"] in lines
    assert ["2", "50.0", "0.01", "3", "2e-05", "1.5", "←", "chosen"] in lines
    assert "examples         40: 100, 101, 102, 103, 104, … 139" in out


def test_plot_draws_it(call, searched, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("plot", "search", searched.key)
    assert code == 0 and out.splitlines()[0] == "search-digits.svg" and (tmp_path / "search-digits.svg").stat().st_size > 4000
    assert call("plot", "search", "digits")[1] == out


def test_where_nothing_was_searched_it_says_so(mistake, home_store):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    other = fabricated.run("ft", of=fabricated.of_digits())
    fabricated.finish(home_store, other, fabricated.checkpoint("final", id_test=0.5))
    assert mistake("plot", "search", "digits")[0] == "no search has been run of those"
    assert "searched nothing" in mistake("plot", "search", other.key)[0]
