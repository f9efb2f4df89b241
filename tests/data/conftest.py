"""A folder for archives."""

from __future__ import annotations

import pytest


@pytest.fixture
def nest(tmp_path):
    """A folder for archive and output, with a neighbour that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"
