"""What records of facts are made of: paths that stay below a root, web addresses, hashes. A wrong form is refused when it is read."""

from __future__ import annotations

import os
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

# The parameters of signed and personal download links: token=, access_token=, X-Amz-Signature=, sig=, api_key= and the like.
_SECRET = re.compile(r"([?&][^=&#]*(?:token|sig|secret|pass|credential|key|auth)[^=&#]*=)[^&#]*", re.IGNORECASE)


def _safe_path(path: str) -> str:
    """Refuse a path that could leave the dataset's root on any platform."""
    if not path:
        raise ValueError("the path is empty")
    if not path.isprintable():
        raise ValueError("the path holds a control character")
    if "\\" in path:
        raise ValueError("the path holds a backslash: write forward slashes")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise ValueError("the path is absolute: it must lie below the dataset's root")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("the path has an empty, '.' or '..' part: it must lie below the dataset's root")
    return path


def _web_address(url: str) -> str:
    """Refuse what a downloader must not be handed: file:, ftp:, a blank that splits a command line."""
    if " " in url or not url.isprintable():
        raise ValueError("the address holds a blank or a control character")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address must begin with http:// or https:// and name a host")
    _ = parts.port  # raises ValueError for what is no port
    return url


def without_password(url: str) -> str:
    """The address as it may be shown and kept: no user's name, no password, no token or signature among its parameters."""
    return _SECRET.sub(r"\1…", re.sub(r"^([a-zA-Z]+://)[^/?#]*@", r"\1", url))


def without_secrets(text: str) -> str:
    """A text that may be kept and shown: no password in its addresses, no token of this process's environment."""
    for name, value in os.environ.items():
        if len(value) >= 6 and re.search(r"token|secret|password|api_?key|credential", name, re.IGNORECASE):
            text = text.replace(value, "…")
    text = re.sub(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#@]+@", r"\1", text)
    return _SECRET.sub(r"\1…", text)


def _hex_digits(least: int, most: int) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(r"[0-9a-f]*", text) or not least <= len(text) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ValueError(f"it should be {wanted} lower-case hex digits; it has {len(text)} characters")
        return text

    return AfterValidator(check)


SafePath = Annotated[str, AfterValidator(_safe_path)]
Url = Annotated[str, AfterValidator(_web_address)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.\-]*$")]
Line = Annotated[str, StringConstraints(pattern=r"^[^\n]*$")]
Md5 = Annotated[str, _hex_digits(32, 32)]
Sha1 = Annotated[str, _hex_digits(40, 40)]
Sha256 = Annotated[str, _hex_digits(64, 64)]
HexPrefix = Annotated[str, _hex_digits(4, 127)]
Size = Annotated[int, Field(ge=1, strict=True)]


class Record(BaseModel):
    """Frozen, and closed: a key it does not know is a typo."""

    model_config = ConfigDict(frozen=True, extra="forbid")
