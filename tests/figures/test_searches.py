"""The figure of a search: its numbers follow from the record, and it is drawn."""

from __future__ import annotations

import fabricated
import pytest

from repro.figures import plots, searches
from repro.figures.robustness import Nothing
from repro.outcomes.study import Interval

SPACE = {"weight_dcm": Interval(low=1e-4, high=10, log=True), "lr": Interval(low=1e-7, high=1e-3, log=True)}
SCORES = [0.2, None, 0.5, 0.1, 0.5]


def trial(number: int, score: float | None) -> dict:
    settings = {"weight_dcm": 10.0 ** (number - 4), "lr": 1e-5 * (number + 1)}
    return {"number": number, "settings": settings, "score": score, "rank": score, "seconds": 1.0}


def of_search(scores=SCORES, **changes):
    """A finished search whose trials had those scores."""
    run = fabricated.run("autoft-search", inner_steps=7, **changes)
    extras = {
        "search": {"split": "ood_val", "metric": "accuracy", "examples": [3, 5, 8]},
        "best": {"trial": 4},
        "space": {name: interval.model_dump() for name, interval in SPACE.items()},
        "trials": [trial(number, score) for number, score in enumerate(scores)],
    }
    return fabricated.result(run).model_copy(update={"extras": extras})


def test_the_numbers_are_those_of_the_record():
    found = searches.search(of_search())
    assert found.scores == (20, None, 50, 10, 50) and found.chosen == 4 and found.axis == "accuracy in %"
    assert found.best == (20, 20, 50, 50, 50)
    assert sum(found.shares.values()) == pytest.approx(1) and set(found.shares) == set(SPACE)
    assert found.caption[0] == "Score: accuracy of 3 examples of ood_val after 7 steps."


def test_before_the_first_score_there_is_no_best():
    assert searches.search(of_search([None, None, 0.1, 0.2])).best == (None, None, 10, 20)


def test_of_lower_is_better_the_best_is_the_lowest():
    result = of_search([0.9, 0.4, 0.6])
    result.extras["search"]["metric"] = "cross_entropy"
    result.extras["best"]["trial"] = 1
    for one in result.extras["trials"]:
        one["rank"] = -one["score"]
    assert searches.search(result).best == (0.9, 0.4, 0.4) and searches.search(result).axis == "cross-entropy"


def test_of_equal_scores_no_importance_is_told(tmp_path):
    found = searches.search(of_search([0.2] * 5))
    assert found.shares == {} and found.caption[1].startswith("No setting's importance can be told")
    pytest.importorskip("matplotlib", reason="figures are an extra")
    plots.draw([found], tmp_path / "x.svg")


def test_a_run_that_searched_nothing_has_no_figure():
    with pytest.raises(Nothing, match="searched nothing"):
        searches.search(fabricated.result(fabricated.run("ft")))


@pytest.mark.parametrize("form", plots.FORMATS)
def test_it_is_drawn_the_same_each_time(form, tmp_path):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    for name in ("first", "second"):
        plots.draw([searches.search(of_search())], tmp_path / f"{name}.{form}")
    first, second = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("first", "second"))
    assert first == second and len(first) > 4000
