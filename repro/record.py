"""What every record is made of, and the canonical form that names it: the same content always has the same name."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, floats as Python's shortest repr; NaN and infinities are refused."""

    def plain(item: Any) -> Any:
        if isinstance(item, BaseModel):
            item = item.model_dump(mode="json")
        if isinstance(item, dict):
            return {str(key): plain(val) for key, val in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(val) for val in item]
        if isinstance(item, float):
            if not math.isfinite(item):
                raise ValueError(f"{item} cannot be part of a key")
            return int(item) if item.is_integer() and abs(item) < 2**53 else item
        return item

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
