"""Writes an archive's members below one fresh folder, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from repro.data.members import Member, Refused
from repro.data.receipt import BUFFER

# An archive must not bring receipts of its own making.
RESERVED = (".verified.json", ".complete.json", ".unpacking.json", ".unpacked.json", ".brought.json")
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
REPORT_EVERY = 1000  # members


class TooLarge(Refused):
    """More bytes or members than allowed."""


def safe_name(name: str) -> str:
    """`name` with single forward slashes, "" for the top folder itself; `Refused` where it could lead out of the folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        raise Refused(f"{name!r} is an absolute path")
    if ".." in parts or ".." in name.split("\\"):
        raise Refused(f"{name!r} leads out of the folder")
    if "\0" in name:
        raise Refused(f"{name!r} is no name for a file")
    if parts and parts[-1].lower().endswith(RESERVED):
        raise Refused(f"{name!r} is a name kept for receipts")
    return "/".join(parts)


class Writer:
    """Writes into the empty `folder`, at most `most_bytes` and `most_members`; `files` (with links) and `bytes` tell how much was written.

    A name that comes twice keeps the later member, as with tar. Links are made last, so that nothing is ever written through one.
    """

    def __init__(self, folder: Path, most_bytes: int, most_members: int, on_progress: Callable[[int, int], None] | None = None):
        self._folder = os.path.realpath(folder)
        self._most_bytes, self._most_members, self._on_progress = most_bytes, most_members, on_progress
        self._folders = {""}
        self._symlinks: dict[str, str] = {}
        self.files = self.bytes = 0

    def write_all(self, members: Iterator[Member]) -> None:
        """Write every member; raises `Refused`, or whatever reading the archive raises."""
        for index, member in enumerate(members, 1):
            if index > self._most_members:
                raise TooLarge(f"it has more than {self._most_members:,} members")
            self._write(member)
            if self._on_progress and index % REPORT_EVERY == 0:
                self._on_progress(self.files, self.bytes)
        self._make_symlinks()
        if self._on_progress:
            self._on_progress(self.files, self.bytes)

    def _write(self, member: Member) -> None:
        name = safe_name(member.name)
        if not name:
            if member.kind != "folder":
                raise Refused(f"{member.name!r} is no name for a file")
            return
        if member.kind == "folder":
            self._make_folder(name)
            return
        self._make_folder(name.rpartition("/")[0])
        if member.kind == "file":
            self._symlinks.pop(name, None)
            self._write_file(name, member)
        elif member.kind == "symlink":
            self._symlinks[name] = member.target
        elif member.kind == "hardlink":
            self._link(name, member)
        else:
            raise Refused(f"{member.name!r} is a device, a pipe or the like")

    def _make_folder(self, name: str) -> None:
        if name in self._folders:
            return
        parent = name.rpartition("/")[0]
        self._make_folder(parent)
        if name in self._symlinks:
            raise Refused(f"{name!r} is both a link and a folder")
        try:
            os.mkdir(f"{self._folder}/{name}")
        except FileExistsError:
            self._clear_way(name)
            os.mkdir(f"{self._folder}/{name}")
        self._folders.add(name)

    def _clear_way(self, name: str) -> None:
        """Remove the file that an earlier member of the very same name left; any other clash is an error."""
        parent, _, last = name.rpartition("/")
        path = f"{self._folder}/{name}"
        if last not in os.listdir(f"{self._folder}/{parent}"):
            raise Refused(f"{name!r} has the name of another member but for upper and lower case, which this disk does not tell apart")
        if name in self._folders or os.path.isdir(path):
            raise Refused(f"{name!r} is both a folder and a file")
        self.files -= 1
        self.bytes -= os.lstat(path).st_size
        os.unlink(path)

    def _write_file(self, name: str, member: Member) -> None:
        path = f"{self._folder}/{name}"
        if self.bytes + member.size > self._most_bytes:
            raise TooLarge(f"it holds more than the {max(0, self._most_bytes):,} bytes that it may")
        try:
            descriptor = os.open(path, CREATE, 0o644)
        except FileExistsError:
            self._clear_way(name)
            descriptor = os.open(path, CREATE, 0o644)
        try:
            self._copy(descriptor, member)
        finally:
            os.close(descriptor)
        self.files += 1

    def _copy(self, descriptor: int, member: Member) -> None:
        left = member.size
        while left:
            chunk = member.data.read(min(left, BUFFER) if left > 0 else BUFFER)
            if not chunk:
                if left > 0:
                    raise Refused(f"{member.name!r} is cut short: {left:,} bytes are missing")
                return
            self.bytes += len(chunk)
            if self.bytes > self._most_bytes:
                raise TooLarge(f"it holds more than the {max(0, self._most_bytes):,} bytes that it may")
            if left > 0:
                left -= len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]

    def _link(self, name: str, member: Member) -> None:
        """A hard link to a file that this archive brought before; to anything else it is refused."""
        source, path = f"{self._folder}/{safe_name(member.target)}", f"{self._folder}/{name}"
        if not os.path.isfile(source):  # symbolic links do not exist yet
            raise Refused(f"{member.name!r} is a hard link to {member.target!r}, which is no file of the archive")
        if os.path.lexists(path):
            self._clear_way(name)
        os.link(source, path)
        self.files += 1
        self.bytes += os.path.getsize(path)

    def _make_symlinks(self) -> None:
        for name, target in self._symlinks.items():
            path = f"{self._folder}/{name}"
            if os.path.lexists(path):
                self._clear_way(name)
            os.symlink(target, path)
            self.files += 1
        for name, target in self._symlinks.items():
            # Only now, with all links made, does a chain of them show where it leads.
            end = os.path.realpath(f"{self._folder}/{name}")
            if os.path.isabs(target) or os.path.commonpath([end, self._folder]) != self._folder:
                raise Refused(f"{name!r} is a link to {target!r}, which is outside the folder")
