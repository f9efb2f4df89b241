"""Archives that are cut, damaged or made to exhaust their reader."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest
from archives import write_tar, write_zip
from unpacking import WRITERS, kind_of, refused


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_would_fill_the_memory_is_refused(nest, kind):
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 2 << 20
    with gzip.open(nest / "bomb.tar.gz", "wb") as stream:
        stream.write(header.tobuf() + bytes((2 << 20) + 1024))
    assert "a header of 2,097,152 bytes" in refused(nest / "bomb.tar.gz", nest / "out").why


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
