"""Metrics in numpy, from stored logits."""

from __future__ import annotations

import numpy as np


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose largest logit (N, K) is the label (N,); ties go to the lower class, as argmax has it."""
    return float((logits.argmax(axis=1) == labels).mean())


BY_NAME = {"accuracy": accuracy}
