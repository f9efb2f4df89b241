"""How far a run is, what it has found so far, and when that is saved."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from repro.types import Checkpoint

SAVE_SECONDS, SAVE_SHARE = 60.0, 0.05  # between two savings, and at most that share of the time


@dataclass
class Progress:
    """Where a run stands; all of it is in the checkpoint."""

    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    fit_seconds: float = 0.0
    data_seconds: float = 0.0  # of those, waiting for batches
    judge_seconds: float = 0.0
    images: int = 0
    checkpoints: list[Checkpoint] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # kept predictions and weights → sha256


class Saving:
    """Every minute; where writing the state takes long, as for a large network on a slow disk, less often."""

    def __init__(self) -> None:
        self._last, self._took = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        return time.monotonic() - self._last > max(SAVE_SECONDS, self._took / SAVE_SHARE)

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Around the writing."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self._took = self._last - began
