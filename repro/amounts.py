"""Bytes as people read them."""

from __future__ import annotations


def in_units(count: int, approximate: bool = False) -> str:
    """`170 MB`, `2.64 GB`, `about 10.7 GB`: decimal units, three digits."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 0 if value >= 100 or unit == "B" else 1 if value >= 10 else 2
    return f"{'about ' if approximate else ''}{value:.{digits}f} {unit}"
