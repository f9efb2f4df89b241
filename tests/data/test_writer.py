"""Evil archives leave nothing, and nothing at all outside the folder; links within it are kept."""

from __future__ import annotations

import os
import tarfile
import zipfile

import pytest
from archives import add, read_tree, write_zip
from unpacking import refused

from repro.data.unpack import unpack

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
