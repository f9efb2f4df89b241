"""A file under way: its bytes so far, where they came from, and a digest that follows the writer."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from repro.data.receipt import BUFFER, beside, hash_file, write_json


@dataclass(frozen=True)
class Origin:
    """Whose bytes a part holds: the address, the host's validators and the whole file's size in bytes, as far as they were told."""

    url: str
    identical: bool = True
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    def contradicts(self, other: Origin) -> bool:
        """Whether two answers from one address are of two different files."""
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified), (self.total, other.total))
        return any(mine and theirs and mine != theirs for mine, theirs in pairs)


class FollowingHash(threading.Thread):
    """Hashes a growing file from its first byte, a step behind the writer.

    It reads what was written, not what was received, and a resumed part costs no extra pass: the old bytes are hashed while the new arrive.
    """

    def __init__(self, path: Path, algorithms: tuple[str, ...]):
        super().__init__(daemon=True, name=f"hash {path.name}")
        self._digests = {name: hashlib.new(name) for name in algorithms}
        self._path = path
        self._written, self._ended, self._stopped = 0, False, False
        self._error: OSError | None = None
        self._change = threading.Condition()
        self.start()

    def advance(self, written: int, *, ended: bool = False) -> None:
        """The file now has `written` bytes."""
        with self._change:
            self._written, self._ended = written, ended
            self._change.notify()

    def stop(self) -> None:
        """Give up: the bytes will not be needed."""
        with self._change:
            self._stopped = True
            self._change.notify()
        self.join()

    def digests(self, size: int) -> dict[str, str]:
        """Hex digests of the first `size` bytes, which must be the whole file."""
        self.advance(size, ended=True)
        self.join()
        if self._error:
            raise self._error
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def run(self) -> None:
        try:
            self._follow()
        except OSError as error:
            self._error = error

    def _follow(self) -> None:
        position, view = 0, memoryview(bytearray(BUFFER))
        with open(self._path, "rb", buffering=0) as handle:
            while True:
                with self._change:
                    # Waiting for a full buffer keeps the two threads from taking turns over every few kilobytes.
                    while not (self._stopped or self._ended or self._written - position >= BUFFER):
                        self._change.wait()
                    if self._stopped or (self._ended and position >= self._written):
                        return
                    available = min(BUFFER, self._written - position)
                count = handle.readinto(view[:available])
                if not count:
                    raise OSError(f"{self._path} is shorter than what was written to it")
                for digest in self._digests.values():
                    digest.update(view[:count])
                position += count


class Part:
    """The partial file `<name>.part` and its sidecar `<name>.part.json`; unbuffered, so that a kill loses nothing that arrived.

    Use as a context manager, under the file's lock.
    """

    def __init__(self, target: Path, algorithms: tuple[str, ...]):
        self.path, self._sidecar = beside(target, ".part"), beside(target, ".part.json")
        self._algorithms = tuple(name for name in algorithms if name != "git_blob")
        self._afterwards = tuple(name for name in algorithms if name == "git_blob")

    def __enter__(self) -> Part:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self.size = os.fstat(self._descriptor).st_size
        self.origin = self._read_origin()
        self._hash = FollowingHash(self.path, self._algorithms)
        if self.origin is None:
            self.drop()
        self._hash.advance(self.size)
        return self

    def __exit__(self, *_: object) -> None:
        self._hash.stop()
        os.close(self._descriptor)

    def _read_origin(self) -> Origin | None:
        try:
            return Origin(**json.loads(self._sidecar.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def come_from(self, origin: Origin) -> None:
        """Note whose bytes follow; the note is on disk before the first of them."""
        if origin != self.origin:
            write_json(self._sidecar, asdict(origin), durable=False)
            self.origin = origin

    def drop(self) -> None:
        """Forget every byte: they are not, or may not be, this file's."""
        if self.size:
            self.cut(0)
        self._sidecar.unlink(missing_ok=True)
        self.origin = None

    def cut(self, size: int) -> None:
        """Keep the first `size` bytes only."""
        os.ftruncate(self._descriptor, size)
        self.size = size
        self._hash.stop()
        self._hash = FollowingHash(self.path, self._algorithms)
        self._hash.advance(size)

    def append(self, chunk: bytes) -> None:
        """Write at the end; raises `OSError` where the disk is full, with `size` telling how much fitted."""
        view = memoryview(chunk)
        while view:
            count = os.pwrite(self._descriptor, view, self.size)
            self.size += count
            view = view[count:]
        self._hash.advance(self.size)

    def same(self, chunk: bytes, offset: int) -> bool:
        """Whether the part already holds `chunk` at `offset`."""
        return os.pread(self._descriptor, len(chunk), offset) == chunk

    def digests(self) -> dict[str, str]:
        """Hex digests of the part as it stands, which ends the hashing: `cut` or `drop` before going on."""
        return self._hash.digests(self.size) | (hash_file(self.path, self._afterwards) if self._afterwards else {})

    def settle(self) -> None:
        """Bring every byte to the disk itself."""
        os.fsync(self._descriptor)
