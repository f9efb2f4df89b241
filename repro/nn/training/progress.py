"""How far a run is, and what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from repro.types import Checkpoint


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
