"""Synthetic light curves: the same each time, and such that the class can be told."""

import numpy as np

from repro.reading import flares


def test_the_same_arguments_give_the_same_flare_and_others_another() -> None:
    one, again, other = (flares.make("a", 3, 0.2, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.observations, again.observations) and one.redshift == again.redshift
    assert one.observations.shape != other.observations.shape or not np.array_equal(one.observations, other.observations)
    assert 0.13 <= one.redshift <= 0.27 and (np.diff(one.observations[:, 0]) >= 0).all() and (one.observations[:, 3] > 0).all()


def test_a_class_has_its_duration_and_farther_is_fainter() -> None:
    peaks = {
        redshift: np.mean([flares.make("a", 2, redshift, seed).observations[:, 2].max() for seed in range(20)]) for redshift in (0.1, 0.5)
    }
    assert peaks[0.1] > 1.5 * peaks[0.5]
    copy = flares.farther(flares.make("plasticc_000000007", 4, 0.1, 7))
    assert copy.is_copy and copy.original == "plasticc_000000007" and copy.label == 4 and copy.redshift > 0.2
