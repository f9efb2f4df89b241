"""The linear probe's solver against scikit-learn run to convergence."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from repro.errors import UserError
from repro.nn import logreg
from repro.settings import Recipe


def blobs(classes: int, count: int = 240, dim: int = 12, seed: int = 0, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping Gaussian classes, shifted and scaled as features are."""
    rng = np.random.default_rng([seed, classes])
    centres = np.random.default_rng([99, classes]).normal(size=(classes, dim))
    labels = rng.permutation(np.arange(count) % classes)
    features = 3 + 0.7 * (centres[labels] * spread + rng.normal(size=(count, dim)) * rng.uniform(0.3, 2, dim))
    return torch.from_numpy(features), torch.from_numpy(labels)


def converged(x: np.ndarray, y: np.ndarray, c: float) -> LogisticRegression:
    """Newton steps over the full Hessian, to the last digit."""
    return LogisticRegression(C=c, solver="newton-cg", tol=1e-9, max_iter=2000).fit(x, y)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("c", [1e-6, 1e-3, 1.0, 100.0])
def test_solve_finds_scikit_learns_minimum(classes: int, c: float) -> None:
    x, y = blobs(classes)
    x = (x - x.mean()) / x.std(correction=0)
    theta = logreg.solve(x, y, classes, c, tolerance=1e-9)
    theirs = converged(x.numpy(), y.numpy(), c)
    coefficients, intercepts = torch.from_numpy(theirs.coef_), torch.from_numpy(theirs.intercept_)
    assert theta.shape == (len(coefficients), x.shape[1] + 1)
    value = logreg.objective(theta[:, :-1], theta[:, -1], x, y, c)
    assert value <= logreg.objective(coefficients, intercepts, x, y, c) * (1 + 1e-7)
    scale = coefficients.abs().max()
    assert torch.allclose(theta[:, :-1], coefficients, atol=float(1e-3 * scale))
    centred = theta[:, -1] - theta[:, -1].mean() * (len(theta) > 1)  # softmax ignores a shift of all biases
    assert torch.allclose(centred, intercepts - intercepts.mean() * (len(theta) > 1), atol=2e-3)


def test_the_default_tolerance_is_close_in_objective_and_same_in_prediction() -> None:
    x, y = blobs(5)
    x = (x - x.mean()) / x.std(correction=0)
    for c in (1e-3, 1.0):
        loose, tight = (logreg.solve(x, y, 5, c, tolerance=tolerance) for tolerance in (1e-4, 1e-10))
        values = [float(logreg.objective(theta[:, :-1], theta[:, -1], x, y, c)) for theta in (loose, tight)]
        assert values[0] == pytest.approx(values[1], rel=1e-4)
        labels = [(x @ theta[:, :-1].T + theta[:, -1]).argmax(dim=1) for theta in (loose, tight)]
        assert (labels[0] == labels[1]).double().mean() > 0.99


def test_a_warm_start_changes_the_way_and_not_the_end() -> None:
    x, y = blobs(4)
    x = (x - x.mean()) / x.std(correction=0)
    cold = logreg.solve(x, y, 4, 0.1, tolerance=1e-10)
    warm = logreg.solve(x, y, 4, 0.1, start=logreg.solve(x, y, 4, 10.0), tolerance=1e-10)
    assert torch.allclose(cold[:, :-1], warm[:, :-1], atol=1e-6)


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
