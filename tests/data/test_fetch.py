"""Files fetched, several at once: checked, recorded, not fetched twice, and whole after an interrupt."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest
from fetched import CONTENT, HASTY, OTHER, UNKNOWN, assert_whole, failure, get, named
from misbehaving_server import GOOD, Behaviour

from repro.data.fetch import fetch_files
from repro.data.line import Patience
from repro.data.manifest import File, Mirror
from repro.data.receipt import check_file
from repro.data.transfer import OVERLAP
from repro.errors import UserError

pytestmark = pytest.mark.usefixtures("no_proxy")


def test_spoiled_part_restarts_once_from_the_first_byte(server, tmp_path):
    """The end agrees, so that only the hash can tell; then the same mirror is asked once more, for everything."""
    spoiled = OTHER[:300_000] + CONTENT[300_000:]
    route = server.add("/x.bin", CONTENT, Behaviour(content=spoiled, cut=700_000), GOOD)
    file = named(server.url("/x.bin"))
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert ["range" in asked for asked in route.requests] == [False, True, False]


def test_approximate_size_finds_a_stub(server, tmp_path):
    server.add("/x.bin", b"stub")
    assert "about 1,000,000" in failure(named(server.url("/x.bin"), **(UNKNOWN | {"bytes_approx": 1_000_000})), tmp_path).why


def test_first_hash_is_recorded_and_binds_ever_after(server, tmp_path):
    route = server.add("/x.bin", CONTENT)
    file = named(server.url("/x.bin"), **UNKNOWN)
    get(file, tmp_path)
    (tmp_path / file.name).write_bytes(OTHER)
    assert check_file(file, tmp_path).ok and not check_file(file, tmp_path, full=True).ok
    (tmp_path / file.name).unlink()
    route.content = OTHER
    with pytest.raises(UserError) as caught:
        get(file, tmp_path)
    assert "first complete fetch" in caught.value.why and "repro data remove demo" in caught.value.cure
    route.content = CONTENT
    get(file, tmp_path)
    assert_whole(file, tmp_path)


def test_what_is_here_is_not_fetched_again(server, tmp_path):
    route = server.add("/x.bin", CONTENT)
    file = named(server.url("/x.bin"))
    (tmp_path / "sub").mkdir()
    (tmp_path / file.name).write_bytes(CONTENT)
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    get(file, tmp_path)
    assert not route.requests
    corrected = file.model_copy(update={"sha256": "0" * 64, "md5": None})
    assert "disagrees with the manifest" in check_file(corrected, tmp_path).detail


def test_several_at_once_with_progress_and_one_failure(server, tmp_path):
    files = []
    for number in range(6):
        content = CONTENT[number * 1000 :]
        server.add(f"/{number}", content, Behaviour(status=404) if number in (2, 4) else Behaviour(cut=300_000), GOOD)
        facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files.append(File(name=f"{number}.bin", mirrors=(Mirror(url=server.url(f"/{number}")),), **facts))
    seen: dict[str, list[int]] = {}
    lock = threading.Lock()

    def note(name: str, done: int, total: int | None) -> None:
        with lock:
            seen.setdefault(name, []).append(done)

    with pytest.raises(UserError) as caught:
        fetch_files(files, tmp_path, dataset="demo", parallel=3, on_progress=note, patience=HASTY)
    assert "2 of 6" in caught.value.what, caught.value.lines()
    assert "2.bin" in caught.value.why and "4.bin" in caught.value.why
    assert [check_file(file, tmp_path).ok for file in files] == [True, True, False, True, False, True]
    assert seen["0.bin"] == sorted(seen["0.bin"]) and seen["0.bin"][-1] == files[0].bytes
    assert fetch_files(files, tmp_path, dataset="demo", patience=HASTY) == [tmp_path / file.name for file in files]


def test_interrupt_ends_the_threads_and_loses_nothing(server, tmp_path):
    slow = server.add("/x.bin", CONTENT, Behaviour(stall=500_000))
    server.add("/y.bin", CONTENT, Behaviour(stall=500_000))
    file = named(server.url("/x.bin"))

    def interrupt(name: str, done: int, total: int | None) -> None:
        if name == file.name and done == 500_000:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch_files([file, named(server.url("/y.bin")).model_copy(update={"name": "y.bin"})], tmp_path, on_progress=interrupt)
    assert time.monotonic() - began < Patience().read, "it does not wait for hosts that say nothing"
    assert (tmp_path / "sub/x.bin.part").stat().st_size == 500_000
    slow.behaviours, slow.sent = [GOOD], 0
    get(file, tmp_path)
    assert_whole(file, tmp_path)
    assert slow.sent == len(CONTENT) - 500_000 + OVERLAP
