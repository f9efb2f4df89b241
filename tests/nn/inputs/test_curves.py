"""Packs of light curves, padding and scaling, against the definition written out per example."""

from pathlib import Path

import numpy as np
import pytest
import small_curves
import torch

from repro.errors import UserError
from repro.nn.inputs import curves
from repro.nn.inputs.curves import Scaling
from repro.reading.examples import Examples


def by_hand(observations: np.ndarray, size: int, attended: bool) -> np.ndarray:
    """Connect Later's transform of one example padded with zeros: by channel over nonzero times and wavelengths, fluxes all together."""
    padded = np.zeros((size, 4))
    padded[: len(observations)] = observations
    made = np.zeros((size, 5))
    for axis, channel in ((0, 2), (1, 3)):
        row = padded[:, axis]
        low = row[row != 0].min()
        made[:, channel] = (row - low) / (row.max() - low)
    flux = padded[:, 2:] if attended else observations[:, 2:]
    made[: len(flux), :2] = (flux - flux.min()) / (flux.max() - flux.min())
    made[:, 4] = 1
    if not attended:
        made[len(observations) :] = 0
    return made


@pytest.mark.parametrize("padding", ["masked", "attended"])
def test_batches_are_the_definitions(tmp_path: Path, padding: str) -> None:
    size = 80
    loaded = small_curves.batches(tmp_path, Scaling(size, padding))
    batch = loaded.batch(small_curves.index(24))
    sources = small_curves.examples().sources
    longest = size if padding == "attended" else max(map(len, sources))
    assert batch.shape == (24, longest, curves.CHANNELS) and batch.dtype == torch.float32
    for row, source in enumerate(sources):
        assert batch[row].numpy() == pytest.approx(by_hand(source, longest, padding == "attended"), abs=1e-5, rel=1e-6), row


def test_a_batch_does_not_depend_on_its_company(tmp_path: Path) -> None:
    loaded = small_curves.batches(tmp_path)
    whole, lengths = loaded.batch(small_curves.index(24)), loaded.pack.lengths
    for row in (0, 5, 23):
        alone = loaded.batch(torch.tensor([row]))[0]
        assert len(alone) == lengths[row] and torch.equal(alone, whole[row, : lengths[row]])
        assert not whole[row, lengths[row] :].any()


def test_of_a_curve_that_is_too_long_the_middle_is_taken(tmp_path: Path) -> None:
    loaded = small_curves.batches(tmp_path, Scaling(11))
    values, there = loaded.pack.gather(small_curves.index(24), 11)
    assert there.all() and values.shape == (24, 11, 4)
    for row, source in enumerate(small_curves.examples().sources):
        begin = (len(source) - 11) // 2
        assert np.array_equal(values[row].numpy(), source[begin : begin + 11])


def test_a_curve_in_one_band_has_a_wavelength_of_zero_and_no_nan(tmp_path: Path) -> None:
    observations = np.array([[1.0, 5000.0, 2.0, 0.1], [2.0, 5000.0, 4.0, 0.1]])
    curves.build(tmp_path / "pack", Examples([observations], np.zeros(1, np.int64)), lambda done: None, "train")
    batch = curves.Curves(curves.open_pack(tmp_path / "pack"), Scaling(), small_curves.CPU).batch(torch.tensor([0]))
    assert batch[0, :, 3].tolist() == [0, 0] and batch.isfinite().all()


def test_packs_are_named_by_what_they_hold_and_damage_is_told(tmp_path: Path) -> None:
    loaded = small_curves.batches(tmp_path)
    assert len(loaded) == 24 and loaded.labels.tolist() == [number % 3 for number in range(24)]
    assert loaded.pack.lengths.sum() == len(loaded.pack.values)
    other = small_curves.examples()
    other.sources[3][0, 2] += 1
    curves.build(tmp_path / "other", other, lambda done: None, "train")
    assert curves.open_pack(tmp_path / "other").content != loaded.pack.content
    only = loaded.pack.only(torch.tensor([7, 2]))
    assert torch.equal(only.gather(torch.tensor([1]), 300)[0][0], torch.from_numpy(small_curves.examples().sources[2]))
    with open(tmp_path / "pack" / "curves.bin", "ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match="damaged"):
        curves.open_pack(tmp_path / "pack")


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.zeros((0, 4)), np.full((2, 4), np.nan)])
def test_what_is_no_light_curve_is_refused_and_leaves_no_pack(tmp_path: Path, wrong: np.ndarray) -> None:
    with pytest.raises(UserError, match="example 1 of train is no light curve"):
        curves.build(tmp_path / "pack", Examples([np.ones((2, 4)), wrong], np.zeros(2, np.int64)), lambda done: None, "train")
    assert not curves.exists(tmp_path / "pack") and not (tmp_path / ".pack.unfinished").exists()
