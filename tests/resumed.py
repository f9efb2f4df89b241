"""A training that breaks and goes on, beside one that does not."""

from pathlib import Path

import tiny_digits
import torch

from repro.paths import Places


def same_after_a_break(method: str, places: Places, folder: Path, *sets: str, stop_at: int) -> list[float]:
    """Train the first run of `method` twice, once with a break before a step; every loss and every weight is the same. The losses."""
    plan = tiny_digits.plan(method, sets=sets)
    whole, losses = tiny_digits.fit(tiny_digits.job_of(plan, method, places), folder / "whole")
    _, before = tiny_digits.fit(tiny_digits.job_of(plan, method, places), folder / "parts", stop_at=stop_at)
    second, after = tiny_digits.fit(tiny_digits.job_of(plan, method, places), folder / "parts")
    assert len(before) == stop_at and before + after == losses
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    return losses
