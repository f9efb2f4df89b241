"""Synthetic light curves whose class can be learned: what tiny subsets are made of. Nothing measured on them says anything of real ones."""

from __future__ import annotations

import numpy as np

from repro.reading.light_curves import COPY, LightCurve

BANDS = (3670.69, 4826.85, 6223.24, 7545.98, 8590.9, 9710.28)  # ugrizy of LSST: helenqu/connect-later@6a12eab raw_data_to_examples.py:15
FIRST_DAY = 59_580.0


def make(name: str, kind: int, redshift: float, *seed: int) -> LightCurve:
    """A flare whose duration and colour are its class, stretched, reddened and dimmed by its redshift (spread by a third around it)."""
    rng = np.random.default_rng([kind, int(1e6 * redshift), *seed])
    redshift *= rng.uniform(0.67, 1.33)
    count = int(rng.integers(20, 60))
    times = FIRST_DAY + np.sort(rng.uniform(0, 300, count))
    bands = np.array(BANDS)[rng.integers(len(BANDS), size=count)]
    duration, colour = 10.0 * 1.25**kind * (1 + redshift), BANDS[kind % len(BANDS)] * (1 + redshift)
    phase = (times - FIRST_DAY - rng.uniform(60, 240)) / duration
    flux = 100 / (1 + 10 * redshift) * np.exp(-(phase**2) / 2 - ((bands - colour) / 2500) ** 2 / 2)
    error = rng.uniform(0.5, 2.0, count)
    return LightCurve(name, np.stack([times, bands, flux + rng.normal(0, error), error], axis=1).round(4), kind, round(redshift, 4))


def farther(curve: LightCurve) -> LightCurve:
    """A copy as a targeted augmentation's file would have it."""
    kind, number = int(curve.label), int(curve.name.rpartition("_")[2])
    return make(f"{curve.name}{COPY}abcdefghij", kind, 0.4, number, 1)
