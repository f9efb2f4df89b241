"""Kills at any instant, two processes at once, and full disks: the same command then ends well, with identical bytes."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import time

import pytest
from archives import FOLDERS, PER_FOLDER, read_tree, tree, write_tar
from children import CONTEXT, DONE, USER_ERROR, fetch, finish, start, unpack_tar
from misbehaving_server import CHUNK, Behaviour, serving

from repro.data.fetch import fetch_file
from repro.data.manifest import File, Mirror
from repro.data.receipt import check_file, read_receipt
from repro.data.unpack import standing, unpack
from repro.errors import UserError

MIB = 1 << 20
KILLS = 20


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as running:
        yield running


def served(server, content: bytes, *behaviours: Behaviour):
    route = server.add("/x.bin", content, *behaviours)
    return route, File(name="x.bin", mirrors=(Mirror(url=server.url("/x.bin")),), sha256=hashlib.sha256(content).hexdigest())


def kill_after(seconds: float, work, *arguments) -> int:
    process = start(work, *arguments, begun=CONTEXT.Event())
    time.sleep(seconds)
    process.kill()
    return finish(process)


def assert_honest(file: File, root, content: bytes) -> bool:
    """Whatever was killed: a file under its final name is whole, and a receipt has its file. Whether it is there."""
    path = root / file.name
    if path.exists():
        assert path.read_bytes() == content
    if read_receipt(path):
        assert check_file(file, root, full=True).ok
        return True
    return False


def test_fetch_killed_at_random_instants(server, tmp_path):
    content = random.Random(5).randbytes(4 * MIB)
    _, file = served(server, content, Behaviour(pause=0.002))
    instants, ends = random.Random(6), []
    for _ in range(KILLS):
        ends.append(kill_after(instants.uniform(0, 0.12), fetch, file, tmp_path))
        if assert_honest(file, tmp_path, content):
            shutil.rmtree(tmp_path)
    assert ends.count(-9) >= KILLS // 5, ends
    assert finish(start(fetch, file, tmp_path)) == DONE
    assert assert_honest(file, tmp_path, content)
    assert {path.name for path in tmp_path.iterdir()} <= {"x.bin", "x.bin.complete.json", "x.bin.lock"}


def test_fetch_killed_at_every_step_of_publishing(server, tmp_path):
    content = random.Random(7).randbytes(300_000)
    route, file = served(server, content)
    for step in range(100):
        root = tmp_path / str(step)
        if finish(start(fetch, file, root, die_at_step=step)) == DONE:
            break
        assert_honest(file, root, content)
        assert finish(start(fetch, file, root)) == DONE
        assert assert_honest(file, root, content)
        assert not list(root.glob("*.part*")) and not list(root.glob("*.verified*"))
    assert step >= 7  # sidecar, part, receipt, its rename, part's rename, folder, receipt's rename, folder
    assert route.sent <= len(content) * (step + 1) + (step * CHUNK)


def test_a_killed_fetch_re_transfers_little(server, tmp_path):
    content = random.Random(8).randbytes(48 * MIB)
    route, file = served(server, content)
    process = start(fetch, file, tmp_path, begun=CONTEXT.Event())
    part = tmp_path / "x.bin.part"
    while not (part.exists() and part.stat().st_size > 30 * MIB):
        assert process.is_alive()
        time.sleep(0.0005)
    process.kill()
    finish(process)
    arrived = part.stat().st_size
    assert 30 * MIB < arrived < len(content), "killed too late to tell"
    time.sleep(0.1)  # until the server has noticed
    route.sent = 0
    assert finish(start(fetch, file, tmp_path)) == DONE
    assert assert_honest(file, tmp_path, content)
    assert route.sent - (len(content) - arrived) < 1 * MIB


@pytest.fixture
def archive(tmp_path):
    return write_tar(tmp_path / "x.tar", tree())


def without_state(folder) -> dict[str, bytes]:
    return {name: content for name, content in read_tree(folder).items() if not name.startswith("x.tar")}


def test_unpack_killed_at_random_instants(archive, tmp_path):
    instants, ends = random.Random(9), []
    for _ in range(KILLS):
        ends.append(kill_after(instants.uniform(0, 0.04), unpack_tar, archive, tmp_path))
        if standing(archive, tmp_path):
            assert without_state(tmp_path) == tree()
            for path in tmp_path.iterdir():
                if path != archive:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert ends.count(-9) >= KILLS // 5, ends
    assert finish(start(unpack_tar, archive, tmp_path)) == DONE
    assert without_state(tmp_path) == tree() and standing(archive, tmp_path).files == FOLDERS * PER_FOLDER + 2
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_unpack_killed_at_every_step_of_publishing(archive, tmp_path):
    for step in range(100):
        into = tmp_path / "root" / str(step)
        into.mkdir(parents=True)
        os.link(archive, into / "x.tar")
        if finish(start(unpack_tar, into / "x.tar", into, die_at_step=step)) == DONE:
            break
        assert not standing(into / "x.tar", into) or without_state(into) == tree()
        assert finish(start(unpack_tar, into / "x.tar", into)) == DONE
        assert without_state(into) == tree() and not list(into.glob(".*"))
    assert step >= 6


def test_two_processes_at_once(server, archive, tmp_path):
    content = random.Random(10).randbytes(2 * MIB)
    route, file = served(server, content, Behaviour(pause=0.005))
    both = [start(fetch, file, tmp_path / "data") for _ in range(2)]
    assert [finish(process) for process in both] == [DONE, DONE]
    assert route.sent == len(content) and len(route.requests) == 1
    assert assert_honest(file, tmp_path / "data", content)
    both = [start(unpack_tar, archive, tmp_path / "out") for _ in range(2)]
    assert [finish(process) for process in both] == [DONE, DONE]
    assert read_tree(tmp_path / "out") == tree()


def test_no_file_may_grow_further(server, archive, tmp_path):
    """As a quota or a file system's limit would have it."""
    content = random.Random(11).randbytes(2 * MIB)
    route, file = served(server, content)
    assert finish(start(fetch, file, tmp_path / "data", largest=MIB)) == USER_ERROR
    assert (tmp_path / "data/x.bin.part").stat().st_size == MIB
    route.sent = 0
    assert finish(start(fetch, file, tmp_path / "data")) == DONE
    assert assert_honest(file, tmp_path / "data", content) and route.sent < 1.2 * MIB
    assert finish(start(unpack_tar, archive, tmp_path / "out", largest=1000)) == USER_ERROR
    assert read_tree(tmp_path / "out") == {}


def test_full_disk(server, archive, small_disk, monkeypatch):
    content = random.Random(12).randbytes(10 * MIB)
    route, file = served(server, content, Behaviour(chunked=True))
    known = file.model_copy(update={"bytes": len(content)})
    with pytest.raises(UserError, match="not enough room"):
        fetch_file(known, small_disk, dataset="demo")
    assert not route.requests, "the room is looked at before the host is asked"
    with pytest.raises(UserError) as caught:
        fetch_file(file, small_disk, dataset="demo")
    assert "No space" in caught.value.why and "kept" in caught.value.why and "repro data fetch demo" in caught.value.cure
    with pytest.raises(UserError, match="not enough room"):
        unpack(archive, small_disk / "out", "tar")
    with monkeypatch.context() as blind, pytest.raises(UserError) as caught:
        blind.setattr("repro.paths.SPARE", -(1 << 40))
        blind.setattr("repro.data.unpack.SPARE", -(1 << 40))
        unpack(archive, small_disk / "out", "tar")
    assert "No space" in caught.value.why and read_tree(small_disk / "out") == {}
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    route.sent = 0
    fetch_file(file, small_disk, dataset="demo")
    assert (small_disk / "x.bin").read_bytes() == content and route.sent < 4 * MIB
