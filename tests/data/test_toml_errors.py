"""Where in a TOML text a field stands, and which fields there are."""

from __future__ import annotations

import pytest

from repro.data.manifest import Manifest
from repro.data.toml_errors import fields_at, line_of

TEXT = """\
name = "x"
plain = { a = 1, b = 2 }
long = [
  { url = "one", identical = true },
  { url = "two" },
]
words = ["one", "two",
  "three"]

[table]
key = 1

[table.inner]
deep = 1

# [[files]] in a comment
[[files]]
name = "first"

[files.members]
"a/b" = "m"

[[files]]  # the second
name = "second"

[[files.mirrors]]
url = "here"

[[files.mirrors]]
url = "there"

[last]
name = "not the first"
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        ((), 1),
        (("name",), 1),
        (("plain", "b"), 2),
        (("long", 0, "identical"), 4),
        (("long", 1, "url"), 5),
        (("words", 1), 7),
        (("words", 2), 8),
        (("table", "key"), 11),
        (("table", "inner", "deep"), 14),
        (("files", 0, "name"), 18),
        (("files", 0, "members", "a/b"), 21),
        (("files", 1), 23),
        (("files", 1, "name"), 24),
        (("files", 1, "mirrors", 0, "url"), 27),
        (("files", 1, "mirrors", 1, "url"), 30),
        (("last", "name"), 33),
        (("files", 0, "absent"), 17),
        (("absent",), 1),
        (("files", 9, "name"), 24),
    ],
)
def test_line_of(loc, line):
    assert line_of(TEXT, loc) == line


def test_line_of_nothing_is_the_first():
    assert line_of("", ("name",)) == 1


def test_fields_are_found_through_lists_and_options():
    assert "caption" in fields_at(Manifest, ())
    assert "identical" in fields_at(Manifest, ("files", 0, "mirrors", 1))
    assert "where" in fields_at(Manifest, ("counts", 0, "rule"))
    assert fields_at(Manifest, ("files", 0, "members")) == []
    assert fields_at(Manifest, ("absent",)) == []
