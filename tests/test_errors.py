"""The three lines that a user sees."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import repro
from repro.errors import UserError, nearest, quoted, unknown


def test_the_three_lines_are_what_why_and_cure():
    assert UserError("it broke", "because", "mend it").lines() == ("it broke", "because", "mend it")
    assert str(UserError("it broke", "because", "mend it")) == "it broke"


def test_an_error_keeps_its_lines_on_the_way_back_from_another_process():
    assert pickle.loads(pickle.dumps(UserError("it broke", "because", "mend it"))).lines() == ("it broke", "because", "mend it")


@pytest.mark.parametrize(("name", "expected"), [("digit", "digits"), ("DIGITS", "digits"), ("lpft", "lp-ft"), ("xyzzy", None), ("", None)])
def test_nearest_suggests_only_what_is_near(name, expected):
    assert nearest(name, ["digits", "folder", "lp-ft"]) == expected


def test_nearest_reads_a_generator():
    assert nearest("digit", (name for name in ["digits"])) == "digits"


def test_unknown_suggests_the_nearest_name():
    assert unknown("benchmark", "digit", ["folder", "digits"], "repro list").lines() == (
        "there is no benchmark 'digit'",
        "did you mean 'digits'?",
        "repro list",
    )


def test_unknown_lists_the_known_names_in_order_where_none_is_near():
    assert unknown("benchmark", "xyzzy", {"folder", "digits"}, "repro list").why == "known: digits, folder"
    assert unknown("benchmark", "xyzzy", [], "repro list").why == "known: none"


def test_what_a_cure_removes_or_names_is_quoted():
    """Of a folder with a space, a copied `rm -r` would remove another."""
    assert quoted(Path("/my data/x")) == "'/my data/x'" and quoted("/x") == "/x"
    texts = [(path, line) for path in Path(repro.__file__).parent.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    named = [(path.name, line.strip()) for path, line in texts if re.search(r"(rm -r|--weights|--from|data add \S+|chmod \S+) \{", line)]
    assert len(named) >= 15
    assert [
        line for line in named if not re.search(r"(rm -r|--weights|--from|data add \S+|chmod \S+) \{(shlex\.)?quoted?\(", line[1])
    ] == []
