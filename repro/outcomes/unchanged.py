"""What a command made of stored results, kept in the index for as long as nothing has changed of which it was made.

That is: every file of a result or a failure among those that it was asked of, the program's own files with the tables and the facts that come
with it, Python and the folder of the packages, and how it was to be shown. A seal over all of it and the text itself tells; whatever
does not fit is made again. What was kept is never read for anything but to be shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pydantic

from repro.outcomes import index
from repro.outcomes.index import Index
from repro.outcomes.store import Store
from repro.paths import manifests_dir, tables_dir

PACKAGE = Path(__file__).parents[1]


class Made(NamedTuple):
    """`texts` are what was asked for; `told` is what was said on the way. What is not `whole` is never kept: a result that could not be read
    may be readable at the next look, by a disk that is well again, say, without any change that could be seen."""

    texts: list[str]
    told: list[str]
    whole: bool = True


def made(store: Store, benchmarks: Iterable[str] | None, asked: str, shape: str, make: Callable[[], Made]) -> tuple[Made, bool]:
    """What `make` makes of the results of all benchmarks, or of those named, and whether it was kept from before.

    `asked` names the command, of which the last text is kept; `shape` says how it is shown. What changes while it is made is not kept,
    nor what lacks a damaged result.
    """
    benchmarks = None if benchmarks is None else list(benchmarks)
    state = _state(store, benchmarks, shape)
    with contextlib.closing(Index(store.root)) as file:
        seal, content = file.made(asked) or ("", "")
    if seal == _seal(state, content):
        return Made(*json.loads(content)), True
    new = make()
    if new.whole and _state(store, benchmarks, shape) == state:
        content = json.dumps(new)
        with contextlib.closing(Index(store.root)) as file:
            file.keep(asked, _seal(state, content), content)
    return new, False


def _seal(state: str, content: str) -> str:
    return hashlib.sha256(f"{state}\n{content}".encode()).hexdigest()


def _state(store: Store, benchmarks: list[str] | None, shape: str) -> str:
    """All that a text depends on, in one hash."""
    depends = (index.look(store, benchmarks), program(), shape)
    return hashlib.sha256(repr(depends).encode()).hexdigest()


def program() -> list[str | None]:
    """Python, the folder in which packages are installed, and every file of the program and of what comes with it."""
    walked = (found for folder in (PACKAGE, tables_dir(), manifests_dir()) for found in os.walk(folder))
    files = sorted(f"{top}/{name}" for top, _, names in walked if not top.endswith("__pycache__") for name in names)
    return [sys.version, index.stamp(str(Path(pydantic.__file__).parents[1])), *(f"{path} {index.stamp(path)}" for path in files)]
