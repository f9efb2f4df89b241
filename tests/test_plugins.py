"""Plug-ins are files: names by folder scan, captions from the source text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import repro
from repro import plugins
from repro.errors import UserError
from repro.types import Method

PACKAGE = Path(repro.__file__).parent
BENCHMARKS = {"digits", "folder"}
METHODS = {"clip-pretrain", "ft", "lp", "lp-ft", "scratch", "zero-shot"}


@pytest.fixture
def scanned(tmp_path, monkeypatch):
    """A package folder of its own, with nothing in it yet."""
    monkeypatch.setattr(plugins, "_PACKAGE", tmp_path)
    for cached in (plugins.names, plugins._source):
        cached.cache_clear()
    (tmp_path / "benchmarks").mkdir()
    yield tmp_path / "benchmarks"
    for cached in (plugins.names, plugins._source):
        cached.cache_clear()


@pytest.mark.parametrize(("folder", "known"), [("benchmarks", BENCHMARKS), ("methods", METHODS)])
def test_the_scan_finds_every_file(folder, known):
    found = plugins.names(folder)
    files = [path for path in (PACKAGE / folder).iterdir() if path.suffix == ".py" and path.name != "__init__.py"]
    assert len(found) == len(files) >= len(known)
    assert known <= set(found)


def test_a_name_is_the_files_with_hyphens_or_what_it_says(scanned):
    (scanned / "two_words.py").write_text('"""Two words."""')
    (scanned / "cifar10_1.py").write_text('"""A dot."""\nNAME = "cifar10.1"')
    (scanned / "_hidden.py").write_text("")
    (scanned / "__init__.py").write_text("")
    (scanned / "notes.txt").write_text("")
    assert plugins.names("benchmarks") == {"two-words": "two_words", "cifar10.1": "cifar10_1"}


def test_a_caption_is_read_without_importing(scanned):
    (scanned / "loud.py").write_text('"""\nFirst line.\n\nMore.\n"""\nraise RuntimeError("imported")')
    (scanned / "mute.py").write_text('raise RuntimeError("imported")')
    assert plugins.caption("benchmarks", "loud") == "First line"
    assert plugins.caption("benchmarks", "mute") == ""


def test_captions_of_all_that_ships_are_read_without_importing_any():
    script = """
import sys
from repro import plugins
captions = [plugins.caption(folder, name) for folder in ("benchmarks", "methods") for name in plugins.names(folder)]
assert len(captions) >= 8 and all(captions), captions
print([name for name in sys.modules if name.startswith(("repro.benchmarks", "repro.methods", "torch"))])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout == "[]\n"


def test_every_caption_fits_a_line():
    for folder, least in (("benchmarks", 2), ("methods", 6)):
        captions = {name: plugins.caption(folder, name) for name in plugins.names(folder)}
        assert len(captions) >= least
        assert [name for name, caption in captions.items() if not 10 <= len(caption) <= 120] == []


def test_every_method_declares_itself_under_its_files_name():
    names = plugins.names("methods")
    assert len(names) >= len(METHODS)
    for name in names:
        record = plugins.declared(name)
        assert isinstance(record, Method)
        assert record.name == name
        assert record.caption == plugins.caption("methods", name)
        assert set(record.defaults) <= record.fields
        assert {parent.method for parent in record.parents.values()} <= set(names)


def test_every_benchmark_describes_and_hands_over_examples():
    names = plugins.names("benchmarks")
    assert len(names) >= len(BENCHMARKS)
    for name in names:
        module = plugins.benchmark(name)
        assert callable(module.describe) and callable(module.examples)


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(UserError, match="there is no benchmark 'digit'") as caught:
        plugins.benchmark("digit")
    assert caught.value.why == "did you mean 'digits'?"
    with pytest.raises(UserError, match="there is no method 'lpft'") as caught:
        plugins.method("lpft")
    assert caught.value.why == "did you mean 'lp-ft'?"
