"""Facts about bytes: what a dataset or a checkpoint family consists of, where it is, and how to know that it arrived whole."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mirror(Record):
    """One place where a file's bytes can be had; `identical` is False where the host serves other bytes of the same content."""

    url: str
    identical: bool = True
    note: str = ""


class File(Record):
    """One downloadable file. What is not known is absent; `*_prefix` holds leading hex digits only."""

    name: str = Field(description="path below the dataset's root, with forward slashes")
    mirrors: tuple[Mirror, ...] = ()
    bytes: int | None = None
    bytes_approx: int | None = None
    md5: str | None = None
    sha256: str | None = None
    md5_prefix: str | None = None
    sha256_prefix: str | None = None
    unpack: Literal["none", "tar", "zip", "gz"] = "none"
    unpack_to: str = ""
    source: str = Field(default="", description="where these facts were seen")
    confidence: str = ""
