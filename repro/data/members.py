"""What an archive holds, member by member, from tar, zip and gz alike; bytes are checked against the archive's own sums."""

from __future__ import annotations

import gzip
import lzma
import mmap
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Kind = Literal["tar", "zip", "gz"]
BLOCK = tarfile.BLOCKSIZE
LONGEST_TARGET = 4096  # bytes of a link's target
LONGEST_EXTENSION = 1 << 20  # bytes of a header that extends the next; real ones have hundreds
EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, NotImplementedError)


class Refused(Exception):
    """Why an archive is not unpacked: it is broken, or it would do harm."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry; `data` can be read for `size` bytes until the next member is asked for. `target` is what a link points to."""

    name: str
    kind: Literal["file", "folder", "symlink", "hardlink", "other"]
    size: int = 0
    data: BinaryIO | None = None
    target: str = ""


class QuickTarInfo(tarfile.TarInfo):
    """Parses the plain header, which nearly every member of a data archive has, three times as fast; leaves all others to the library.

    The library reads a header that extends the next one (a long name, a record of attributes) into memory, as large as it claims to be.
    """

    __slots__ = ()

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        if len(buf) != BLOCK or buf[156] not in b"05" or buf[257:262] != b"ustar" or buf[345]:
            return cls._slowly(buf, encoding, errors)
        try:
            size, claimed = int(buf[124:136].strip(b"\0 "), 8), int(buf[148:156].strip(b"\0 "), 8)
        except ValueError:  # sizes above 8 GiB are not octal
            return cls._slowly(buf, encoding, errors)
        if size < 0 or sum(buf) - sum(buf[148:156]) + 8 * ord(" ") != claimed:
            return cls._slowly(buf, encoding, errors)
        info = cls(buf[:100].partition(b"\0")[0].decode(encoding, errors))
        info.size, info.type = size, buf[156:157]
        return info

    @classmethod
    def _slowly(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        info = super().frombuf(buf, encoding, errors)
        if info.type in EXTENSIONS and info.size > LONGEST_EXTENSION:
            raise Refused(f"it has a header of {info.size:,} bytes")
        return info


def members_of(archive: Path, kind: Kind) -> Iterator[Member]:
    """The members of `archive` in its own order. Raises one of `BROKEN` or `Refused` where it is cut short or damaged."""
    yield from {"tar": _tar, "zip": _zip, "gz": _gz}[kind](archive)


def _tar(archive: Path) -> Iterator[Member]:
    """Plain, gzip, bzip2 or xz, whatever the name says."""
    with open(archive, "rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        if not start or start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")):
            with tarfile.open(fileobj=raw, mode="r:*", tarinfo=QuickTarInfo) as tar:
                yield from _tar_members(tar)
        else:
            # A map costs no system call per member, where a file object would seek and read again three times for each.
            with (
                mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as view,
                tarfile.open(fileobj=view, mode="r:", tarinfo=QuickTarInfo) as tar,
            ):
                yield from _tar_members(tar)


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        tar.members.clear()  # the library keeps every member for a later look-up: gigabytes for ImageNet
        if info.isreg():
            if info.issparse():
                yield Member(info.name, "file", info.size, tar.extractfile(info))
            else:
                tar.fileobj.seek(info.offset_data)
                yield Member(info.name, "file", info.size, tar.fileobj)
        elif info.isdir():
            yield Member(info.name, "folder")
        elif info.issym() or info.islnk():
            yield Member(info.name, "symlink" if info.issym() else "hardlink", target=info.linkname)
        else:
            yield Member(info.name, "other")
    _require_end(tar)


def _require_end(tar: tarfile.TarFile) -> None:
    """The library takes an archive that was cut between two members for a whole one, and leaves the compressor's checksum unread."""
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(BLOCK) != bytes(BLOCK):
        raise Refused("it ends without its end mark: it was cut short")
    if not isinstance(tar.fileobj, mmap.mmap):
        while tar.fileobj.read(1 << 20):
            pass


def _zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as bundle:
        yield from _zip_members(bundle)


def _zip_members(bundle: zipfile.ZipFile) -> Iterator[Member]:
    for info in bundle.infolist():
        name = info.filename.replace("\\", "/")  # as some writers on Windows separate folders
        if info.flag_bits & 0x1:
            raise Refused(f"{name!r} is encrypted")
        mode = info.external_attr >> 16
        if info.is_dir() or name.endswith("/"):
            yield Member(name, "folder")
        elif stat.S_ISLNK(mode):
            if info.file_size > LONGEST_TARGET:
                raise Refused(f"{name!r} is a link with a target of {info.file_size:,} bytes")
            yield Member(name, "symlink", target=bundle.read(info).decode("utf-8", "surrogateescape"))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            yield Member(name, "other")
        else:
            with bundle.open(info) as data:
                yield Member(name, "file", info.file_size, data)
                if data.read(1):  # also brings the checksum to be compared
                    raise Refused(f"{name!r} is longer than the archive says")


def _gz(archive: Path) -> Iterator[Member]:
    """One file, named after the archive; its size is unknown until its end and given as -1."""
    name = archive.name.removesuffix(".gz")
    with gzip.open(archive) as data:
        yield Member(name, "file", -1, data)
