"""The program installed as a wheel, run from another folder: the two folders of facts come with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import repro

TOP = Path(repro.__file__).resolve().parent.parent


def _run(*arguments: str, **options) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of the checkout, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    _run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, TOP, cwd=folder)
    (built,) = folder.glob("repro-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder that holds the wheel's content and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", target, wheel)
    return target


@pytest.fixture
def elsewhere(installed, tmp_path):
    """`elsewhere("-m", "repro", …)`: Python in an empty folder, with the installed package in place of the checkout."""

    def run(*arguments: str) -> str:
        return _run(*arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)})

    return run


def facts(top: Path) -> dict[str, bytes]:
    """Path → content of every file of the two folders."""
    found = {}
    for folder in ("tables", "data_manifests"):
        files = [path for path in (top / folder).rglob("*") if path.is_file()]
        assert len(files) >= 2, f"{top / folder} holds {len(files)} files"
        found.update({path.relative_to(top).as_posix(): path.read_bytes() for path in files})
    return found


def test_the_wheel_holds_what_the_checkout_holds(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith("repro-")}
    sources = {
        path.relative_to(TOP).as_posix() for path in (TOP / "repro").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources | {f"repro/_shipped/{name}" for name in facts(TOP)}
    assert len(sources) >= 50 and "repro/backbones.toml" in sources


def test_the_facts_are_found_inside_the_installed_package(elsewhere, installed):
    script = "from repro import paths; print(paths.tables_dir()); print(paths.manifests_dir())"
    shipped = installed / "repro" / "_shipped"
    assert elsewhere("-c", script).splitlines() == [str(shipped / "tables"), str(shipped / "data_manifests")]
    assert facts(shipped) == facts(TOP)


def test_the_installed_program_lists_the_same_as_the_checkout(elsewhere):
    assert elsewhere("-c", "import repro; print(repro.__file__)").strip().endswith("/repro/__init__.py")
    assert str(TOP) not in elsewhere("-c", "import repro; print(repro.__file__)")
    here = json.loads(_run("-m", "repro", "list", "--json", cwd=TOP))
    assert json.loads(elsewhere("-m", "repro", "list", "--json")) == here
    assert "digits" in elsewhere("-m", "repro", "list", "tables")


def test_the_installed_program_plans_by_its_own_tables(elsewhere):
    plan = json.loads(elsewhere("-m", "repro", "run", "digits", "--dry-run", "--json"))
    here = json.loads(_run("-m", "repro", "run", "digits", "--dry-run", "--json", cwd=TOP))
    assert [run["key"] for run in plan["runs"]] == [run["key"] for run in here["runs"]]
    assert any("tables/digits.toml" in origin for run in plan["runs"] for origin in run["provenance"].values())
