"""The classes of the package `wilds`, which define what the official layouts mean."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """`authority("fmow")` → wilds' own data set, read from `tmp_path`."""
    monkeypatch.setitem(sys.modules, "outdated", None)  # with it, importing wilds asks the network for its newest version

    def make(name: str, class_name: str):
        module = importlib.import_module(f"wilds.datasets.{name}_dataset")
        if name == "fmow":  # wilds 2.0.0 cannot read the two forms of the real timestamps with pandas ≥ 2
            import pandas as pd

            patched = SimpleNamespace(read_csv=pd.read_csv, to_datetime=partial(pd.to_datetime, format="ISO8601"))
            monkeypatch.setattr(module, "pd", patched)
        return getattr(module, class_name)(root_dir=str(tmp_path), download=False)

    return make


@pytest.fixture
def same_rows(tmp_path):
    """`same_rows(theirs, frame, label, parts)`: the same images in the same order, with the same labels and the same splits."""

    def check(theirs, frame, label: str, parts: dict[str, str]) -> None:
        assert len(theirs.y_array) == len(frame) > 8
        assert theirs.y_array.tolist() == frame[label].tolist()
        named = {number: parts[name] for name, number in theirs.split_dict.items()} | {-1: ""}
        assert [named[int(number)] for number in theirs.split_array] == frame["part"].tolist()
        for index, path in enumerate(frame["path"]):
            assert np.array_equal(np.asarray(theirs.get_input(index)), np.asarray(Image.open(tmp_path / path))), path

    return check
