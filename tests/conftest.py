"""No test sees the places of the one who runs it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """Everything the program keeps goes below the test's own folder."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REPRO_CONFIG", str(tmp_path / "config.toml"))
    for place in ("DATA", "PACKS", "RUNS"):
        monkeypatch.delenv(f"REPRO_{place}", raising=False)
