"""When a run's state is saved."""

from __future__ import annotations

import time

import pytest

from repro.nn.training import progress


def test_what_takes_long_to_save_is_saved_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    saving = progress.Saving()
    for after, due in ((59, False), (61, True)):
        now[0] = 100.0 + after
        assert saving.due is due
    with saving.noted():
        now[0] += 30
    ended = now[0]
    for after, due in ((61, False), (599, False), (601, True)):
        now[0] = ended + after
        assert saving.due is due, "thirty seconds are a twentieth of ten minutes"
