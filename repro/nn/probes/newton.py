"""Multinomial logistic regression with an L2 penalty, minimised by a truncated Newton method in the basis where the features are uncorrelated.

The objective is scikit-learn's: C · Σ cross-entropy + ½‖W‖², the intercept free. A rotation of the features changes neither term; in the
basis of their second moments' eigenvectors (one matrix product and one eigendecomposition for all C) the Hessian is nearly diagonal, and
conjugate gradients preconditioned by that diagonal need tens of products where plain ones need hundreds. Gradients and objectives are
float64; products with the Hessian, of which only a direction is asked, are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F

STEPS, PRODUCTS = 200, 500  # at most, per value of C and per step


def objective(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor, c: float) -> torch.Tensor:
    """scikit-learn's: C · Σ cross-entropy + ½‖W‖². Two classes have one row: the logit of class 1."""
    return c * _cross_entropy(x @ weight.T + bias, y, "sum") + 0.5 * weight.square().sum()


def _cross_entropy(logits: torch.Tensor, y: torch.Tensor, reduction: str) -> torch.Tensor:
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits[:, 0], y.to(logits.dtype), reduction=reduction)
    return F.cross_entropy(logits, y, reduction=reduction)


class Regression:
    """The problem of features (N, D) float64 and labels (N,) in 0…classes−1, for any number of values of C."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, classes: int):
        self.rows = 1 if classes == 2 else classes
        self.y = y
        self.target = y[:, None].to(x.dtype) if self.rows == 1 else F.one_hot(y, classes).to(x.dtype)
        moments = (x.float().T @ x.float()).double() / len(x)
        self.spread, self.basis = torch.linalg.eigh(moments)
        self.x = x @ self.basis
        self.x32 = self.x.float()

    def solve(self, c: float, start: torch.Tensor | None = None, gap: float = 1e-6) -> torch.Tensor:
        """(rows, D+1) of the features as they were given, the bias last; `start` is such a solution of another C.

        Stops where the Newton decrement says that the objective is within a share of `gap` of its minimum. Each step solves H·d = −g as far
        as pays, then halves d until the objective falls enough; the problem is convex, so this converges from anywhere.
        """
        count, width = self.x.shape
        penalty = 1 / (c * count)  # the objective is divided by C·N
        theta = self.x.new_zeros(self.rows, width + 1)
        if start is not None:
            theta = torch.cat([start[:, :-1] @ self.basis, start[:, -1:]], dim=1)
        logits = self._logits(theta)
        value = self._value(logits, theta, penalty)
        for _ in range(STEPS):
            p = logits.sigmoid() if self.rows == 1 else logits.softmax(dim=1)
            slope_of_loss = (p - self.target) / count
            gradient = torch.cat([slope_of_loss.T @ self.x + penalty * theta[:, :-1], slope_of_loss.sum(dim=0)[:, None]], dim=1)
            bend = (p * (1 - p)).mean(dim=0)[:, None]
            diagonal = torch.cat([bend * self.spread + penalty, bend], dim=1).clamp(min=1e-12)
            step = _conjugate_gradients(self._curvature(p.float(), penalty), -gradient, diagonal, gap * value)
            slope = (gradient * step).sum()
            along, length = self._logits(step), 1.0
            while (new := self._value(logits + length * along, theta + length * step, penalty)) > value + 1e-4 * length * slope:
                length /= 2
                if length <= 1e-10:  # no representable progress is left
                    return self._back(theta)
            theta, logits, value = theta + length * step, logits + length * along, new
            if -slope / 2 <= gap * value:
                break
        return self._back(theta)

    def path(self, grid: Iterable[float]) -> Iterator[torch.Tensor]:
        """The solution at each C, which starts from the line through the two before it: on a grid even in log C that is nearly there."""
        last = before = None
        for c in grid:
            start = last if before is None else 2 * last - before
            before, last = last, self.solve(float(c), start)
            yield last

    def _logits(self, theta: torch.Tensor) -> torch.Tensor:
        return self.x @ theta[:, :-1].T + theta[:, -1]

    def _value(self, logits: torch.Tensor, theta: torch.Tensor, penalty: float) -> torch.Tensor:
        return _cross_entropy(logits, self.y, "mean") + 0.5 * penalty * theta[:, :-1].square().sum()

    def _curvature(self, p: torch.Tensor, penalty: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """v → H·v at probabilities `p` (N, rows)."""

        def product(v: torch.Tensor) -> torch.Tensor:
            narrow = v.float()
            moved = p * (self.x32 @ narrow[:, :-1].T + narrow[:, -1])
            moved = moved * (1 - p) if self.rows == 1 else moved - p * moved.sum(dim=1, keepdim=True)
            moved /= len(p)
            return torch.cat([(moved.T @ self.x32).double() + penalty * v[:, :-1], moved.sum(dim=0).double()[:, None]], dim=1)

        return product

    def _back(self, theta: torch.Tensor) -> torch.Tensor:
        return torch.cat([theta[:, :-1] @ self.basis.T, theta[:, -1:]], dim=1)


def _conjugate_gradients(
    product: Callable[[torch.Tensor], torch.Tensor], b: torch.Tensor, diagonal: torch.Tensor, enough: torch.Tensor
) -> torch.Tensor:
    """An approximate solution of H·d = b for positive semi-definite H given as a function, preconditioned by `diagonal`.

    Stops where another product would lower the quadratic model by little of what all before it did (Nash and Sofer 1990: k·q_k/Σq < ½),
    or by little of `enough`.
    """
    solution, residual = torch.zeros_like(b), b.clone()
    scaled = residual / diagonal
    direction, square = scaled.clone(), (residual * scaled).sum()
    gained = torch.zeros_like(square)
    for number in range(1, PRODUCTS + 1):
        image = product(direction)
        bend = (direction * image).sum()
        if bend <= 0:  # flat to rounding: shifting all classes' biases together changes nothing
            break
        rate = square / bend
        solution, residual = solution + rate * direction, residual - rate * image
        gain = rate * square / 2
        gained += gain
        if number * gain < 0.5 * gained or number * gain < 0.1 * enough:
            break
        scaled = residual / diagonal
        fresh = (residual * scaled).sum()
        direction, square = scaled + fresh / square * direction, fresh
    return solution
