"""Redshifting, the targeted augmentation of light curves: an object as it would look farther away.

A Gaussian process over time and wavelength is fitted to the object's fluxes; it is read off where the new redshift moves the observed
bands, stretched in time, dimmed as the luminosity distance says, and observed with a survey's noise. Qu and Xie 2024 take the method of
Boone 2019, and publish only what came out; here it follows the code of that, for supernovae of DES: kboone/avocado@cd7809d
avocado/astronomical_object.py:155-266 (the process), avocado/augment.py:324-408 (the new light curve), avocado/spcc.py:217-268 (the new
redshift), 319-487 (noise, detection and times).

Differences, each on purpose: no background is subtracted before the fit (fluxes are differences already); the noise and the number of
observations are those of the survey's own unlabelled curves, not constants; nothing is discarded by its magnitude; radiation is left out
of the distance (10⁻⁴ of it).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from repro.reading.light_curves import COPY, LightCurve

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

MATTER = 0.3  # of a flat universe; the Hubble constant cancels
WAVELENGTH_SCALE = 6000.0  # ångström, of the kernel, not fitted
TIME_SCALE = 20.0  # days, where its fit starts
MAX_SHIFT, PADDING, DROPPED = 50.0, 100.0, 0.1  # days, days, share of the observations that is always left out
FEWEST_DETECTED = 2


class Survey(NamedTuple):
    """How a survey looks: per wavelength the mean and deviation of the logarithm of the flux's error, and how often objects are observed."""

    noise: dict[float, tuple[float, float]]
    counts: np.ndarray


def survey_of(curves: Sequence[LightCurve]) -> Survey:
    """From unlabelled curves, the target's among them."""
    every = np.concatenate([curve.observations for curve in curves])
    noise = {}
    for wavelength in np.unique(every[:, 1]):
        errors = np.log(every[(every[:, 1] == wavelength) & (every[:, 3] > 0), 3])
        noise[float(wavelength)] = (float(errors.mean()), float(errors.std())) if len(errors) else (-np.inf, 0.0)
    return Survey(noise, np.array([len(curve.observations) for curve in curves]))


def fit(observations: np.ndarray) -> tuple[GaussianProcessRegressor, float]:
    """A Matérn-3/2 process of fluxes over (time, wavelength), and the flux in whose units it is.

    Its variance starts at (scale/2)², scale being the flux of highest signal to noise, and its time scale at 20 days; both are fitted, the
    variance within e^±10, the time scale within 1 and 1000 days.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    flux, error = observations[:, 2], observations[:, 3]
    ratio = np.abs(flux) / np.sqrt(error**2 + (1e-2 * flux.max()) ** 2 + 1e-12)
    scale = float(np.abs(flux[ratio.argmax()])) or 1.0
    variance = ConstantKernel(0.25, (0.25 * np.exp(-10), 0.25 * np.exp(10)))
    fixed = (
        WAVELENGTH_SCALE * (1 - 1e-6),
        WAVELENGTH_SCALE * (1 + 1e-6),
    )  # scikit-learn fixes all of an anisotropic kernel's scales or none
    kernel = variance * Matern([TIME_SCALE, WAVELENGTH_SCALE], [(1.0, 1000.0), fixed], nu=1.5)
    process = GaussianProcessRegressor(kernel, alpha=np.maximum((error / scale) ** 2, 1e-10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that a scale stands at its bound is expected
        process.fit(observations[:, :2], flux / scale)
    return process, scale


def luminosity_distance(redshift: float) -> float:
    """(1+z)·∫₀ᶻ dx/√(Ω(1+x)³ + 1−Ω), in units of c/H₀."""
    from scipy.integrate import quad

    return (1 + redshift) * quad(lambda x: (MATTER * (1 + x) ** 3 + 1 - MATTER) ** -0.5, 0, redshift)[0]


def new_redshift(redshift: float, rng: np.random.Generator) -> float:
    """Log-uniform from 0.95·z to the lesser of 5·z and 1.5·(1+z)−1, beyond which the process would be read where it was not fitted."""
    return float(np.exp(rng.uniform(np.log(0.95 * redshift), np.log(min(5 * redshift, 1.5 * (1 + redshift) - 1)))))


def _times(observations: np.ndarray, stretch: float, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New times, the times of the original that they show, and wavelengths: at most `count` observations, a tenth left out."""
    shown, wavelengths = observations[:, 0], observations[:, 1]
    peak = shown[observations[:, 2].argmax()]
    times = peak + stretch * (shown - peak) + rng.uniform(-MAX_SHIFT, MAX_SHIFT)
    inside = (times > shown.min() - PADDING) & (times < shown.max() + PADDING)
    rows, bands = np.flatnonzero(inside), wavelengths[inside]
    extra = int(count * (stretch - 1))
    if len(rows) and extra > 0:  # farther away, the same curve is observed more often
        rows = np.concatenate([rows, rng.choice(rows, extra)])
        bands = np.concatenate([bands, rng.choice(np.unique(wavelengths), extra)])
    left = min(len(rows), int(max(len(rows) - count, DROPPED * count)))
    kept = np.sort(rng.permutation(len(rows))[left:])
    return times[rows[kept]], shown[rows[kept]], bands[kept]


def move(curve: LightCurve, redshift: float, survey: Survey, rng: np.random.Generator, fitted=None) -> np.ndarray | None:
    """The observations (L, 4) of an object at another redshift, in order of time; None where the survey would not have detected it.

    Detected is an observation with probability (1 + erf((|flux|/error − 5.5)/2))/2, an object from two of them on.
    """
    from scipy.special import erf

    process, scale = fitted or fit(curve.observations)
    stretch = (1 + redshift) / (1 + curve.redshift)
    times, shown, bands = _times(curve.observations, stretch, int(rng.choice(survey.counts)), rng)
    if not len(times):
        return None
    mean, deviation = process.predict(np.stack([shown, bands / stretch], axis=1), return_std=True)
    dimmed = scale * (luminosity_distance(curve.redshift) / luminosity_distance(redshift)) ** 2
    noise = np.array([survey.noise[float(band)] for band in bands])
    added = np.exp(rng.normal(noise[:, 0], noise[:, 1]))
    flux = dimmed * mean + rng.normal(0.0, added)
    error = np.sqrt((dimmed * deviation) ** 2 + added**2)
    detected = rng.uniform(size=len(flux)) < (1 + erf((np.abs(flux) / error - 5.5) / 2)) / 2
    if detected.sum() < FEWEST_DETECTED:
        return None
    return np.stack([times, bands, flux, error], axis=1)[np.argsort(times, kind="stable")]


def copies(curve: LightCurve, number: int, survey: Survey, rng: np.random.Generator) -> list[LightCurve]:
    """Up to `number` redshifted copies of a labelled object, its label theirs; fewer where a try would not have been detected.

    An object without a redshift, or of our galaxy (redshift 0), has none.
    """
    if not curve.redshift or curve.redshift < 0 or len(curve.observations) < 2:
        return []
    fitted, made = fit(curve.observations), []
    for _ in range(number):
        redshift = new_redshift(curve.redshift, rng)
        observations = move(curve, redshift, survey, rng, fitted)
        if observations is not None:
            letters = "".join(rng.choice(list(string.ascii_letters), 10))
            made.append(LightCurve(f"{curve.original}{COPY}{letters}", observations, curve.label, redshift))
    return made
