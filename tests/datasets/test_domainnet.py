"""DomainNet's reader against lists and files written by hand."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from PIL import Image

from repro.datasets import domainnet
from repro.errors import UserError

LIST = "SENTRY_splits/sketch_train_mini.txt"


def test_the_classes_are_sentrys_by_label():
    assert len(domainnet.CLASSES) == len(set(domainnet.CLASSES)) == 40
    assert domainnet.CLASSES[:36] == tuple(sorted(domainnet.CLASSES[:36]))
    assert domainnet.CLASSES[36:] == ("butterfly", "sheep", "drums", "donut")
    assert {3: "backpack", 13: "bus", 14: "cake", 30: "rabbit", 35: "truck"}.items() <= dict(enumerate(domainnet.CLASSES)).items()


def test_lists_are_read_in_their_order(tmp_path):
    hand_made.domainnet(tmp_path)
    frame = domainnet.read(tmp_path, "sketch", "train")
    assert frame["path"].tolist() == [
        "sketch/truck/sketch_326_000002.jpg",
        "sketch/airplane/sketch_002_000001.jpg",
        "sketch/donut/sketch_100_000003.png",
    ]
    assert frame["label"].tolist() == [35, 0, 39] and all((tmp_path / path).is_file() for path in frame["path"])
    assert (tmp_path / LIST).read_bytes().count(b"\r\n") == 3
    assert [len(domainnet.read(tmp_path, domain, "test")) for domain in domainnet.DOMAINS] == [2, 1, 2, 1]


@pytest.mark.parametrize(
    "line",
    [
        "sketch/truck/a.jpg 34",
        "sketch/truck/a.jpg 40",
        "sketch/truck/a.jpg -1",
        "sketch/truck/a.jpg",
        "real/truck/a.jpg 35",
        "sketch/lorry/a.jpg 35",
        "truck",
        "",
    ],
)
def test_a_line_of_another_kind_is_named_with_its_number(tmp_path, line):
    hand_made.domainnet(tmp_path)
    path = tmp_path / LIST
    path.write_bytes(path.read_bytes() + f"{line}\r\n".encode())
    with pytest.raises(UserError) as caught:
        domainnet.read(tmp_path, "sketch", "train")
    what, why, cure = caught.value.lines()
    assert what == f"{path}:4 is no line of the published list: {line!r}"
    assert "0 to 39" in why and cure == "repro data verify domainnet --full"


def test_an_absent_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*sketch_train_mini\.txt") as caught:
        domainnet.read(tmp_path, "sketch", "train")
    assert "repro data fetch domainnet" in caught.value.cure


def test_the_tiny_subset_is_in_the_official_layout(tmp_path):
    domainnet.write_tiny(tmp_path)
    seen = set()
    for domain in domainnet.DOMAINS:
        for part in domainnet.PARTS:
            frame = domainnet.read(tmp_path, domain, part)
            each = {("sketch", "train"): 5, ("sketch", "test"): 2}.get((domain, part), 1)
            assert np.bincount(frame["label"]).tolist() == [each] * 40
            assert seen.isdisjoint(frame["path"])
            seen |= set(frame["path"])
    sizes = set()
    for path in seen:
        with Image.open(tmp_path / path) as image:
            sizes.add(image.size)
    assert len(seen) == 40 * (5 + 2 + 3 * 2) and np.min(list(sizes)) == 40 and np.max(list(sizes)) == 60 and len(sizes) > 100


def test_a_subset_taken_from_a_copy_is_read_as_the_copy_is(tmp_path):
    hand_made.domainnet(tmp_path / "whole")
    domainnet.take_tiny(tmp_path / "whole", tmp_path / "taken")
    for domain in domainnet.DOMAINS:
        for part in domainnet.PARTS:
            whole, taken = (domainnet.read(tmp_path / name, domain, part) for name in ("whole", "taken"))
            assert len(taken) > 0 and set(taken["path"]) <= set(whole["path"])
            assert all((tmp_path / "taken" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes() for path in taken["path"])
    assert len(domainnet.read(tmp_path / "taken", "painting", "test")) == 1, "of two of a class one"
