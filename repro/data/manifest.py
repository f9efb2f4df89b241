"""Facts about bytes: what a dataset or a checkpoint family consists of, where it is, and how to know that it arrived whole."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from repro import paths
from repro.data.counts import Confidence, Count
from repro.data.fields import HexPrefix, Line, Md5, Name, Record, SafePath, Sha1, Sha256, Size, Url
from repro.data.toml_errors import explain, explain_syntax
from repro.errors import UserError, unknown


class Mirror(Record):
    """One place where a file's bytes can be had; `identical` is False where the host serves other bytes of the same content."""

    url: Url
    identical: bool = True
    note: str = ""


class File(Record):
    """One downloadable file. What is not known is absent; `*_prefix` holds leading hex digits only."""

    name: SafePath = Field(description="path below the dataset's root, with forward slashes")
    mirrors: tuple[Mirror, ...] = ()
    bytes: Size | None = None
    bytes_approx: Size | None = None
    md5: Md5 | None = None
    sha256: Sha256 | None = None
    md5_prefix: HexPrefix | None = None
    sha256_prefix: HexPrefix | None = None
    sha512_prefix: HexPrefix | None = None
    git_blob: Sha1 | None = Field(default=None, description="sha1 of b'blob <size>\\0' + content, as git names it")
    unpack: Literal["none", "tar", "zip", "gz"] = "none"
    unpack_to: SafePath | Literal[""] = Field(default="", description="folder below the root; empty is the root itself")
    nested: tuple[SafePath, ...] = Field(default=(), description="patterns of archives inside that are unpacked where they lie")
    members: dict[SafePath, Md5] = Field(default={}, description="md5 of unpacked files, by their path below the root")
    optional: bool = Field(default=False, description="no paper's main table needs it: fetched only when asked for by name")
    licence: str = Field(default="", description="where it differs from the dataset's")
    source: str = Field(default="", description="where these facts were seen")
    confidence: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> File:
        if self.bytes is not None and self.bytes_approx is not None:
            raise ValueError("give bytes or bytes_approx, not both")
        if self.unpack == "none" and (self.unpack_to or self.nested or self.members):
            raise ValueError("unpack_to, nested and members need an unpack rule")
        return self


class Layout(Record):
    """What must lie below the root after unpacking; a pattern must match at least once."""

    required: tuple[SafePath, ...] = ()
    patterns: tuple[SafePath, ...] = ()


class Note(Record):
    """A trap or a gap, and how far it can be trusted."""

    text: str
    confidence: Confidence = "verified"
    url: Url | None = None


class Converted(Record):
    """The same content in another packing: its bytes differ from the official ones, so no hash of this manifest applies to it."""

    url: Url
    packing: Literal["parquet", "webdataset", "weights"]
    splits: tuple[Line, ...] = ()
    of: str = Field(default="", description="the file it stands for, where it is not the whole")
    converter: Literal["", "camelyon17-parquet", "class-folders"] = Field(default="", description="see repro/convert.py; empty: none")
    folders: tuple[SafePath, ...] = Field(default=(), description="class-folders: the folder of each label; empty: the number itself")
    into: dict[str, SafePath] = Field(default={}, description="class-folders: split of the copy to folder below the root")
    suffix: str = Field(default="", description="class-folders: image format that the official layout uses")
    note: str = ""
    confidence: Confidence = "verified"

    @model_validator(mode="after")
    def _consistent(self) -> Converted:
        if (self.converter == "class-folders") != bool(self.into and self.suffix):
            raise ValueError("into and suffix are for, and needed by, the converter 'class-folders'")
        return self


class Manifest(Record):
    """All that is known about one dataset or one checkpoint family."""

    name: Name
    kind: Literal["dataset", "checkpoint"]
    title: Line
    caption: Line = Field(description="one line for listings")
    version: str = ""
    licence: str = ""
    citation: str = ""
    homepage: Url | None = None
    access: Literal["open", "manual", "registration"] = "open"
    steps: tuple[Line, ...] = Field(default=(), description="what the user does by hand, in order")
    classes: Size | None = None
    used_by: tuple[Line, ...] = Field(default=(), description="papers whose tables need it")
    requires: tuple[Name, ...] = ()
    ships: tuple[SafePath, ...] = Field(default=(), description="data files beside the manifest that belong to it")
    layout: Layout = Layout()
    files: tuple[File, ...] = ()
    counts: tuple[Count, ...] = ()
    converted: tuple[Converted, ...] = ()
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if (self.access == "open") == bool(self.steps):
            raise ValueError(f"access is {self.access!r}: {'steps are for' if self.steps else 'name the steps of'} manual or registration")
        for what, seen in (("file", [file.name for file in self.files]), ("split", [count.split for count in self.counts])):
            twice = sorted({name for name in seen if seen.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]!r} is named twice")
        return self

    def file(self, name: str) -> File:
        """The file of that name; an unknown one suggests the nearest."""
        for file in self.files:
            if file.name == name:
                return file
        raise unknown(f"file in {self.name}", name, [file.name for file in self.files], "repro data list")


def names() -> list[str]:
    """The names of all manifests that ship with the program, sorted: the folder is the registry."""
    return sorted(path.name.removesuffix(".toml") for path in paths.manifests_dir().glob("*.toml"))


def load(name: str) -> Manifest:
    """The manifest of that name. `UserError`: an unknown name (with the nearest), or a fault in the file (with line and field)."""
    known = names()
    if name not in known:
        raise unknown("manifest", name, known, "repro data list")
    manifest = read(paths.manifests_dir() / f"{name}.toml")
    if manifest.name != name:
        raise UserError(f"{name}.toml: name is wrong", f"it says {manifest.name!r}, the file's name says {name!r}", f"edit {name}.toml")
    return manifest


def read(path: Path) -> Manifest:
    """The manifest in a file of any name; a fault is a `UserError` with file, line and field."""
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise explain_syntax(error, path) from None


def parse(text: str, path: Path) -> Manifest:
    """The manifest in `text`; `path` only names it in errors."""
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise explain(error, text, path, Manifest) from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number too long for Python
        raise explain_syntax(error, path) from None


# What a run's key may depend on. Prose, mirrors and sources can be mended without making finished runs stale.
_IDENTITY = {"name", "kind", "version", "files", "layout", "counts", "classes", "requires"}
_FILE_PROSE = {"mirrors", "licence", "source", "confidence", "optional"}
_COUNT_PROSE = {"confidence", "source", "rule", "optional"}


def digest(manifest: Manifest) -> str:
    """sha256 (hex) of the canonical JSON of what identifies the content: files with sizes and hashes, layout, counts.

    Comments, the order of keys, files and splits, mirrors and prose do not enter; a field that is absent does not either, so a
    field added to the schema later leaves older digests as they are.
    """
    record = manifest.model_dump(mode="json", include=_IDENTITY, exclude_defaults=True)
    record["files"] = _sorted_without(record.get("files", ()), "name", _FILE_PROSE)
    record["counts"] = _sorted_without(record.get("counts", ()), "split", _COUNT_PROSE)
    record["layout"] = {key: sorted(values) for key, values in record.get("layout", {}).items()}
    record["requires"] = sorted(record.get("requires", ()))
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sorted_without(entries: Sequence[dict], by: str, dropped: set[str]) -> list[dict]:
    kept = [{key: value for key, value in entry.items() if key not in dropped} for entry in entries]
    return sorted(kept, key=lambda entry: entry[by])
