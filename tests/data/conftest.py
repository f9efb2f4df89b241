"""A misbehaving server that no proxy stands before, and a folder for archives."""

from __future__ import annotations

import pytest
from misbehaving_server import serving


@pytest.fixture
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(no_proxy):
    with serving() as running:
        yield running


@pytest.fixture
def nest(tmp_path):
    """A folder for archive and output, with a neighbour that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"
