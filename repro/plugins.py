"""Benchmarks, data sets and methods are files: names come from a folder scan, captions from the source text, and only what is asked for is imported."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from repro.errors import unknown
from repro.types import Method

_PACKAGE = Path(__file__).parent


def _file_names(folder: str) -> list[str]:
    return sorted(path.stem for path in (_PACKAGE / folder).glob("*.py") if not path.stem.startswith("_"))


@cache
def _source(folder: str, stem: str) -> ast.Module:
    return ast.parse((_PACKAGE / folder / f"{stem}.py").read_text(encoding="utf-8"))


def _spelled(stem: str, folder: str) -> str:
    """A plug-in is called by the value of `NAME`, where its name cannot be a file's (cifar10.1), else by its file's name with hyphens."""
    for node in _source(folder, stem).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "NAME":
            return ast.literal_eval(node.value)
    return stem.replace("_", "-")


@cache
def names(folder: str) -> dict[str, str]:
    """Name → file stem for every plug-in in `benchmarks`, `datasets` or `methods`."""
    return {_spelled(stem, folder): stem for stem in _file_names(folder)}


def caption(folder: str, name: str) -> str:
    """The first line of the plug-in's docstring, read without importing it."""
    text = ast.get_docstring(_source(folder, names(folder)[name])) or ""
    return text.strip().split("\n")[0].rstrip(".")


def _module(folder: str, kind: str, name: str) -> ModuleType:
    if name not in names(folder):
        raise unknown(kind, name, names(folder), "repro list")
    return importlib.import_module(f"repro.{folder}.{names(folder)[name]}")


def benchmark(name: str) -> ModuleType:
    """The module of a benchmark: `VERSION`, `describe(options)`, `examples(benchmark, split)`, and for targeted augmentations
    that look at more than pixels `targets(benchmark, split, recipe)`."""
    return _module("benchmarks", "benchmark", name)


def dataset(name: str) -> ModuleType:
    """The module that reads a published data set: `VERSION`, `write_tiny(root)`, `take_tiny(source, root)` and its own functions."""
    return _module("datasets", "data set", name)


def method(name: str) -> ModuleType:
    """The module of a method: `METHOD`, `start(job)`, and where it trains, `loss(model, batch, job)`, or the three steps of a loss that couples
    the examples of a batch: `pairs`, `encode`, `couple` (repro/nn/objectives/coupled.py).

    `training(job)`, called after `start`, gives the images that it trains on, where these are not simply its split's, augmented.
    `judged(model, job)` makes the classifier that is evaluated and kept, where that is not the trained model itself. Of a model that
    is not trained `states(model, job)` yields name and tensors of one state after another, each to be judged.
    """
    return _module("methods", "method", name)


def declared(name: str) -> Method:
    """A method's declaration, with its caption."""
    return _captioned(name, method(name))


@cache
def _captioned(name: str, module: ModuleType) -> Method:
    return module.METHOD.model_copy(update={"caption": caption("methods", name)})
