"""A result as it is read: whole, or named with what is wrong and what cures it."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import fabricated
import pytest

from repro.outcomes.store import Store
from repro.outcomes.stored import MOST, Damaged, left_out, read
from repro.types import SCHEMA


@pytest.fixture
def path(tmp_path) -> Path:
    """Of a finished run, in a folder that a shell must be given in quotes."""
    store = Store(tmp_path / "my runs")
    fabricated.finish(store, fabricated.run("ft", 3, of=fabricated.benchmark(tiny=True)))
    return store.folder(fabricated.run("ft", 3, of=fabricated.benchmark(tiny=True))) / "result.json"


def refused(path: Path) -> Damaged:
    with pytest.raises(Damaged) as caught:
        read(path.parent)
    assert str(path) in caught.value.what and not any("\n" in line for line in caught.value.lines())
    return caught.value


def spoiled() -> dict[str, bytes]:
    whole = fabricated.result(fabricated.run()).model_dump_json()
    content = json.loads(whole)
    return {
        "truncated": whole[: len(whole) // 2].encode(),
        "empty": b"",
        "a list": b"[]",
        "null": b"null",
        "binary": b"\x00\x01",
        "no text": b"\xff\xfe\xfd",
        "a split of another name": whole.replace('"metrics":{"id_val"', '"metrics":{"id_ral"').encode(),
        "a metric of another name": whole.replace('{"accuracy":0.5}', '{"accurecy":0.5}', 1).encode(),
        "without checkpoints": json.dumps({**content, "checkpoints": []}).encode(),
        "a flipped bit": whole.encode().replace(b'"checkpoints"', b'"chebkpoints"'),
        "nested without end": b"[" * 100_000,
        "without a field": json.dumps({key: value for key, value in content.items() if key != "checkpoints"}).encode(),
        "with an unknown field": json.dumps({**content, "colour": "red"}).encode(),
    }


@pytest.mark.parametrize("how", spoiled())
def test_a_damaged_result_is_named_with_its_cure(path, how):
    assert spoiled()[how] != fabricated.result(fabricated.run()).model_dump_json().encode()
    path.write_bytes(spoiled()[how])
    error = refused(path)
    assert error.what == f"{path} is damaged" and error.cure == f"rm -r '{path.parent}', then make it again by repro run"
    assert error.why and not error.why.startswith("'")


def test_whatever_bit_is_flipped_is_noticed(path):
    """Of every byte one: a digit of an accuracy as well as the hash itself."""
    whole = path.read_bytes()
    assert read(path.parent).checkpoints
    for place, bit in zip(range(len(whole)), itertools.cycle(range(8)), strict=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        refused(path)
    path.write_bytes(whole.replace(b"0.5", b"0.6", 1))
    assert refused(path).why == "it is not what was written: its hash is another"


def test_a_result_of_before_there_were_hashes_is_read(path):
    own = read(path.parent)
    path.write_text(own.model_dump_json(indent=1))
    assert read(path.parent) == own


def test_what_is_not_there_is_no_damage(path, tmp_path):
    assert read(path.parent).run.seed == 3
    path.unlink()
    assert read(path.parent) is None and read(tmp_path / "nowhere") is None
    (tmp_path / "file").touch()
    assert read(tmp_path / "file") is None


def test_a_result_of_another_schema_is_named_and_may_be_kept(path):
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": SCHEMA + 1}))
    error = refused(path)
    assert error.what == f"{path} has schema {SCHEMA + 1}, this program reads {SCHEMA}"
    assert error.cure.startswith(f"rm -r '{path.parent}'") and "or keep it" in error.cure


def test_what_cannot_be_read_is_not_to_be_removed_at_once(path, monkeypatch):
    for kind, cure in ((PermissionError, f"chmod -R u+rwX '{path.parent}'"), (OSError, "the same command once more")):

        def refuse(*_, kind=kind, **__):
            raise kind(5, "made up")

        monkeypatch.setattr(Path, "read_text", refuse)
        error = refused(path)
        assert (error.what, error.why) == (f"{path} cannot be read", "made up") and error.cure.startswith(cure)


def test_damage_says_of_which_run_it_is_and_comes_whole_out_of_another_process(path):
    path.write_text("{")
    error = refused(path)
    again = pickle.loads(pickle.dumps(error))
    for one in (error, again):
        assert (one.benchmark, one.tiny) == ("made-up", True)
        assert one.key == fabricated.run("ft", 3, of=fabricated.benchmark(tiny=True)).key and one.lines() == error.lines()


def test_a_few_are_named_once_each_and_the_others_counted():
    def made(number: int) -> Damaged:
        return Damaged(Path(f"/runs/digits/ft-s{number}-{number:020x}"), f"{number} is\ndamaged", "made up", "rm")

    assert left_out([]) == []
    assert left_out([made(0), made(0)]) == ["left out: 0 is damaged (made up); try: rm"]
    assert len(left_out(map(made, range(MOST)))) == MOST
    lines = left_out(map(made, range(MOST + 1000)))
    assert len(lines) == MOST + 1 and lines[-1] == "left out: 1,000 more damaged results, which repro show lists"
