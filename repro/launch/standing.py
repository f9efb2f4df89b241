"""How far everything is: read off the store's folders and the launches, without reading a single result."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from repro.launch import launches, slurm
from repro.launch.launches import Launch
from repro.outcomes import claims, processes
from repro.outcomes.store import Store

STATES = ("done", "running", "failed", "unfinished", "waiting")  # waiting: nobody has begun; unfinished: begun, and nobody is on it


class Seen(NamedTuple):
    """A run's folder and its state."""

    folder: Path
    key: str
    state: str

    @property
    def label(self) -> str:
        method, _, seed = self.folder.name.rpartition("-")[0].rpartition("-s")
        return f"{method} seed {seed}"


class Standing(NamedTuple):
    """A launch, its runs by state, and its tasks in Slurm's queue (None: not Slurm's, or it cannot be asked)."""

    launch: Launch
    states: Counter[str]
    queue: Counter[str] | None

    @property
    def over(self) -> bool:
        owner = self.launch.owner
        lives = not self.launch.slurm_job and processes.same_machine(owner) and processes.alive(owner)
        return self.states["done"] == len(self.launch.keys) or not (self.queue or self.states["running"] or lives)


def look(store: Store) -> Iterator[Seen]:
    """Every run's folder; 10,000 are 10,000 listings of a few names."""
    for top in sorted(entry.path for entry in _entries(store.root) if not entry.name.startswith(".") and entry.is_dir()):
        for entry in _entries(top):
            if "-s" in entry.name:
                yield Seen(Path(entry.path), entry.name.rpartition("-")[2], _state(entry.path))


def _entries(folder: Path | str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _state(folder: str) -> str:
    if os.path.exists(f"{folder}/result.json"):
        return "done"
    names = {entry.name for entry in _entries(folder)}
    if claims.NAME in names and (owner := claims.end_of_chain(Path(folder))) and not claims.Claims().gone(owner):
        return "running"
    return "failed" if "failed.json" in names else "unfinished"


def standings(store: Store, seen: list[Seen]) -> list[Standing]:
    """Of each launch, oldest first."""
    states = {one.key: one.state for one in seen}
    found = []
    for launch in launches.every(store.root):
        counted = Counter(states.get(key, "waiting") for key in launch.keys)
        done = counted["done"] == len(launch.keys)
        tasks = slurm.queue_of(launch.slurm_job) if launch.slurm_job and not done else None
        found.append(Standing(launch, counted, None if tasks is None else Counter(state for _, state, _ in tasks)))
    return found


def working(store: Store, one: Seen, now: int | None) -> dict[str, Any]:
    """Where a run is being worked on, how far it is, and the seconds since its last heartbeat; `now` is `time_of` the disk."""
    owner = claims.end_of_chain(one.folder)
    fields = owner.fields if owner else {}
    return {
        "host": fields.get("host"),
        "pid": fields.get("pid"),
        "since": fields.get("since"),
        "progress": store.progress(one.folder),
        "heard": max(0.0, (now - owner.beat) / 1e9) if owner and now else None,
    }


def time_of(root: Path) -> int | None:
    """Nanoseconds by the clock of the disk, with which heartbeats are stamped."""
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


def error_of(one: Seen) -> str:
    """The first line of what went wrong."""
    try:
        text = json.loads((one.folder / "failed.json").read_text(encoding="utf-8"))["error"]
        return str(text).split("\n")[0]
    except (OSError, ValueError, KeyError, TypeError):
        return "its failed.json cannot be read"


def logged(store: Store, key: str) -> list[tuple[Path, str]]:
    """What workers printed while on a run, oldest first: (log, its part of it)."""
    found = []
    for launch in launches.every(store.root):
        if key in launch.keys:
            for log in sorted(launch.folder.glob("worker-*.log")):
                found += [(log, part) for part in _parts(log, key)]
    return sorted(found, key=lambda pair: pair[1])


def _parts(log: Path, key: str) -> list[str]:
    """From `started` to the next run's, of each time that the run was begun."""
    parts: list[list[str]] = []
    inside = False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split(" ", 3)
        if len(words) > 2 and words[2].startswith("started"):
            inside = words[1] == key
            if inside:
                parts.append([])
        if inside:
            parts[-1].append(line)
    return ["\n".join(part) for part in parts]
