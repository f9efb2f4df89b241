"""Curves over checkpoints in a line of text each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

BARS = "▁▂▃▄▅▆▇█"
FEWEST = 3  # of two points there is nothing to see
WIDEST = 60  # characters


def curves(columns: Mapping[str, Sequence[float | None]]) -> Iterator[str]:
    """A line for each column that has points enough: its name, its course from its own lowest to its own highest value."""
    shown = {name: spark(values) for name, values in columns.items() if sum(value is not None for value in values) >= FEWEST}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        yield f"{name:<{width}} {text}"


def spark(values: Sequence[float | None]) -> str:
    """One character per value; of more than WIDEST, evenly chosen ones, the first and the last among them. A gap is a space."""
    known = [value for value in values if value is not None]
    low, span = min(known), max(known) - min(known)
    if len(values) > WIDEST:
        values = [values[round(place * (len(values) - 1) / (WIDEST - 1))] for place in range(WIDEST)]
    return "".join(" " if value is None else BARS[round((value - low) / span * (len(BARS) - 1))] if span else BARS[0] for value in values)
