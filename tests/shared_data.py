"""Real data and weights that are too large for the repository: used where they are, tests skip where they are not."""

import os
from pathlib import Path


def shared(*parts: str) -> Path | None:
    """A path below `$REPRO_SHARED`, or else below the folder `shared` beside the repository; None where it is absent."""
    root = os.environ.get("REPRO_SHARED")
    path = Path(root) if root else Path(__file__).resolve().parent.parent.parent / "shared"
    path = path.joinpath(*parts)
    return path if path.exists() else None
