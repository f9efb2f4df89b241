"""Changes to the program in processes that a test does not start itself: a sitecustomize.py that Python imports before anything else."""

from __future__ import annotations

import os
from pathlib import Path

import repro

ROOT = Path(repro.__file__).resolve().parent.parent
HOOK = """
import importlib.abc, importlib.machinery, importlib.util, sys

INSTEAD, AFTERWARDS = {instead!r}, {afterwards!r}


class Loader(importlib.abc.Loader):
    def __init__(self, real, code):
        self.real, self.code = real, code

    def create_module(self, spec):
        return self.real.create_module(spec)

    def exec_module(self, module):
        self.real.exec_module(module)
        exec(self.code, module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in INSTEAD:
            return importlib.util.spec_from_file_location(name, INSTEAD[name])
        if name in AFTERWARDS:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            spec.loader = Loader(spec.loader, AFTERWARDS[name])
            return spec


sys.meta_path.insert(0, Finder())
"""
SLOW = """
import time as _time
_step = Trainer._step
def _slow(self, *arguments):
    _step(self, *arguments)
    _time.sleep({pause})
Trainer._step = _slow
"""


def path(folder: Path, instead: dict[str, Path] | None = None, afterwards: dict[str, str] | None = None) -> str:
    """A PYTHONPATH with which modules are others, or run some code of the test's after their own."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {name: str(file) for name, file in (instead or {}).items()}
    (folder / "sitecustomize.py").write_text(HOOK.format(instead=named, afterwards=afterwards or {}))
    return os.pathsep.join([str(folder), str(ROOT)])


def without_work(folder: Path) -> str:
    """Runs do nothing, as bench/noop_run.py has them; torch is not loaded."""
    return path(folder, instead={"repro.run": ROOT / "bench" / "noop_run.py"})


def slowly(folder: Path, pause: float, launching: str = "") -> str:
    """Training pauses after every step, so that a signal finds it in the middle; `launching` changes how Slurm is asked."""
    return path(folder, afterwards={"repro.nn.training.loop": SLOW.format(pause=pause), "repro.launch.slurm": launching})
