"""L2-regularised logistic regression over a grid of C, each solved to convergence and warm-started from the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from repro.errors import UserError
from repro.settings import Recipe


class Probe(NamedTuple):
    """A linear head for features as they come: weight (K, D), bias (K,); which C won, and the accuracy of every C on the selection set."""

    weight: torch.Tensor
    bias: torch.Tensor
    c: float
    grid: tuple[float, ...]
    accuracies: tuple[float, ...]


def objective(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor, c: float) -> torch.Tensor:
    """scikit-learn's: C · Σ cross-entropy + ½‖W‖², the intercept free. Two classes have one row: the logit of class 1."""
    logits = x @ weight.T + bias
    if weight.shape[0] == 1:
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], y.to(logits.dtype), reduction="sum")
    else:
        loss = F.cross_entropy(logits, y, reduction="sum")
    return c * loss + 0.5 * weight.square().sum()


def solve(
    x: torch.Tensor, y: torch.Tensor, classes: int, c: float, start: torch.Tensor | None = None, tolerance: float = 1e-4
) -> torch.Tensor:
    """Minimise `objective` by a truncated Newton method; x (N, D) float64, y (N,) in 0…classes−1. Returns (rows, D+1), the bias last.

    The objective is divided by C·N, so `tolerance` bounds the largest entry of a mean loss's gradient, as scikit-learn's `tol` does.
    Each step solves H·d = −g by conjugate gradients to a residual of min(½, √‖g‖)·‖g‖ (Nocedal and Wright, algorithm 7.1), then
    halves d until the objective falls enough; the problem is convex, so this converges from anywhere.
    """
    rows = 1 if classes == 2 else classes
    ones = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    penalty = torch.full((x.shape[1] + 1,), 1 / (c * len(y)), dtype=x.dtype, device=x.device)
    penalty[-1] = 0
    target = y[:, None].to(x.dtype) if rows == 1 else F.one_hot(y, classes).to(x.dtype)
    theta = torch.zeros(rows, x.shape[1] + 1, dtype=x.dtype, device=x.device) if start is None else start.clone()

    def value(theta: torch.Tensor) -> torch.Tensor:
        return objective(theta[:, :-1], theta[:, -1], x, y, c) / (c * len(y))

    loss = value(theta)
    for _ in range(200):
        logits = ones @ theta.T
        p = logits.sigmoid() if rows == 1 else logits.softmax(dim=1)
        gradient = (p - target).T @ ones / len(y) + penalty * theta
        if gradient.abs().max() <= tolerance:
            break

        def curvature(v: torch.Tensor, p: torch.Tensor = p) -> torch.Tensor:
            moved = p * (ones @ v.T)
            moved = moved * (1 - p) if rows == 1 else moved - p * moved.sum(dim=1, keepdim=True)
            return moved.T @ ones / len(y) + penalty * v

        step = _conjugate_gradients(curvature, -gradient)
        slope = (gradient * step).sum()
        length = 1.0
        while (new := value(theta + length * step)) > loss + 1e-4 * length * slope and length > 1e-10:
            length /= 2
        if length <= 1e-10:  # no representable progress is left
            break
        theta, loss = theta + length * step, new
    return theta


def _conjugate_gradients(curvature: Callable[[torch.Tensor], torch.Tensor], b: torch.Tensor) -> torch.Tensor:
    """An approximate solution of H·d = b for positive semi-definite H given as a function."""
    size = b.norm()
    tolerance = min(0.5, size.sqrt().item()) * size
    solution, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    square = residual.square().sum()
    for _ in range(250):
        image = curvature(direction)
        bend = (direction * image).sum()
        if bend <= 0:  # flat to rounding: shifting all classes' biases together changes nothing
            break
        rate = square / bend
        solution, residual = solution + rate * direction, residual - rate * image
        fresh = residual.square().sum()
        if fresh.sqrt() <= tolerance:
            break
        direction, square = residual + fresh / square * direction, fresh
    return solution


def _sklearn(x: np.ndarray, y: np.ndarray, grid: np.ndarray, recipe: Recipe, seed: int) -> list[torch.Tensor]:
    """The authors' way (log_reg_sk.py:26-85): lbfgs, max_iter 200, warm start over ascending C."""
    import warnings

    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=recipe.lp_max_iter, warm_start=True, random_state=seed)
    found = []
    for c in grid:
        model.C = c
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stopping before convergence is the point
            model.fit(x, y)
        found.append(torch.from_numpy(np.hstack([model.coef_, model.intercept_[:, None]])))
    return found


def _two_rows(theta: torch.Tensor) -> torch.Tensor:
    """The binary solution w as two softmax rows −w/2, +w/2: the same probabilities."""
    return torch.cat([-theta / 2, theta / 2]) if len(theta) == 1 else theta


def fit(
    train: tuple[torch.Tensor, torch.Tensor],
    val: tuple[torch.Tensor, torch.Tensor],
    classes: int,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Probe:
    """Choose C by accuracy on `val`; a later C must be strictly better. Features (N, D), labels (N,).

    With `lp_standardise` "scalar", one mean and one deviation of all entries of the training features (LP-FT's log_reg_sk.py:26-47), undone in the result.
    """
    features, labels = train
    if not (features.isfinite().all() and val[0].isfinite().all()):
        raise FloatingPointError("the features that the linear probe is fitted to are not finite")
    features = features.double()
    mean, deviation = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    if recipe.lp_standardise == "scalar":
        mean, deviation = features.mean()[None], features.std(correction=0)[None]
    elif recipe.lp_standardise == "feature":
        mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0).clamp(min=1e-12)
    mean, deviation = mean.to(features.device), deviation.to(features.device)
    x, x_val = (features - mean) / deviation, (val[0].double() - mean) / deviation
    present, y = torch.unique(labels, return_inverse=True)
    if len(present) < 2:
        raise UserError(
            "a linear probe needs at least two classes", f"the training split has {len(present)}", "check the labels of the training split"
        )
    grid = np.logspace(np.log10(recipe.lp_c_min), np.log10(recipe.lp_c_max), recipe.lp_c_count)
    candidates = _sklearn(x.cpu().numpy(), y.cpu().numpy(), grid, recipe, seed) if recipe.lp_solver == "sklearn" else None
    best: tuple[float, float, torch.Tensor] | None = None
    accuracies = []
    theta = None
    for step, c in enumerate(grid):
        theta = candidates[step].to(x) if candidates else solve(x, y, len(present), float(c), theta)
        rows = _two_rows(theta)
        predicted = present[(x_val @ rows[:, :-1].T + rows[:, -1]).argmax(dim=1)]
        accuracies.append((predicted == val[1]).double().mean().item())
        if best is None or accuracies[-1] > best[0]:
            best = (accuracies[-1], float(c), rows)
        on_step(step + 1, len(grid))
    rows = best[2]
    weight = torch.zeros(classes, x.shape[1], dtype=torch.float64, device=x.device)
    bias = torch.full((classes,), recipe.lp_absent_bias, dtype=torch.float64, device=x.device)
    weight[present] = rows[:, :-1] / deviation
    bias[present] = rows[:, -1] - (rows[:, :-1] * (mean / deviation)).sum(dim=1)
    return Probe(weight.float(), bias.float(), best[1], tuple(grid.tolist()), tuple(accuracies))
