"""Where facts and real data lie that are not part of the repository: tests that need them skip without."""

from __future__ import annotations

import os
from pathlib import Path


def shared(*parts: str) -> Path | None:
    """`$REPRO_SHARED/<parts>`, else `../shared/<parts>` beside the repository; None where there is no such file."""
    named = os.environ.get("REPRO_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parent.parent.parent / "shared"
    path = root.joinpath(*parts)
    return path if path.exists() else None
