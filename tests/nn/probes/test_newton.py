"""The solver of the linear probe against scikit-learn run to convergence."""

import numpy as np
import pytest
import torch
from probe_data import blobs, converged

from repro.nn.probes.newton import Regression, objective


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("c", [1e-6, 1e-3, 1.0, 100.0])
def test_solve_finds_scikit_learns_minimum(classes: int, c: float) -> None:
    x, y = blobs(classes)
    x = (x - x.mean()) / x.std(correction=0)
    theta = Regression(x, y, classes).solve(c, gap=1e-14)
    theirs = converged(x.numpy(), y.numpy(), c)
    coefficients, intercepts = torch.from_numpy(theirs.coef_), torch.from_numpy(theirs.intercept_)
    assert theta.shape == (len(coefficients), x.shape[1] + 1)
    value = objective(theta[:, :-1], theta[:, -1], x, y, c)
    assert value <= objective(coefficients, intercepts, x, y, c) * (1 + 1e-7)
    scale = coefficients.abs().max()
    assert torch.allclose(theta[:, :-1], coefficients, atol=float(1e-3 * scale))
    centred = theta[:, -1] - theta[:, -1].mean() * (len(theta) > 1)  # softmax ignores a shift of all biases
    assert torch.allclose(centred, intercepts - intercepts.mean() * (len(theta) > 1), atol=2e-3)


def test_the_default_gap_is_one_in_a_million_of_the_objective() -> None:
    x, y = blobs(5)
    x = (x - x.mean()) / x.std(correction=0)
    for c in (1e-3, 1.0):
        loose, tight = (Regression(x, y, 5).solve(c, gap=gap) for gap in (1e-6, 1e-14))
        values = [float(objective(theta[:, :-1], theta[:, -1], x, y, c)) for theta in (loose, tight)]
        assert values[0] == pytest.approx(values[1], rel=1e-6)
        labels = [(x @ theta[:, :-1].T + theta[:, -1]).argmax(dim=1) for theta in (loose, tight)]
        assert (labels[0] == labels[1]).double().mean() > 0.99


def test_a_warm_start_changes_the_way_and_not_the_end() -> None:
    x, y = blobs(4)
    x = (x - x.mean()) / x.std(correction=0)
    cold = Regression(x, y, 4).solve(0.1, gap=1e-15)
    warm = Regression(x, y, 4).solve(0.1, start=Regression(x, y, 4).solve(10.0), gap=1e-15)
    assert torch.allclose(cold[:, :-1], warm[:, :-1], atol=1e-6)


def test_more_features_than_examples_and_scales_far_apart() -> None:
    """Separable, with standard deviations over six orders of magnitude: the objective is scikit-learn's, converged, at any C."""
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.normal(size=(60, 150)) * np.logspace(-4, 2, 150))
    y = torch.arange(60) % 4
    regression = Regression(x, y, 4)
    for c in (1e-5, 1e-2, 10.0):
        theta, theirs = regression.solve(c), converged(x.numpy(), y.numpy(), c)
        value = objective(theta[:, :-1], theta[:, -1], x, y, c)
        assert value <= objective(torch.from_numpy(theirs.coef_), torch.from_numpy(theirs.intercept_), x, y, c) * (1 + 1e-5)


def test_a_path_over_the_papers_grid_is_at_each_c_within_the_gap() -> None:
    x, y = blobs(5, count=60, dim=40)
    x = (x - x.mean()) / x.std(correction=0)
    regression, grid = Regression(x, y, 5), np.logspace(-7, 2, 50)
    for c, theta in zip(grid, regression.path(grid), strict=True):
        best = regression.solve(float(c), gap=1e-13)
        values = [float(objective(one[:, :-1], one[:, -1], x, y, float(c))) for one in (theta, best)]
        assert values[0] == pytest.approx(values[1], rel=2e-6), c
