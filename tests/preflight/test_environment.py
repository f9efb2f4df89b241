"""What a result says of the checkout that made it."""

from __future__ import annotations

import subprocess

import pytest

from repro.preflight import environment


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, from which the program seems to run."""
    for name in ("repro/preflight/environment.py", "tables/lp-ft/1.toml", "tables/digits.toml", "data_manifests/x.toml", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed")
    identity = ("-c", "user.name=x", "-c", "user.email=x@y")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "x")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "repro/preflight/environment.py"))
    return tmp_path


def dirty() -> bool:
    return environment.commit.__wrapped__()["dirty"]


@pytest.mark.parametrize("name", ["repro/preflight/environment.py", "repro/methods/own.py", "tables/lp-ft/1.toml", "data_manifests/x.toml"])
def test_what_numbers_follow_from_makes_a_checkout_dirty(checkout, name):
    assert not dirty()
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("changed")
    assert dirty()


@pytest.mark.parametrize("name", ["report.html", "README.md", "tables/lp-ft/1.md", "figure.svg"])
def test_what_the_program_writes_and_says_of_itself_does_not(checkout, name):
    (checkout / name).write_text("new")
    assert not dirty()
