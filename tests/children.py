"""What the tests of kills and collisions run in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from pathlib import Path

from repro.data.fetch import fetch_file
from repro.data.line import Patience
from repro.data.manifest import File
from repro.data.unpack import unpack
from repro.errors import UserError

CONTEXT = multiprocessing.get_context("forkserver")  # a fork of the test process would take its server's threads with it
CONTEXT.set_forkserver_preload(["repro.data.fetch", "repro.data.unpack"])
DONE, USER_ERROR, OTHER_ERROR = 0, 2, 3


def start(work, *arguments, begun=None, **options):
    """Run `work` in a new process; with an event `begun`, return as soon as its imports are done and it is about to start."""
    process = CONTEXT.Process(target=_run, args=(work, arguments, options, begun))
    process.start()
    if begun is not None:
        assert begun.wait(30)
    return process


def finish(process) -> int:
    process.join(60)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def _run(work, arguments, options, begun) -> None:
    if begun is not None:
        begun.set()
    try:
        work(*arguments, **options)
    except UserError as error:
        print(*error.lines(), sep="\n")
        os._exit(USER_ERROR)
    except BaseException:
        os._exit(OTHER_ERROR)
    os._exit(DONE)


def fetch(file: File, root: Path, die_at_step: int | None = None, largest: int | None = None) -> None:
    _prepare(die_at_step, largest)
    fetch_file(file, root, dataset="demo", patience=Patience(read=5, tries=2, backoff=0.01))


def unpack_tar(archive: Path, into: Path, die_at_step: int | None = None, largest: int | None = None) -> None:
    _prepare(die_at_step, largest)
    unpack(archive, into, "tar", dataset="demo")


def _prepare(die_at_step: int | None, largest: int | None) -> None:
    """Die (as by kill -9) in place of the given rename or removal, counted from 0; or let no file grow above `largest` bytes."""
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if die_at_step is None:
        return
    steps = iter(range(1000))

    def deadly(real):
        def step(*arguments, **options):
            if next(steps) == die_at_step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return step

    for name in ("replace", "rmdir", "fsync"):
        setattr(os, name, deadly(getattr(os, name)))
