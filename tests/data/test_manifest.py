"""The manifests that ship: all parse, agree with one another, and a typo in one is told by file, line and field."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro import paths
from repro.data import manifest
from repro.data.counts import histogram_hash
from repro.data.manifest import Manifest
from repro.errors import UserError

NAMES = manifest.names()

GOOD = """\
# a comment
name = "toy"
kind = "dataset"
title = "Toy"
caption = "a toy"

[[files]]
name = "a.tar"
mirrors = [
  { url = "https://one.example/a.tar" },
  { url = "https://two.example/a.tar", identical = false },
]
bytes = 12
md5 = "00000000000000000000000000000000"
unpack = "tar"

[files.members]
"a/b.bin" = "11111111111111111111111111111111"

[[files]]
name = "b.csv"
bytes = 3

[[counts]]
split = "train"
n = 2
confidence = "verified"
rule = { kind = "lines", path = "b.csv" }
"""


def parse(text: str) -> Manifest:
    return manifest.parse(text, Path("toy.toml"))


def refusal(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse(text)
    return caught.value


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def line_number(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_there_are_35_manifests():
    kinds = [manifest.load(name).kind for name in NAMES]
    assert (len(NAMES), kinds.count("dataset"), kinds.count("checkpoint")) == (35, 25, 10)


def test_files_splits_and_mirrors_are_as_many_as_were_written():
    loaded = [manifest.load(name) for name in NAMES]
    files = [file for m in loaded for file in m.files]
    assert (len(files), sum(len(f.mirrors) for f in files), sum(len(m.counts) for m in loaded)) == (97, 129, 113)
    assert sum(len(f.members) for f in files) == 13


@pytest.mark.parametrize("name", NAMES)
def test_every_manifest_stands_on_its_own_feet(name):
    m = manifest.load(name)
    assert m.caption and m.citation and m.homepage
    assert set(m.requires) <= set(NAMES)
    assert all((paths.manifests_dir() / shipped).is_file() for shipped in m.ships)
    assert m.kind == "checkpoint" or m.files or m.requires
    assert {copy.of for copy in m.converted} <= {"", *(file.name for file in m.files)}
    assert all(file.mirrors or m.access == "manual" for file in m.files)
    assert all(file.source and file.confidence for file in m.files)


@pytest.mark.parametrize("name", NAMES)
def test_label_histograms_are_hashed_right(name):
    m = manifest.load(name)
    for count in m.counts:
        if count.label_histogram:
            assert count.label_histogram == histogram_hash(count.histogram or [count.per_class] * m.classes)


def test_no_password_and_no_home_is_told():
    text = "\n".join(path.read_text() for path in sorted(paths.manifests_dir().glob("*.toml")))
    assert not re.search(r"password\w*\s*(=|:|is)\s*\S", text, re.IGNORECASE)
    assert "/home/" not in text


def test_breeds_lists_have_the_right_shape():
    lists = json.loads((paths.manifests_dir() / "breeds_splits.json").read_text())
    for name, superclasses, each in (("living17", 17, 2), ("entity30", 30, 4)):
        groups = lists[name]
        assert [group["label"] for group in groups] == list(range(superclasses))
        numbers = [number for group in groups for side in ("source", "target") for number in group[side]]
        assert len(numbers) == len(set(numbers)) == superclasses * 2 * each
        sides = [(group[side], group[f"{side}_wnids"]) for group in groups for side in ("source", "target")]
        pairs = [pair for numbers_of_side, wnids in sides for pair in zip(numbers_of_side, wnids, strict=True)]
        assert [wnid for _, wnid in sorted(pairs)] == sorted(wnid for _, wnid in pairs)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError) as caught:
        manifest.load("cifar-10.1")
    assert "cifar10.1" in caught.value.why
    with pytest.raises(UserError):
        manifest.load("../data_manifests/cifar10")


def test_unknown_file_suggests_the_nearest():
    with pytest.raises(UserError) as caught:
        manifest.load("clip").file("ViT-B16.pt")
    assert caught.value.what


TYPOS = {
    "unknown key at the top": ('caption = "a toy"', 'captoin = "a toy"', "captoin", "'caption'"),
    "unknown key in a file": ("bytes = 12", "byts = 12", "files.0.byts", "'bytes'"),
    "unknown key in a mirror": ("identical = false", "identicl = false", "files.0.mirrors.1.identicl", "'identical'"),
    "unknown key in a rule": ('kind = "lines"', 'knd = "lines"', "counts.0.rule.knd", "'kind'"),
    "wrong type": ("bytes = 3", 'bytes = "three"', "files.1.bytes", "integer"),
    "a number for a text": ('title = "Toy"', "title = 7", "title", "string"),
    "a size of nothing": ("bytes = 12", "bytes = 0", "files.0.bytes", "greater"),
    "a truth for a size": ("bytes = 12", "bytes = true", "files.0.bytes", "integer"),
    "short hash": ('md5 = "00', 'md5 = "0', "files.0.md5", "31"),
    "upper-case hash": ('md5 = "00', 'md5 = "AA', "files.0.md5", "lower-case"),
    "short hash of a member": ('"a/b.bin" = "11', '"a/b.bin" = "1', "files.0.members.a/b.bin", "31"),
    "no such unpack rule": ('unpack = "tar"', 'unpack = "rar"', "files.0.unpack", "'tar'"),
    "no such confidence": ('confidence = "verified"', 'confidence = "sure"', "counts.0.confidence", "'verified'"),
    "ftp": ("https://two.example", "ftp://two.example", "files.0.mirrors.1.url", "http"),
    "file address": ("https://one.example/a.tar", "file:///etc/passwd", "files.0.mirrors.0.url", "http"),
    "address with a blank": ("one.example/a.tar", "one.example/a b.tar", "files.0.mirrors.0.url", "blank"),
    "address without host": ("https://one.example/a.tar", "https:///a.tar", "files.0.mirrors.0.url", "host"),
    "absolute name": ('name = "b.csv"', 'name = "/b.csv"', "files.1.name", "absolute"),
    "parent name": ('name = "b.csv"', 'name = "x/../../b.csv"', "files.1.name", "'..'"),
    "backslash": ('name = "b.csv"', r'name = "x\\b.csv"', "files.1.name", "backslash"),
    "drive letter": ('name = "b.csv"', 'name = "C:b.csv"', "files.1.name", "absolute"),
    "empty name": ('name = "b.csv"', 'name = ""', "files.1.name", "empty"),
    "control character": ('name = "b.csv"', r'name = "b\u0000.csv"', "files.1.name", "control"),
    "line end in a name": ('name = "b.csv"', r'name = "b\n.csv"', "files.1.name", "control"),
    "double slash": ('name = "b.csv"', 'name = "x//b.csv"', "files.1.name", "empty"),
    "escaping destination": ('unpack = "tar"', 'unpack = "tar"\nunpack_to = "../up"', "files.0.unpack_to", "'..'"),
    "escaping rule": ('path = "b.csv"', 'path = "../b.csv"', "counts.0.rule.path", "'..'"),
    "name with a slash": ('name = "toy"', 'name = "to/y"', "name", "pattern"),
}


@pytest.mark.parametrize("case", TYPOS)
def test_typo_gives_file_line_and_field(case):
    old, new, field, hint = TYPOS[case]
    text = changed(old, new)
    error = refusal(text)
    line = line_number(text, new.splitlines()[-1])
    assert error.what == f"toy.toml, line {line}: {field} is wrong"
    assert hint in error.why
    assert error.cure == f"edit line {line} of toy.toml"


def test_missing_field_points_at_its_table():
    text = changed('split = "train"\n', "")
    error = refusal(text)
    assert error.what == f"toy.toml, line {line_number(text, '[[counts]]')}: counts.0.split is wrong"
    assert "missing" in error.why


def test_faults_between_fields_point_at_their_table():
    text = changed("bytes = 12", "bytes = 12\nbytes_approx = 13")
    assert refusal(text).lines()[:2] == (
        f"toy.toml, line {line_number(text, '[[files]]')}: files.0 is wrong",
        "give bytes or bytes_approx, not both",
    )
    assert "the file 'a.tar' is named twice" in refusal(changed('name = "b.csv"', 'name = "a.tar"')).why
    assert "steps" in refusal(changed('kind = "dataset"', 'kind = "dataset"\naccess = "manual"')).why
    assert "does not read key" in refusal(changed('path = "b.csv"', 'path = "b.csv", key = "x"')).why
    assert "adds up to 3" in refusal(changed("n = 2", "n = 2\nhistogram = [1, 2]")).why
    assert "not the hash" in refusal(changed("n = 2", f'n = 2\nhistogram = [1, 1]\nlabel_histogram = "{"0" * 64}"')).why
    assert "need an unpack rule" in refusal(changed('unpack = "tar"\n', "")).why


def test_broken_toml_gives_the_line():
    error = refusal(changed("bytes = 12", "bytes = = 12"))
    assert error.what == f"toy.toml, line {line_number(GOOD, 'bytes = 12')}: not valid TOML"


def test_unreadable_file_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    for name in ("latin.toml", "absent.toml"):
        with pytest.raises(UserError) as caught:
            manifest.read(tmp_path / name)
        assert name in caught.value.what


def test_name_must_be_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "manifests_dir", lambda: tmp_path)
    (tmp_path / "other.toml").write_text(GOOD)
    with pytest.raises(UserError) as caught:
        manifest.load("other")
    assert "'toy'" in caught.value.why


def test_digest_is_pinned():
    assert manifest.digest(parse(GOOD)) == "8059b77aac27018a22581e04273a0632623828a9acde9f8d160a9f966c8f185f"


def test_digest_ignores_comments_order_mirrors_and_prose():
    first, second = GOOD.split("[[files]]\n")[1:3]
    counts = second[second.index("[[counts]]") :]
    second = second.removesuffix(counts)
    head = 'caption = "another"\ntitle = "Toy"\nkind = "dataset"\nname = "toy"\n'
    shuffled = f"{head}{counts}[[files]]\n{second}[[files]]\n{first.replace('one.example', 'three.example')}# end\n"
    assert manifest.digest(parse(shuffled)) == manifest.digest(parse(GOOD))


@pytest.mark.parametrize("change", [("bytes = 12", "bytes = 13"), ("n = 2", "n = 3"), ('name = "b.csv"', 'name = "c.csv"'), ("11", "12")])
def test_digest_follows_the_content(change):
    assert manifest.digest(parse(changed(*change))) != manifest.digest(parse(GOOD))


def test_digests_differ():
    assert len({manifest.digest(manifest.load(name)) for name in NAMES}) == len(NAMES) == 35


def test_records_are_frozen():
    with pytest.raises(ValueError):
        parse(GOOD).files[0].name = "x"


TEXTS = [GOOD, *((paths.manifests_dir() / f"{name}.toml").read_text() for name in ("cifar10", "fmow", "rendered-sst2"))]
PIECES = ["", "[[", "]]", "{", "=", '"', "\n", "..", "1" * 5000, "[" * 2000]


@st.composite
def mutated(draw):
    """The text of a manifest with a few cuts, copies, and insertions."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        piece = draw(st.one_of(st.text(max_size=8), st.sampled_from([*PIECES, text[start:end] * 2])))
        text = text[:start] + piece + text[end:]
    return text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_text_is_a_manifest_or_a_user_error(text):
    try:
        assert isinstance(parse(text), Manifest)
    except UserError as error:
        assert all(error.lines())
        line = re.search(r", line (\d+):", error.what)
        assert line is None or 1 <= int(line.group(1)) <= len(text.splitlines()) + 1
