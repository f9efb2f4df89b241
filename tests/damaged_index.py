"""What can happen to the index of results."""

from __future__ import annotations

import sqlite3
from pathlib import Path

CHANGES = {
    "other form": "PRAGMA user_version = 7",
    "broken record": "UPDATE result SET recipe = '{'",
    "other text": "UPDATE made SET content = replace(content, '0.5', '0.9')",
    "broken text": "UPDATE made SET content = NULL, seal = 7",
}
DAMAGES = ("garbage", "truncated", "removed", *CHANGES)


def damage(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"no database" * 100)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "removed":
        path.unlink()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(CHANGES[how])
        connection.close()
