"""Redshifting, part by part against formulas written otherwise, and on real supernovae where they are at hand."""

import numpy as np
import pytest
from shared_folder import shared

from repro.reading import flares, redshifting
from repro.reading.light_curves import LightCurve
from repro.reading.redshifting import Survey, fit, luminosity_distance, move, new_redshift, survey_of

QUIET = Survey({band: (-np.inf, 0.0) for band in flares.BANDS}, np.array([60]))


def supernova(redshift: float = 0.3, count: int = 80) -> LightCurve:
    rng = np.random.default_rng(0)
    times, bands = 56_000 + np.sort(rng.uniform(0, 120, count)), np.array(flares.BANDS)[rng.integers(6, size=count)]
    flux = 100 * np.exp(-(((times - 56_040) / 15) ** 2) / 2) * (1 + (bands - 6000) / 20_000)
    return LightCurve("sn", np.stack([times, bands, flux + rng.normal(0, 1, count), np.ones(count)], axis=1), 0, redshift)


def test_the_distance_is_the_sum_over_small_steps_and_known_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    for redshift in (0.1, 0.5, 1.2):
        at = (np.arange(20_000) + 0.5) / 20_000 * redshift
        rough = (1 + redshift) * redshift * np.mean(1 / np.sqrt(0.3 * (1 + at) ** 3 + 0.7))
        assert luminosity_distance(redshift) == pytest.approx(rough, rel=1e-7)
    monkeypatch.setattr(redshifting, "MATTER", 1.0)  # Einstein and de Sitter's: 2(1+z)(1 − 1/√(1+z))
    assert luminosity_distance(1.0) == pytest.approx(4 * (1 - 2**-0.5))


def test_new_redshifts_are_log_uniform_within_the_bounds() -> None:
    rng = np.random.default_rng(0)
    for redshift, top in ((0.05, 0.25), (0.5, 1.25)):  # five times; one and a half times 1 + z
        drawn = np.log([new_redshift(redshift, rng) for _ in range(4000)])
        low, high = np.log([0.95 * redshift, top])
        assert drawn.min() >= low and drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.03) and drawn.std() == pytest.approx((high - low) / 12**0.5, abs=0.02)


def test_the_process_is_the_formula_of_gaussian_processes() -> None:
    curve = supernova()
    process, scale = fit(curve.observations)
    variance, (time, wavelength) = process.kernel_.k1.constant_value, process.kernel_.k2.length_scale
    assert wavelength == pytest.approx(6000, rel=1e-5) and 1 <= time <= 1000

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        r = np.sqrt(3 * (((a[:, None] - b[None]) / [time, wavelength]) ** 2).sum(axis=-1))
        return variance * (1 + r) * np.exp(-r)

    places = curve.observations[:, :2]
    asked = places[::7] + np.array([3.0, 200.0])
    inverse = np.linalg.inv(kernel(places, places) + np.diag((curve.observations[:, 3] / scale) ** 2))
    mean, deviation = process.predict(asked, return_std=True)
    assert mean == pytest.approx(kernel(asked, places) @ inverse @ curve.observations[:, 2] / scale, abs=1e-6)
    spread = kernel(asked, asked) - kernel(asked, places) @ inverse @ kernel(places, asked)
    assert deviation == pytest.approx(np.sqrt(np.diag(spread)), abs=1e-5)
    assert np.abs(scale * process.predict(places) - curve.observations[:, 2]).mean() < 2  # near the noise of 1


def test_without_noise_and_at_its_own_redshift_a_copy_lies_on_the_process() -> None:
    curve = supernova()
    process, scale = fit(curve.observations)
    moved = move(curve, 0.3, QUIET, np.random.default_rng(1), (process, scale))
    shift = np.subtract.outer(moved[:, 0], curve.observations[:, 0])
    assert (np.diff(moved[:, 0]) >= 0).all() and len(moved) <= 60
    delta = [d for d in np.unique(shift.round(6)) if (np.abs(shift - d) < 1e-5).sum() == len(moved)]  # one shift explains all times
    assert len(delta) == 1 and abs(delta[0]) <= 50
    back = np.stack([moved[:, 0] - delta[0], moved[:, 1]], axis=1)
    assert moved[:, 2] == pytest.approx(scale * process.predict(back), rel=1e-5, abs=1e-5)


