"""Files of light curves against an independent reading with pandas, padded as the authors' script writes them."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.errors import UserError
from repro.reading import flares, light_curves
from repro.reading.light_curves import LightCurve


def published(path: Path, curves: list[LightCurve], length: int = 300) -> None:
    """Lines as connect_later/raw_data_to_examples.py leaves them: zeros up to 300 observations."""
    lines = []
    for curve in curves:
        padded = np.zeros((length, 4))
        padded[: len(curve.observations)] = curve.observations
        record = {"object_id": curve.name, "times_wv": padded[:, :2].tolist(), "lightcurve": padded[:, 2:].tolist()}
        lines.append(json.dumps(record | {"label": curve.label, "redshift": curve.redshift}))
    path.write_text("\n".join(lines) + "\n")


def test_reading_is_that_of_pandas_without_the_padding(tmp_path: Path) -> None:
    made = [flares.make(f"plasticc_{number:09d}", number % 14, 0.3, number) for number in range(20)]
    published(tmp_path / "a.jsonl", made)
    frame = pd.read_json(io.StringIO((tmp_path / "a.jsonl").read_text()), lines=True, precise_float=True)
    found = light_curves.read(tmp_path / "a.jsonl")
    assert len(found) == len(frame) == 20
    for curve, (_, row) in zip(found, frame.iterrows(), strict=True):
        whole = np.hstack([np.array(row["times_wv"]), np.array(row["lightcurve"])])
        assert whole.shape == (300, 4)
        assert np.array_equal(curve.observations, whole[whole[:, 0] != 0])
        assert (curve.name, curve.label, curve.redshift) == (row["object_id"], row["label"], row["redshift"])


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    made = [flares.make("a", 3, 0.2, 1), LightCurve("b", np.array([[1.5, 2.5, -3.5, 4.5]]), "Ia"), LightCurve("c", np.ones((2, 4)))]
    light_curves.write(tmp_path / "a.jsonl", made)
    found = light_curves.read(tmp_path / "a.jsonl")
    assert [(one.name, one.label, one.redshift) for one in found] == [(one.name, one.label, one.redshift) for one in made]
    assert all(np.array_equal(a.observations, b.observations) for a, b in zip(found, made, strict=True))


def test_copies_are_known_by_their_names() -> None:
    made = [LightCurve(name, np.ones((1, 4))) for name in ("plasticc_000253796", "plasticc_000253796_aug_abcdefghij")]
    assert [curve.original for curve in made] == ["plasticc_000253796"] * 2 and [curve.is_copy for curve in made] == [False, True]
    assert [len(curve.name) for curve in made] == [18, 33]  # the lengths that the published data set's viewer shows
    assert light_curves.without_copies(made) == made[:1]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"object_id": 1}', '{"object_id": 1, "times_wv": [[1, 2]], "lightcurve": [[1, 2], [3, 4]]}', '{"object_id": 1, "times_wv": [["x", 2]], "lightcurve": [[1, 2]]}']
)  # fmt: skip
def test_a_line_that_is_no_light_curve_is_named(tmp_path: Path, line: str) -> None:
    good = '{"object_id": 1, "times_wv": [[1, 2]], "target": [[3, 4]]}'
    (tmp_path / "a.jsonl").write_text(f"{good}\n\n{line}\n")
    with pytest.raises(UserError, match=r"a\.jsonl:3 is no light curve"):
        light_curves.read(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text(good)
    assert light_curves.read(tmp_path / "b.jsonl")[0].observations.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(UserError, match="cannot read"):
        light_curves.read(tmp_path / "absent.jsonl")
