"""L2-regularised logistic regression over a grid of C, the best of them on a selection set, as a head for features as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from repro.errors import UserError
from repro.nn.probes.newton import Regression
from repro.settings import Recipe


class Probe(NamedTuple):
    """A linear head for features as they come: weight (K, D), bias (K,); which C won, and the accuracy of every C on the selection set."""

    weight: torch.Tensor
    bias: torch.Tensor
    c: float
    grid: tuple[float, ...]
    accuracies: tuple[float, ...]


def _sklearn(x: torch.Tensor, y: torch.Tensor, grid: np.ndarray, recipe: Recipe, seed: int) -> Iterator[torch.Tensor]:
    """The authors' way (log_reg_sk.py:26-85): lbfgs, max_iter 200, warm start over ascending C."""
    import warnings

    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=recipe.lp_max_iter, warm_start=True, random_state=seed)
    features, labels = x.cpu().numpy(), y.cpu().numpy()
    for c in grid:
        model.C = c
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stopping before convergence is the point
            model.fit(features, labels)
        yield torch.from_numpy(np.hstack([model.coef_, model.intercept_[:, None]])).to(x)


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
    by_authors = recipe.lp_solver == "sklearn"
    candidates = _sklearn(x, y, grid, recipe, seed) if by_authors else Regression(x, y, len(present)).path(grid)
    best: tuple[float, float, torch.Tensor] | None = None
    accuracies = []
    for step, (c, theta) in enumerate(zip(grid, candidates, strict=True)):
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
