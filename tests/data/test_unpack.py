"""Archives: the whole of a good one, nothing of an evil or a broken one, and nothing at all outside the folder."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile

import pytest
from archives import FOLDERS, PER_FOLDER, add, read_tree, tree, write_gz, write_tar, write_zip

from repro.data.unpack import check_unpacked, standing, unpack
from repro.errors import UserError

FILES = tree()
WRITERS = {
    "gnu.tar": lambda path: write_tar(path, FILES),
    "ustar.tar": lambda path: write_tar(path, FILES, layout=tarfile.USTAR_FORMAT),
    "pax.tar": lambda path: write_tar(path, FILES, layout=tarfile.PAX_FORMAT),
    "x.tar.gz": lambda path: write_tar(path, FILES, "w:gz"),
    "plain-in-disguise.tar.gz": lambda path: write_tar(path, FILES),
    "x.tar.xz": lambda path: write_tar(path, FILES, "w:xz"),
    "x.zip": lambda path: write_zip(path, FILES),
}


def kind_of(name: str) -> str:
    return "zip" if name.endswith(".zip") else "tar"


@pytest.fixture
def nest(tmp_path):
    """A folder for archive and output, with a neighbour that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def seen(folder) -> dict[str, bytes]:
    return {name: content for name, content in read_tree(folder).items() if not name.endswith(".lock")}


def refused(archive, into, kind="tar", **limits) -> UserError:
    """The error for `archive`, after a look that nothing of it was kept anywhere."""
    before = seen(archive.parent.parent)
    with pytest.raises(UserError) as caught:
        unpack(archive, into, kind, dataset="demo", **limits)
    assert seen(archive.parent.parent) == before
    assert not any(path.name.startswith(".") or path.is_symlink() for path in archive.parent.parent.rglob("*"))
    assert standing(archive, into) is None
    return caught.value


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


EVIL = {
    "absolute": [("/tmp/evil", b"x", tarfile.REGTYPE, "")],
    "absolute in a windows way": [("C:\\evil", b"x", tarfile.REGTYPE, "")],
    "parent": [("../outside/evil", b"x", tarfile.REGTYPE, "")],
    "parent within": [("a/../../outside/evil", b"x", tarfile.REGTYPE, "")],
    "parent with backslashes": [("..\\outside\\evil", b"x", tarfile.REGTYPE, "")],
    "symlink out": [("link", b"", tarfile.SYMTYPE, "../../outside")],
    "absolute symlink": [("link", b"", tarfile.SYMTYPE, "/etc")],
    "through a symlink": [("link", b"", tarfile.SYMTYPE, "../../outside"), ("link/secret", b"x", tarfile.REGTYPE, "")],
    "over a symlink": [("link", b"", tarfile.SYMTYPE, "../../outside/secret"), ("link/", b"", tarfile.DIRTYPE, "")],
    "chain of symlinks": [
        ("top/f", b"x", tarfile.REGTYPE, ""),
        ("p/q/r/d", b"", tarfile.SYMTYPE, "../../../top"),
        ("l", b"", tarfile.SYMTYPE, "p/q/r/d/../../.."),
    ],
    "hard link out": [("hard", b"", tarfile.LNKTYPE, "../../outside/secret")],
    "absolute hard link": [("hard", b"", tarfile.LNKTYPE, "/etc/passwd")],
    "hard link to a symlink": [("s", b"", tarfile.SYMTYPE, "/etc/passwd"), ("hard", b"", tarfile.LNKTYPE, "s")],
    "device": [("null", b"", tarfile.CHRTYPE, "")],
    "block device": [("sda", b"", tarfile.BLKTYPE, "")],
    "pipe": [("pipe", b"", tarfile.FIFOTYPE, "")],
    "receipt": [("other.tar.complete.json", b"{}", tarfile.REGTYPE, "")],
    "receipt of a stage": [("other.tar.unpacking.json", b"{}", tarfile.REGTYPE, "")],
    "receipt in capitals": [("other.tar.Complete.JSON", b"{}", tarfile.REGTYPE, "")],
    "file and folder": [("a", b"x", tarfile.REGTYPE, ""), ("b/c", b"", tarfile.REGTYPE, ""), ("b", b"x", tarfile.REGTYPE, "")],
}


REASONS = {
    "absolute": "absolute path",
    "absolute in a windows way": "absolute path",
    "parent": "leads out",
    "parent within": "leads out",
    "parent with backslashes": "leads out",
    "symlink out": "outside the folder",
    "absolute symlink": "outside the folder",
    "through a symlink": "both a link and a folder",
    "over a symlink": "both a link and a folder",
    "chain of symlinks": "outside the folder",
    "hard link out": "leads out",
    "absolute hard link": "absolute path",
    "hard link to a symlink": "no file of the archive",
    "device": "device",
    "block device": "device",
    "pipe": "pipe",
    "receipt": "receipts",
    "receipt of a stage": "receipts",
    "receipt in capitals": "receipts",
    "file and folder": "both a folder and a file",
}


