"""One file to fetch, and what must be true of it afterwards."""

from __future__ import annotations

import hashlib
import random
import socket

import pytest

from repro.data.fetch import fetch_file
from repro.data.line import Patience
from repro.data.manifest import File, Mirror
from repro.data.receipt import check_file, read_receipt
from repro.errors import UserError

CONTENT = random.Random(3).randbytes(1_000_003)
OTHER = random.Random(4).randbytes(1_000_003)
HASTY = Patience(connect=2, read=0.3, tries=3, backoff=0.01, longest_wait=2)
UNKNOWN = {"bytes": None, "sha256": None, "md5": None}


def waits(monkeypatch) -> list[float]:
    """What transfers from now on wait between two tries, in seconds, instead of waiting."""
    asked: list[float] = []
    monkeypatch.setattr("repro.data.line.Line.sleep", lambda self, seconds: asked.extend([seconds] if seconds else []))
    return asked


def dead_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/x.bin"


def named(*urls: str, identical: bool = True, **facts) -> File:
    facts = {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "md5": hashlib.md5(CONTENT).hexdigest()} | facts
    return File(name="sub/x.bin", mirrors=tuple(Mirror(url=url, identical=identical) for url in urls), **facts)


def get(file: File, root, **options):
    return fetch_file(file, root, dataset="demo", patience=HASTY, **options)


def assert_whole(file: File, root, content: bytes = CONTENT) -> None:
    path = root / file.name
    assert path.read_bytes() == content
    receipt = read_receipt(path)
    assert (receipt.bytes, receipt.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert check_file(file, root, full=True).ok
    assert sorted(entry.name for entry in path.parent.iterdir()) in (
        ["x.bin", "x.bin.complete.json"],
        ["x.bin", "x.bin.complete.json", "x.bin.lock"],
    )


def failure(file: File, root, **options) -> UserError:
    with pytest.raises(UserError) as caught:
        get(file, root, **options)
    assert all(line and "\n" not in line for line in caught.value.lines())
    assert not (root / file.name).exists() and read_receipt(root / file.name) is None
    return caught.value
