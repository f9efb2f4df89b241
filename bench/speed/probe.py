"""Linear probes over the papers' 50 values of C at Living-17's size: the program's solver, and scikit-learn run to convergence.

On a CPU a tenth of the rows, lest scikit-learn take most of an hour; `python -m bench.speed.probe` takes all of them there, too.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch

from bench.ratios import Ratio, as_markdown, seconds
from repro.nn.allocator import keep_freed_memory
from repro.nn.probes import newton

IMAGES, FEATURES, CLASSES = 44_200, 2_048, 17
GRID = np.logspace(-7, 2, 50)


def _features(count: int, seed: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Like a ResNet-50's: non-negative, many zeros, 64 strong directions of which the classes share some; standardised by one scalar."""
    fixed, own = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    centres, mixing = torch.randn(CLASSES, 64, generator=fixed), torch.randn(64, FEATURES, generator=fixed)
    labels = torch.arange(count) % CLASSES
    hidden = 0.4 * centres[labels] + torch.randn(count, 64, generator=own)
    x = (hidden @ mixing / 8 + 0.5 * torch.randn(count, FEATURES, generator=own) - 0.3).relu().double()
    return ((x - x.mean()) / x.std()).to(device), labels.to(device)


def measure(device: torch.device, whole: bool = False) -> Iterator[Ratio]:
    from sklearn.linear_model import LogisticRegression

    count = IMAGES if device.type == "cuda" or whole else IMAGES // 10
    x, y = _features(count, 1, device)
    x_val, y_val = _features(1_700, 2, device)
    ours: list[torch.Tensor] = []

    spent = seconds(lambda: ours.extend(newton.Regression(x, y, CLASSES).path(GRID)), device)
    plain = x.cpu().numpy(), y.cpu().numpy()
    model = LogisticRegression(max_iter=10_000, tol=1e-6, warm_start=True)
    gaps, accuracies, theirs = [], [], 0.0
    for c, theta in zip(GRID, ours, strict=True):
        model.C = c
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(*plain)
        theirs += time.perf_counter() - began
        other = torch.from_numpy(np.hstack([model.coef_, model.intercept_[:, None]])).to(device)
        values = [newton.objective(one[:, :-1], one[:, -1], x, y, float(c)).item() for one in (theta, other)]
        gaps.append(values[0] / values[1] - 1)
        accuracies.append([((x_val @ one[:, :-1].T + one[:, -1]).argmax(1) == y_val).double().mean().item() for one in (theta, other)])
    chosen = [float(GRID[int(np.argmax(column))]) for column in np.array(accuracies).T]
    target = 50 if device.type == "cuda" else 3
    passes = count * FEATURES * 8 / 1e9
    yield Ratio(
        f"linear probe, 50 values of C, {count:,} × {FEATURES:,}, {CLASSES} classes",
        "scikit-learn (lbfgs, warm start, tol 1e-6)",
        "s",
        theirs,
        spent,
        theirs / spent,
        f"≥ {target} ×",
        theirs / spent >= target and max(gaps) <= 1e-6,
        f"our objective over scikit-learn's − 1 is between {min(gaps):.1e} and {max(gaps):.1e}; chosen C {chosen[0]:.3g} and {chosen[1]:.3g}, "
        f"best accuracies {max(row[0] for row in accuracies):.4f} and {max(row[1] for row in accuracies):.4f}.",
        f"each product with the Hessian reads {passes / 2:.2g} GB of features twice; scikit-learn reads {passes:.2g} GB twice per step.",
    )


if __name__ == "__main__":
    keep_freed_memory()
    print(as_markdown(measure(torch.device("cpu"), whole=True), torch.device("cpu")))
