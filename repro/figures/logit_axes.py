"""Axes in logits: accuracies near 100 % stay apart, and what has no logit ends at the frame."""

from __future__ import annotations

from collections.abc import Iterable

from repro.figures.robustness import logit
from repro.outcomes.stats import Estimate

TICKS = (0.1, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9)  # percent


def limits_of(shares: Iterable[float]) -> tuple[float, float]:
    """Of an axis: around all shares that have a logit, with room."""
    logits = [logit(share) for share in shares if 0 < share < 1] or [0.0]
    return min(logits) - 0.4, max(logits) + 0.4


def inside(share: float, limits: tuple[float, float]) -> float:
    """The logit of a share, or the frame where that lies beyond it."""
    return limits[0] if share <= 0 else limits[1] if share >= 1 else min(max(logit(share), limits[0]), limits[1])


def error_bar(cell: Estimate, limits: tuple[float, float]) -> list[list[float]]:
    """Its lengths, below and above."""
    at, half = inside(cell.mean, limits), cell.half or 0
    return [[at - inside(cell.mean - half, limits)], [inside(cell.mean + half, limits) - at]]


def label(axis, limits: tuple[float, float]) -> None:
    """Ticks in percent on an axis of matplotlib, as many as have room beside each other."""
    shown = [tick for tick in TICKS if limits[0] <= logit(tick / 100) <= limits[1]]
    apart = (limits[1] - limits[0]) / 14  # labels nearer than this would run into each other
    kept: list[float] = []
    for tick in sorted(shown, key=lambda tick: (tick not in (50, 80, 90, 99), TICKS.index(tick))):
        if all(abs(logit(tick / 100) - logit(other / 100)) >= apart for other in kept):
            kept.append(tick)
    axis.set_ticks([logit(tick / 100) for tick in sorted(kept)], [f"{tick:g}" for tick in sorted(kept)])
