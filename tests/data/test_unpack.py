"""Archives unpacked: the whole of a good one, none of one too large, again after it was cleared away."""

from __future__ import annotations

import os
import tarfile

import pytest
from archives import FOLDERS, PER_FOLDER, add, read_tree, write_gz, write_tar, write_zip
from unpacking import FILES, WRITERS, kind_of, refused

from repro.data.unpack import check_unpacked, standing, unpack
from repro.errors import UserError


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_is_unpacked_whole(nest, name):
    archive = WRITERS[name](nest / name)
    done = unpack(archive, nest / "out", kind_of(name), dataset="demo")
    assert read_tree(nest / "out") == FILES
    assert (done.files, done.bytes) == (FOLDERS * PER_FOLDER + 2, sum(map(len, FILES.values())))
    assert done.entries == ("labels.csv", "train", "val")
    stamp = (nest / "out/labels.csv").stat().st_mtime_ns
    assert unpack(archive, nest / "out", kind_of(name)) == done and (nest / "out/labels.csv").stat().st_mtime_ns == stamp


def test_gz_holds_one_file(nest):
    archive = write_gz(nest / "table.csv.gz", b"a,b\n" * 1000)
    assert unpack(archive, nest, "gz").files == 1
    assert (nest / "table.csv").read_bytes() == b"a,b\n" * 1000


def test_long_names_and_empty_folders(nest):
    files = {f"{'d' * 90}/{'e' * 90}/{'f' * 120}.jpg": b"1", "ü/é.txt": b"2"}
    for layout in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(nest / f"{layout}.tar", "w", format=layout) as tar:
            for name, content in files.items():
                add(tar, "./" + name, content)
            add(tar, "empty/", kind=tarfile.DIRTYPE)
        unpack(nest / f"{layout}.tar", nest / f"out{layout}", "tar")
        assert read_tree(nest / f"out{layout}") == files and (nest / f"out{layout}/empty").is_dir()


def test_archives_share_a_folder_with_each_other(nest):
    first = write_tar(nest / "first.tar", {"set/a/1": b"1", "README": b"first"})
    second = write_tar(nest / "second.tar", {"set/a/2": b"22", "set/b/3": b"333"})
    unpack(first, nest, "tar")
    unpack(second, nest, "tar")
    assert {name: (nest / name).read_bytes() for name in ("set/a/1", "set/a/2", "set/b/3", "README")} == {
        "set/a/1": b"1",
        "set/a/2": b"22",
        "set/b/3": b"333",
        "README": b"first",
    }
    assert check_unpacked(first, nest).ok and check_unpacked(second, nest).ok
    (nest / "set/b/3").unlink()
    (nest / "set/a/2").unlink()
    assert not check_unpacked(second, nest).ok


def test_what_was_cleared_away_is_unpacked_again(nest):
    archive = write_tar(nest / "x.tar", {"set/1": b"1"})
    unpack(archive, nest, "tar")
    os.rename(nest / "set", nest.parent / "gone")
    assert standing(archive, nest) is None and not check_unpacked(archive, nest).ok
    unpack(archive, nest, "tar")
    assert (nest / "set/1").read_bytes() == b"1"


def test_nothing_is_written_through_a_link_that_was_there(nest):
    (nest / "set").symlink_to(nest.parent / "outside")
    archive = write_tar(nest / "x.tar", {"set/secret": b"overwritten"})
    with pytest.raises(UserError) as caught:
        unpack(archive, nest, "tar")
    assert "in the way" in caught.value.why and (nest.parent / "outside/secret").read_bytes() == b"secret"


@pytest.mark.parametrize("kind", ["tar", "zip", "gz"])
def test_bomb_is_refused(nest, kind):
    zeros = bytes(4 << 20)
    archive = {
        "tar": lambda: write_tar(nest / "bomb.tar.gz", {"zeros": zeros}, "w:gz"),
        "zip": lambda: write_zip(nest / "bomb.zip", {"zeros": zeros}),
        "gz": lambda: write_gz(nest / "bomb.gz", zeros),
    }[kind]()
    assert "more than the 4,000,000 bytes" in refused(archive, nest / "out", kind, most_bytes=4_000_000).why
    assert "members" in refused(write_tar(nest / "many.tar", FILES), nest / "out", most_members=100).why


def test_default_limit_follows_the_archive(nest, monkeypatch):
    monkeypatch.setattr("repro.data.unpack.FLOOR", 1 << 20)
    archive = write_gz(nest / "bomb.gz", bytes(8 << 20))
    assert archive.stat().st_size * 100 < 8 << 20
    refused(archive, nest / "out", "gz")
