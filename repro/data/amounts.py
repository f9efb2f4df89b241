"""Bytes as people read them."""

from __future__ import annotations


def size(count: int | None, approximate: bool = False, unsized: int = 0) -> str:
    """`137 MB`, `~10.7 GB`, `>1.8 MB` where some are of unknown size, `unknown` where all are; decimal units, as hosts and disks are labelled."""
    if count is None:
        return "unknown"
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 0 if value >= 100 or unit == "B" else 1
    sign = ">" if unsized else "~" if approximate and count else ""
    return f"{sign}{value:.{digits}f} {unit}"
