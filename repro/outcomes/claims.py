"""Who works on a run: claims that hold on network file systems, between machines whose clocks differ.

claim.json is created whole by a hard link, which one of many processes gets, on NFS too. A heartbeat changes its time. It is taken over
only from an owner that is surely gone: on the same machine, when the kernel has no such process; on another, when no heartbeat was seen
for STALE_SECONDS of one's own waiting. The time written by another machine is only compared with itself.

Every claim has a token. To take over claim T is to create `.taken-T`, again by a link that one process gets; the winner then puts its
own claim in place. A winner that dies between the two is followed like any other owner: the owner of a run is the end of the chain.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from repro.outcomes.processes import alive, same_machine, this_process

STALE_SECONDS = 120.0  # without a heartbeat, watched from here: the owner on another machine is gone
BEAT_SECONDS = 20.0
FIRST_SECONDS = 2.0  # until the first beat, which leaves the first word of how far a run is
TORN_SECONDS = 5.0  # the same for a claim that cannot be read: its writer was killed, or is about to fill it
NAME = "claim.json"


class Owner(NamedTuple):
    """What a claim's file says; all of it unknown where it cannot be read."""

    path: Path
    token: str
    fields: dict[str, Any]
    beat: int  # changes with every heartbeat

    @property
    def torn(self) -> bool:
        return not self.fields


def read(path: Path) -> Owner | None:
    """The claim at `path`; None where there is none. It is opened, because NFS may answer a mere `stat` from memory."""
    try:
        with open(path, "rb") as file:
            content, seen = file.read(), os.fstat(file.fileno())
    except OSError:
        return None
    unread = Owner(path, f"torn-{seen.st_ino}-{seen.st_mtime_ns}", {}, seen.st_mtime_ns)
    try:
        fields = json.loads(content)
        if not isinstance(fields["host"], str) or not isinstance(fields["pid"], int):
            return unread
        token = fields.get("token") or f"{fields['pid']}-{fields.get('started')}"
        return Owner(path, "".join(letter for letter in str(token) if letter.isalnum() or letter == "-"), fields, seen.st_mtime_ns)
    except (ValueError, KeyError, TypeError):
        return unread


def end_of_chain(folder: Path) -> Owner | None:
    """Who has the run in `folder` now."""
    owner, seen = read(folder / NAME), set()
    while owner and owner.token not in seen:
        seen.add(owner.token)
        follower = read(_ticket(folder, owner))
        if follower is None:
            break
        owner = follower
    return owner


def _ticket(folder: Path, owner: Owner) -> Path:
    return folder / f".taken-{owner.token}"


def _create(path: Path, text: str) -> bool:
    """Make `path` with its whole content, unless it is there. A file system without hard links gets an exclusive creation instead."""
    with _written(path, text) as temporary:
        try:
            os.link(temporary, path)
            return True
        except FileExistsError:
            return temporary.stat().st_nlink == 2  # a lost answer of NFS: the link was made, and asked for again
        except OSError:
            try:
                with open(path, "x", encoding="utf-8") as file:
                    file.write(text)
                return True
            except FileExistsError:
                return False


@contextlib.contextmanager
def _written(path: Path, text: str) -> Iterator[Path]:
    """A file beside `path` with that content, flushed to disk; gone afterwards unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


class Claims:
    """The claims that one process holds, and what it has seen of others'."""

    def __init__(self) -> None:
        self.tokens: dict[Path, str] = {}
        self.seen: dict[Path, tuple[str, int, float]] = {}  # claim → its token, its last heartbeat, when that was first seen here

    def take(self, folder: Path, since: str, launch: str | None = None) -> bool:
        """Take the run in `folder` for this process; False where another has it, or may have it.

        A run taken over within one launch counts the deaths at the same state of its training (see `deaths`).
        """
        owner = end_of_chain(folder)
        deaths = 0
        if owner is not None:
            if not self.gone(owner):
                return False
            deaths = _deaths(folder, owner, launch)
        token = secrets.token_hex(8)
        fields = {**this_process(), "since": since, "token": token}
        fields |= {"launch": launch, "deaths": deaths, "state": _state(folder)}
        text = json.dumps(fields)
        made = _create(folder / NAME, text) if owner is None else _take_over(folder, owner, text, token)
        if made:
            self.tokens[folder] = token
            self.seen.pop(folder, None)
        return made

    def gone(self, owner: Owner) -> bool:
        """Whether nobody works under this claim any more. Of another machine that takes STALE_SECONDS of looking again and again."""
        if not owner.torn and same_machine(owner.fields):
            return not alive(owner.fields)
        token, beat, since = self.seen.get(owner.path.parent, ("", 0, 0.0))
        if (token, beat) != (owner.token, owner.beat):
            self.seen[owner.path.parent] = (owner.token, owner.beat, time.monotonic())
            return False
        return time.monotonic() - since > (TORN_SECONDS if owner.torn else STALE_SECONDS)

    def held(self, folder: Path) -> bool:
        """Whether the claim that this process took is still its own: a process that slept for long may have been taken for dead."""
        owner = end_of_chain(folder)
        return owner is not None and owner.token == self.tokens.get(folder)

    def beat(self, folder: Path) -> bool:
        """Show that the owner lives; False where it is not the owner any more."""
        if not self.held(folder):
            return False
        with contextlib.suppress(OSError):  # a disk that is away for a moment; the next beat will tell
            os.utime(folder / NAME)
        return True

    @contextlib.contextmanager
    def beating(self, folder: Path, look: Callable[[bool], None] = lambda held: None) -> Iterator[None]:
        """While the block lasts the claim's heart beats. After each beat `look` hears whether it is still held."""
        ended = threading.Event()

        def beat() -> None:
            pause = FIRST_SECONDS
            while not ended.wait(pause):
                with contextlib.suppress(OSError):  # a disk that is away or full for a moment; the next beat will tell
                    look(self.beat(folder))
                pause = BEAT_SECONDS

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def release(self, folder: Path) -> None:
        """Give the run back, unless it has been taken over."""
        if self.held(folder):
            (folder / NAME).unlink(missing_ok=True)
        self.tokens.pop(folder, None)


def _take_over(folder: Path, owner: Owner, text: str, token: str) -> bool:
    """Replace the claim of an owner that is gone, unless another process was first."""
    ticket = _ticket(folder, owner)
    if not _create(ticket, text):
        return False
    last = end_of_chain(folder)
    if last is None or last.token != token:  # the owner's claim had been replaced or given back before the ticket was made
        ticket.unlink(missing_ok=True)
        return False
    with _written(folder / NAME, text) as own:
        os.replace(own, folder / NAME)
    for left in folder.glob(".taken-*"):
        left.unlink(missing_ok=True)
    return True


def _state(folder: Path) -> int | None:
    """What changes when a run in progress is saved."""
    try:
        return (folder / "checkpoint" / "state.pt").stat().st_mtime_ns
    except OSError:
        return None


def _deaths(folder: Path, owner: Owner, launch: str | None) -> int:
    """How often owners of this launch have died without getting the run any further, the last one included."""
    fields = owner.fields
    if launch is None or fields.get("launch") != launch:
        return 0
    return 1 + (int(fields.get("deaths") or 0) if fields.get("state") == _state(folder) else 0)


def deaths(folder: Path) -> int:
    """The count that the claim in `folder` carries."""
    owner = end_of_chain(folder)
    return int(owner.fields.get("deaths") or 0) if owner else 0
