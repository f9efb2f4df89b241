"""No test sees the places of the one who runs it; the command line as tests call it; a disk that is soon full."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import settings

settings.register_profile("anywhere", deadline=None)  # a busy machine is no defect
settings.load_profile("anywhere")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core runs tests: threads of several would wait for each other


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items):
    """What the tests of a file share is made in one process; of the conformance suite what those of one benchmark share."""
    for item in items:
        shared = item.callspec.params.get("worked", "") if hasattr(item, "callspec") else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path}{shared}"))


def pytest_xdist_auto_num_workers():
    """One more than there are cores: tests of clusters and of kills wait more than they compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish(session):
    """A pytest that ignores the groups takes twice as long, and says nothing."""
    if session.items and getattr(session.config.option, "loadgroup", False):
        assert "@" in session.items[0].nodeid, f"pytest {pytest.__version__} and pytest-xdist do not know each other: groups are ignored"


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """Everything the program keeps goes below the test's own folder."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REPRO_CONFIG", str(tmp_path / "config.toml"))
    for place in ("DATA", "PACKS", "RUNS"):
        monkeypatch.delenv(f"REPRO_{place}", raising=False)


@pytest.fixture(autouse=True)
def own_dice():
    """The same random numbers whichever tests ran before in the process, so that a failure comes again."""
    random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture
def call(capsys, monkeypatch):
    """`call("list", "tables")` → (exit code, standard output, standard error), on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    from repro.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return stop.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def mistake(call):
    """`mistake("run", "digit")` → what, why, cure: asserts that there are exactly these lines, and exit code 2."""

    def run(*arguments: str) -> tuple[str, str, str]:
        code, out, err = call(*arguments)
        assert (code, out) == (2, ""), (code, out, err)
        found = re.fullmatch(r"error: (.+)\n  why: (.+)\n  try: (.+)\n", err)
        assert found, err
        return found.groups()

    return run


@pytest.fixture
def home_store(tmp_path):
    """The store of the test's own home."""
    from repro.outcomes.store import Store

    return Store(tmp_path / "home" / "runs")


@pytest.fixture
def no_proxy(monkeypatch):
    """No proxy stands before a local host, and no token is at hand."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(no_proxy):
    """A host on this machine that behaves as it is told."""
    from misbehaving_server import serving

    with serving() as running:
        yield running


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of 8 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if not mounted or mounted.returncode:
        pytest.skip("no small tmpfs can be mounted here: that takes mount and root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
