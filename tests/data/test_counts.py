"""A rule reads only the fields of its kind, and a count does not contradict itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from repro.data.counts import Count, Rule, histogram_hash


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "files", "path": "a", "key": "images"},
        {"kind": "lines", "path": "a", "suffixes": (".txt",)},
        {"kind": "csv-rows", "path": "a", "record_bytes": 3},
        {"kind": "records", "path": "a"},
        {"kind": "npz-rows", "path": "a"},
        {"kind": "h5-rows", "path": "a"},
        {"kind": "h5-rows", "path": "a", "key": "x", "labels_key": "y"},
        {"kind": "csv-rows", "path": "a", "date_column": "when"},
        {"kind": "csv-rows", "path": "a", "since": "2013"},
        {"kind": "csv-rows", "path": "a", "file_column": "name"},
        {"kind": "hdf5-rows", "path": "a"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


@pytest.mark.parametrize(
    "fields",
    [{}, {"n": 1, "n_approx": 1}, {"n": -1}, {"n": 2, "histogram": (1, 1), "per_class": 1}, {"n": 2, "histogram": (1, 2)}, {"n": True}],
)
def test_a_count_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValidationError):
        Count.model_validate({"split": "train", "confidence": "verified", **fields})


def test_histogram_hash_is_pinned():
    # printf '[1,0,2]' | sha256sum
    assert histogram_hash([1, 0, 2]) == "07eb7f26b449295b2083f4ce65c0d46876740ed795e4249f407790a0ee2eeed2"
