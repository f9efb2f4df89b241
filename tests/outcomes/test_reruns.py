"""What came of repetitions, on file; the scratch folder."""

from __future__ import annotations

import os

import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import reruns
from repro.outcomes.claims import STALE_SECONDS
from repro.outcomes.difference import compare
from repro.outcomes.finished import Finished
from repro.outcomes.store import Store


@pytest.fixture
def original(home_store):
    result = fabricated.finish(home_store, fabricated.run("ft"))
    return Finished(result, home_store.folder(result.run))


def test_what_is_recorded_is_read_again(original):
    assert reruns.recorded(original.folder) == ()
    made = [
        reruns.record(original.folder, {"threads": 1}, seconds=2.0, difference=compare(original, original)),
        reruns.record(original.folder, {"threads": 2}, error="Diverged: made up"),
    ]
    with open(original.folder / reruns.FILE, "a") as file:
        file.write('{"date": "cut sho')
    assert reruns.recorded(original.folder) == tuple(made)
    assert made[0].sentence.startswith("both are the same run") and made[1].sentence == "the repetition broke: Diverged: made up"
    assert original.store.read_result(original.folder) == original.result


def test_the_scratch_folder_is_beside_the_store_and_gone_afterwards(original):
    beside = original.store.root.parent
    before = set(beside.iterdir())
    with pytest.raises(KeyboardInterrupt), reruns.scratch(original) as folder:
        assert folder.parent == beside and original.result.key in folder.name
        (folder / "x").touch()
        raise KeyboardInterrupt
    assert set(beside.iterdir()) == before


def test_only_what_a_dead_repetition_left_is_removed(original):
    run, beside = original.result.run, original.store.root.parent
    names = ("dead", "young", "working")
    dead, young, working = (beside / f".rerun-{run.key}-{name}" for name in names)
    for folder in (dead, young, working):
        folder.mkdir()
    Store(working).claim(run)
    for folder in (dead, working):
        os.utime(folder, (0, os.stat(folder).st_mtime - STALE_SECONDS - 60))
    with reruns.scratch(original):
        assert [folder.exists() for folder in (dead, young, working)] == [False, True, True]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in a folder without that permission")
def test_a_store_that_cannot_be_written_is_said(original):
    original.folder.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be repeated"), reruns.scratch(original):
            pass
    finally:
        original.folder.chmod(0o700)
