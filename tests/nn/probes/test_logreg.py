"""The choice of C, and the head that it gives, against scikit-learn."""

import numpy as np
import pytest
import torch
from probe_data import blobs, converged
from sklearn.linear_model import LogisticRegression

from repro.errors import UserError
from repro.nn.probes import logreg
from repro.settings import Recipe


def select_by_scikit_learn(train: tuple, val: tuple, recipe: Recipe) -> tuple[float, list[float]]:
    """The authors' choice of C over models run to convergence: strictly better replaces, so the smallest of equals stays."""
    x, x_val = train[0].numpy(), val[0].numpy()
    mean, deviation = x.mean(), x.std()
    best, accuracies = (-1.0, 0.0), []
    for c in np.logspace(np.log10(recipe.lp_c_min), np.log10(recipe.lp_c_max), recipe.lp_c_count):
        accuracies.append(converged((x - mean) / deviation, train[1].numpy(), c).score((x_val - mean) / deviation, val[1].numpy()))
        if accuracies[-1] > best[0]:
            best = (accuracies[-1], c)
    return best[1], accuracies


@pytest.mark.parametrize("classes", [2, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_c_is_selected(classes: int, seed: int) -> None:
    train, val = blobs(classes, seed=seed), blobs(classes, seed=seed + 10)
    recipe = Recipe(lp_c_count=10, lp_c_min=1e-5, lp_c_max=10)
    probe = logreg.fit(train, val, classes, recipe, 0)
    c, accuracies = select_by_scikit_learn(train, val, recipe)
    assert probe.c == pytest.approx(c)
    assert probe.accuracies == pytest.approx(accuracies, abs=2.01 / len(val[1]))  # examples on a boundary, at tolerance 1e-4


@pytest.mark.parametrize("standardise", ["scalar", "feature", "none"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_head_is_for_features_as_they_come(standardise: str, classes: int) -> None:
    """Standardisation is undone: the head's probabilities on raw features are scikit-learn's on standardised ones."""
    (x, y), val = blobs(classes), blobs(classes, seed=3)
    recipe = Recipe(lp_c_count=1, lp_c_min=0.3, lp_c_max=0.3, lp_standardise=standardise)
    probe = logreg.fit((x, y), val, classes, recipe, 0)
    axis = {"scalar": None, "feature": 0}.get(standardise, ())
    mean, deviation = (x.numpy().mean(axis), x.numpy().std(axis)) if standardise != "none" else (0, 1)
    theirs = converged((x.numpy() - mean) / deviation, y.numpy(), 0.3).predict_proba((val[0].numpy() - mean) / deviation)
    ours = (val[0].float() @ probe.weight.T + probe.bias).softmax(dim=1)
    assert np.abs(ours.numpy() - theirs).max() < 1e-2  # the default tolerance
    assert (ours.argmax(dim=1).numpy() == theirs.argmax(axis=1)).mean() > 0.99


def test_of_equal_accuracies_the_smallest_c_wins() -> None:
    train, val = blobs(3, spread=20.0), blobs(3, seed=1, spread=20.0)
    probe = logreg.fit(train, val, 3, Recipe(lp_c_count=4, lp_c_min=1e-1, lp_c_max=1e2), 0)
    assert set(probe.accuracies) == {1.0}
    assert probe.c == pytest.approx(0.1) and probe.grid[0] == probe.c


def test_the_grid_is_the_papers() -> None:
    train = blobs(2, count=20, dim=2)
    probe = logreg.fit(train, train, 2, Recipe(), 0)
    assert probe.grid == pytest.approx(np.logspace(-7, 2, 50)) and len(probe.accuracies) == 50


def test_a_class_without_training_examples_is_never_predicted() -> None:
    x, y = blobs(4)
    present = y != 2
    probe = logreg.fit((x[present], y[present]), (x, y), 4, Recipe(lp_c_count=3, lp_c_min=1e-2), 0)
    assert probe.weight.shape == (4, x.shape[1])
    assert (probe.weight[2] == 0).all() and probe.bias[2] == -1000
    logits = x.float() @ probe.weight.T + probe.bias
    assert not (logits.argmax(dim=1) == 2).any()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [2, 5])
def test_the_scikit_learn_solver_is_the_authors_loop(classes: int) -> None:
    """log_reg_sk.py: one warm-started LogisticRegression over ascending C, stopped at max_iter."""
    train, val = blobs(classes), blobs(classes, seed=4)
    recipe = Recipe(lp_solver="sklearn", lp_c_count=8, lp_c_min=1e-4, lp_max_iter=20)
    probe = logreg.fit(train, val, classes, recipe, 7)
    x, y = train[0].numpy(), train[1].numpy()
    mean, deviation = x.mean(), x.std()
    model = LogisticRegression(max_iter=20, warm_start=True, random_state=7)
    best = (-1.0, None, None)
    for c in np.logspace(-4, 2, 8):
        model.C = c
        model.fit((x - mean) / deviation, y)
        score = model.score((val[0].numpy() - mean) / deviation, val[1].numpy())
        if score > best[0]:
            best = (score, c, (model.coef_ / deviation, model.intercept_ - model.coef_.sum(axis=1) * mean / deviation))
    assert probe.c == pytest.approx(best[1])
    weight, bias = probe.weight.double().numpy(), probe.bias.double().numpy()
    if classes == 2:
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    assert np.abs(weight - best[2][0]).max() < 1e-4 * np.abs(best[2][0]).max()
    assert np.abs(bias - best[2][1]).max() < 1e-3


def test_one_class_is_no_classification() -> None:
    x, y = blobs(2)
    with pytest.raises(UserError, match="at least two classes"):
        logreg.fit((x, torch.zeros_like(y)), (x, y), 2, Recipe(), 0)


def test_features_that_are_not_finite_are_refused() -> None:
    (x, y), val = blobs(2), blobs(2, seed=4)
    x[3, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        logreg.fit((x, y), val, 2, Recipe(), 0)