def test_farther_is_fainter_longer_and_bluer_light_is_seen_in_redder_bands() -> None:
    curve = supernova()
    fitted = fit(curve.observations)
    moved = move(curve, 0.6, QUIET, np.random.default_rng(1), fitted)
    stretch = 1.6 / 1.3
    dimmed = (luminosity_distance(0.3) / luminosity_distance(0.6)) ** 2
    assert 0.1 < dimmed < 0.3
    shown = curve.observations[:, 0]
    peak = shown[curve.observations[:, 2].argmax()]
    candidates = [moved[0, 0] - (peak + stretch * (one - peak)) for one in shown]

    def error(shift: float) -> float:
        at = (moved[:, 0] - shift - peak) / stretch + peak
        return np.abs(np.subtract.outer(at, shown)).min(axis=1).max()

    shift = min(candidates, key=error)
    assert error(shift) < 1e-6 and abs(shift) <= 50
    at = np.stack([(moved[:, 0] - shift - peak) / stretch + peak, moved[:, 1] / stretch], axis=1)
    assert moved[:, 2] == pytest.approx(dimmed * fitted[1] * fitted[0].predict(at), rel=1e-4, abs=1e-4)


def test_what_a_survey_would_not_detect_has_no_copy() -> None:
    curve = supernova()
    loud = Survey({band: (9.0, 0.1) for band in flares.BANDS}, np.array([60]))
    assert redshifting.copies(curve, 5, loud, np.random.default_rng(0)) == []
    found = redshifting.copies(curve, 5, QUIET, np.random.default_rng(0))
    assert len(found) == 5 and all(copy.original == "sn" and copy.is_copy and copy.label == 0 for copy in found)
    assert len({copy.name for copy in found}) == 5 and all(0.285 <= copy.redshift <= 0.95 for copy in found)
    again = redshifting.copies(curve, 5, QUIET, np.random.default_rng(0))
    assert all(np.array_equal(a.observations, b.observations) for a, b in zip(found, again, strict=True))
    assert redshifting.copies(curve._replace(redshift=None), 5, QUIET, np.random.default_rng(0)) == []
    assert redshifting.copies(curve._replace(redshift=0.0), 5, QUIET, np.random.default_rng(0)) == []


def test_a_surveys_noise_is_that_of_its_errors() -> None:
    curves = [flares.make(f"a_{number}", number % 3, 0.2, number) for number in range(30)]
    survey = survey_of(curves)
    assert list(survey.noise) == sorted(flares.BANDS) and survey.counts.tolist() == [len(curve.observations) for curve in curves]
    errors = np.concatenate([curve.observations[curve.observations[:, 1] == flares.BANDS[2], 3] for curve in curves])
    assert survey.noise[flares.BANDS[2]] == pytest.approx((np.log(errors).mean(), np.log(errors).std()))


@pytest.mark.skipif(
    shared("data", "snpcc_lightcurves", "snpcc.npz") is None,
    reason="the simulated supernovae of SNPCC are not here; REPRO_SHARED names their folder",
)
def test_the_noise_of_the_real_survey_is_near_avocados_constants() -> None:
    """kboone/avocado@cd7809d avocado/spcc.py:339, for griz: our estimate is over all observations, theirs is not told."""
    with np.load(shared("data", "snpcc_lightcurves", "snpcc.npz")) as pack:
        bands, errors = pack["band"], pack["flux_err"]
        for band, mean in enumerate((1.459, 0.807, 1.305, 1.285)):
            assert np.log(errors[(bands == band) & (errors > 0)]).mean() == pytest.approx(mean, abs=0.2)
