"""How many examples a split must hold, how far that number can be trusted, and the rule that counts them on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from repro.data.fields import Line, Record, SafePath, Sha256, Size

Confidence = Literal["verified", "one source", "derived", "recalled"]


def histogram_hash(histogram: Sequence[int]) -> str:
    """sha256 of the JSON list of examples per class, by label: `[1000,1000,…]` without blanks."""
    return hashlib.sha256(json.dumps(list(histogram), separators=(",", ":")).encode()).hexdigest()


class Rule(Record):
    """How a split is counted on disk; which fields a kind reads is fixed below.

    `files`: files below `path` whose names end in one of `suffixes`. `folders`: folders directly in `path`. `lines`: lines of a
    text file. `csv-rows`: rows after the header whose columns hold one of the values in `where`, whose `date_column` (ISO 8601) lies
    in [`since`, `before`), and whose `file_column` names a file that exists in `folder`. `npy-rows`, `npz-rows`: the first axis, read
    from the header. `h5-rows`: the first axis of the array `key`, not checked where h5py is not installed. `records`: the file's size
    divided by `record_bytes`.
    """

    kind: Literal["files", "folders", "lines", "csv-rows", "npy-rows", "npz-rows", "h5-rows", "records"]
    path: SafePath
    suffixes: tuple[str, ...] = ()
    where: dict[str, tuple[str, ...]] = Field(default={})
    date_column: str = ""
    since: str = ""
    before: str = ""
    file_column: str = ""
    folder: SafePath | None = None
    key: str = ""
    record_bytes: Size | None = None
    labels: SafePath | None = Field(default=None, description="npy-rows: the .npy of integer labels beside the data")
    labels_key: str = Field(default="", description="npz-rows: the array of integer labels in the same file")

    @model_validator(mode="after")
    def _fields_of_kind(self) -> Rule:
        fields = {"files": {"suffixes"}, "npy-rows": {"labels"}, "npz-rows": {"key", "labels_key"}, "records": {"record_bytes"}}
        fields["h5-rows"] = {"key"}
        fields["csv-rows"] = {"where", "date_column", "since", "before", "file_column", "folder"}
        extra = sorted(self.model_fields_set - {"kind", "path"} - fields.get(self.kind, set()))
        if extra:
            raise ValueError(f"a rule of kind {self.kind!r} does not read {', '.join(extra)}")
        for kind, field in (("records", "record_bytes"), ("npz-rows", "key"), ("h5-rows", "key")):
            if self.kind == kind and not getattr(self, field):
                raise ValueError(f"a rule of kind {kind!r} needs {field}")
        if bool(self.file_column) != bool(self.folder) or bool(self.date_column) != bool(self.since or self.before):
            raise ValueError("file_column goes with folder, date_column with since or before")
        return self


class Count(Record):
    """How many examples a split must hold. Without a rule the number is told, not checked."""

    split: Line
    n: Annotated[int, Field(ge=0, strict=True)] | None = None
    n_approx: Size | None = None
    confidence: Confidence
    source: str = ""
    per_class: Size | None = Field(default=None, description="every class holds as many")
    histogram: tuple[int, ...] = Field(default=(), description="examples per class, by label (folders: by sorted name)")
    label_histogram: Sha256 | None = Field(default=None, description="hash of the histogram, see `histogram_hash`")
    rule: Rule | None = None
    optional: bool = Field(default=False, description="absent data is no fault")

    @model_validator(mode="after")
    def _consistent(self) -> Count:
        if (self.n is None) == (self.n_approx is None):
            raise ValueError("give n or n_approx, one of the two")
        if self.histogram and self.per_class:
            raise ValueError("give histogram or per_class, not both")
        if self.histogram and sum(self.histogram) != self.n:
            raise ValueError(f"the histogram adds up to {sum(self.histogram)}, not to n")
        if self.histogram and self.label_histogram not in (None, histogram_hash(self.histogram)):
            raise ValueError("label_histogram is not the hash of histogram")
        return self