@pytest.mark.parametrize("case", EVIL)
def test_evil_tar_is_refused(nest, case):
    with tarfile.open(nest / "evil.tar", "w") as tar:
        add(tar, "good", b"good")
        for name, content, kind, target in EVIL[case]:
            add(tar, name, content, kind, target)
    assert REASONS[case] in refused(nest / "evil.tar", nest / "out").why


@pytest.mark.parametrize("name", ["/tmp/evil", "../outside/evil", "..\\outside\\evil", "a/../../outside/evil", "C:\\evil"])
def test_evil_zip_is_refused(nest, name):
    refused(write_zip(nest / "evil.zip", {"good": b"good", name: b"x"}), nest / "out", "zip")


def test_symlink_in_a_zip_is_refused_when_it_leads_out(nest):
    for target, harmless in (("../../outside", False), ("good", True)):
        with zipfile.ZipFile(nest / "link.zip", "w") as bundle:
            bundle.writestr("good", b"good")
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            bundle.writestr(info, target)
        if harmless:
            unpack(nest / "link.zip", nest / "out", "zip")
            assert os.readlink(nest / "out/link") == "good"
        else:
            refused(nest / "link.zip", nest / "out", "zip")


def test_links_within_are_kept(nest):
    with tarfile.open(nest / "x.tar", "w") as tar:
        add(tar, "set/soft", b"", tarfile.SYMTYPE, "../data/1")
        add(tar, "data/1", b"one")
        add(tar, "hard", b"", tarfile.LNKTYPE, "data/1")
    assert unpack(nest / "x.tar", nest / "out", "tar").files == 3
    assert read_tree(nest / "out") == {"set/soft": b"one", "data/1": b"one", "hard": b"one"}


def test_later_member_of_the_same_name_wins(nest):
    with tarfile.open(nest / "x.tar", "w") as tar:
        for content in (b"first", b"second and longer"):
            add(tar, "a/same", content)
            add(tar, "a/Same", content)
    done = unpack(nest / "x.tar", nest / "out", "tar")
    assert (nest / "out/a/same").read_bytes() == b"second and longer"
    assert (done.files, done.bytes) == (2, 2 * len(b"second and longer"))


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


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_would_fill_the_memory_is_refused(nest, kind):
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 2 << 20
    with gzip.open(nest / "bomb.tar.gz", "wb") as stream:
        stream.write(header.tobuf() + bytes((2 << 20) + 1024))
    assert "a header of 2,097,152 bytes" in refused(nest / "bomb.tar.gz", nest / "out").why


def test_default_limit_follows_the_archive(nest, monkeypatch):
    monkeypatch.setattr("repro.data.unpack.FLOOR", 1 << 20)
    archive = write_gz(nest / "bomb.gz", bytes(8 << 20))
    assert archive.stat().st_size * 100 < 8 << 20
    refused(archive, nest / "out", "gz")


@pytest.mark.parametrize("name", WRITERS)
def test_cut_archive_is_refused_wherever_it_is_cut(nest, name):
    whole = WRITERS[name](nest / "whole").read_bytes()
    (nest / "whole").unlink()
    for tenth in range(10):
        (nest / name).write_bytes(whole[: len(whole) * tenth // 10])
        refused(nest / name, nest / "out", kind_of(name))


def test_cut_between_two_members_is_refused(nest):
    """Where tar itself and the library see a whole archive."""
    archive = write_tar(nest / "x.tar", {"a": b"1" * 512, "b": b"2" * 512})
    archive.write_bytes(archive.read_bytes()[:1024])
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["a"]
    assert "cut short" in refused(archive, nest / "out").why


def test_damage_is_refused(nest):
    archive = write_tar(nest / "x.tar.gz", {"a": os.urandom(5000)}, "w:gz")
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1  # gzip's checksum, which the library never reads
    archive.write_bytes(content)
    refused(archive, nest / "out")
    archive = write_tar(nest / "y.tar", {"a": b"1" * 512, "b": b"2" * 512, "c": b""})
    content = bytearray(archive.read_bytes())
    content[1024 + 5] ^= 1  # the header of b
    archive.write_bytes(content)
    refused(archive, nest / "out")
    archive = write_zip(nest / "x.zip", {"a": os.urandom(5000)})
    content = bytearray(archive.read_bytes())
    content[2000] ^= 1
    archive.write_bytes(content)
    refused(archive, nest / "out", "zip")
    (nest / "page.gz").write_bytes(gzip.compress(b"1") + b"trailing rubbish")
    refused(nest / "page.gz", nest / "out", "gz")
