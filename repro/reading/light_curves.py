"""Light curves in files, one JSON object per line, as Connect Later's data sets on Hugging Face have them.

{"object_id": "plasticc_000253796", "times_wv": [[time, wavelength], …], "lightcurve": [[flux, error], …], "label": 3, "redshift": 0.41}

Times are in days, wavelengths in ångström. Rows after the last observation may be zeros, up to 300 of them in all
(helenqu/connect-later@6a12eab connect_later/raw_data_to_examples.py:43-75); time 0 marks them (dataset_preprocess_raw.py:61-65). An augmented
copy is called after its original, `<object_id>_aug_<letters>` (kboone/avocado@cd7809d avocado/augment.py:436-440). `target` may stand for
`lightcurve`; `label` is a number or a name, and it and `redshift` may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from repro.errors import UserError

COPY = "_aug_"


class LightCurve(NamedTuple):
    """`observations`: float64 (L, 4) of time, wavelength, flux and its error, as the file orders them."""

    name: str
    observations: np.ndarray
    label: int | str | None = None
    redshift: float | None = None

    @property
    def original(self) -> str:
        """The object of which this is a copy; its own name where it is none."""
        return self.name.partition(COPY)[0]

    @property
    def is_copy(self) -> bool:
        return COPY in self.name


def read(path: Path) -> list[LightCurve]:
    """All light curves of a file, in its order. `UserError`: it cannot be read, or a line is no light curve."""
    try:
        with open(path, encoding="utf-8") as file:
            return [_parse(line, f"{path}:{number}") for number, line in enumerate(file, 1) if line.strip()]
    except OSError as error:
        raise UserError(f"cannot read {path}", error.strerror or str(error), f"put the file there: {path}") from None


def _parse(line: str, where: str) -> LightCurve:
    try:
        record: dict[str, Any] = json.loads(line)
        places = np.array(record["times_wv"], np.float64).reshape(-1, 2)
        fluxes = np.array(record["lightcurve"] if "lightcurve" in record else record["target"], np.float64).reshape(-1, 2)
        observations = np.concatenate([places, fluxes], axis=1)[places[:, 0] != 0]
        redshift = record.get("redshift")
        return LightCurve(str(record["object_id"]), observations, record.get("label"), None if redshift is None else float(redshift))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where} is no light curve",
            f"{type(error).__name__}: {error}",
            "a line is a JSON object with object_id, times_wv and lightcurve, the last two of equal length",
        ) from None


def write(path: Path, curves: Iterable[LightCurve]) -> None:
    """The same format, without padding."""
    with open(path, "w", encoding="utf-8") as file:
        for curve in curves:
            record: dict[str, Any] = {
                "object_id": curve.name,
                "times_wv": curve.observations[:, :2].tolist(),
                "lightcurve": curve.observations[:, 2:].tolist(),
            }
            told = {"label": curve.label, "redshift": curve.redshift}
            file.write(json.dumps(record | {name: value for name, value in told.items() if value is not None}) + "\n")


def without_copies(curves: Sequence[LightCurve]) -> list[LightCurve]:
    return [curve for curve in curves if not curve.is_copy]
