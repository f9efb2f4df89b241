"""Small problems for linear probes, and scikit-learn's answer to them."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression


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
