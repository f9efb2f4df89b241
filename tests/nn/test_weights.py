"""Weights files: nothing in them is executed, every key is accounted for."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from repro.errors import UserError
from repro.nn.weights import load_weights, match, save_weights


class Marker:
    """Unpickling it creates a file."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("how", ["torch", "legacy", "pickle"])
def test_a_file_that_would_run_code_is_refused_by_name_and_runs_nothing(tmp_path: Path, how: str) -> None:
    file, marker = tmp_path / "weights.pt", tmp_path / "executed"
    content = {"state_dict": {"a": torch.zeros(2)}, "more": Marker(marker)}
    if how == "pickle":
        file.write_bytes(pickle.dumps(content["more"]))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(UserError) as caught:
        load_weights(file)
    assert not marker.exists()
    assert str(file) in caught.value.what and "refused" in caught.value.what and "safetensors" in caught.value.cure
    pickle.loads(pickle.dumps(Marker(marker)))
    assert marker.exists()  # the trap itself works


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
@pytest.mark.parametrize("name", ["w.pt", "w.pth.tar", "w.bin"])
def test_state_dicts_are_found_plain_or_wrapped(tmp_path: Path, wrap: str | None, name: str) -> None:
    state = {"a.weight": torch.randn(3, 2), "a.bias": torch.randn(3)}
    torch.save({wrap: state, "epoch": 3} if wrap else state, tmp_path / name)
    loaded = load_weights(tmp_path / name)
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[key], state[key]) for key in state)


def test_safetensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    state = {"a": torch.randn(4, 3).T, "b": torch.tensor(7), "c": torch.randn(3).to(torch.bfloat16)}
    state["d"] = state["a"]  # the same memory twice
    save_weights(tmp_path / "w.safetensors", state)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path: Path, name: str) -> None:
    state = {"a": torch.randn(40, 30), "b": torch.randn(7)}
    save_weights(tmp_path / name, state) if name.endswith("safetensors") else torch.save(state, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for keep in (0, 1, 4, 8, 60, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:keep])
        with pytest.raises(UserError) as caught:
            load_weights(tmp_path / name)
        assert str(tmp_path / name) in caught.value.what and all(caught.value.lines())


def test_overwritten_bytes_never_end_in_another_error(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.randn(5, 3), "b": torch.randn(7)}}, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        start = (tmp_path / "w.pt").read_bytes().index(archive.read(name)[:20])
        end = start + len(archive.read(name))
    whole, rng = (tmp_path / "w.pt").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for position in rng.integers(start, end, 3):
            content[int(position)] = int(rng.integers(0, 256))
        (tmp_path / "w.pt").write_bytes(content)
        try:
            load_weights(tmp_path / "w.pt")
        except UserError:
            refused += 1
    assert refused > 200


def test_files_without_tensors_are_refused(tmp_path: Path) -> None:
    for content in ({"epoch": 1}, [torch.zeros(2)], {"state_dict": {"a": 3}}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(UserError, match="holds no state dict"):
            load_weights(tmp_path / "w.pt")
    with pytest.raises(UserError, match="cannot read the weights file"):
        load_weights(tmp_path / "absent.safetensors")


def layer() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_wrong_keys_and_shapes_are_listed_and_nothing_is_loaded() -> None:
    module = layer()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = {**layer().state_dict(), "0.weight": torch.zeros(2, 4), "extra.weight": torch.zeros(1)}
    del state["1.running_mean"]
    with pytest.raises(UserError) as caught:
        match(module, state, "file.pt")
    for part in ("file.pt", "1 missing (1.running_mean)", "1 unexpected (extra.weight)", "1 of another shape (0.weight (2, 4) for (2, 3))"):
        assert part in caught.value.what + caught.value.why
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_what_may_be_dropped_is_dropped_and_counters_may_be_absent() -> None:
    module, source = layer(), layer()
    state = {key: value + 1 if value.is_floating_point() else value for key, value in source.state_dict().items()}
    del state["1.num_batches_tracked"]
    match(module, {**state, "fc.weight": torch.zeros(9, 9)}, "file", ("fc.",))
    assert torch.equal(module[0].weight, source[0].weight + 1)
    with pytest.raises(UserError, match="does not fit"):
        match(module, {**state, "fcx.weight": torch.zeros(9, 9)}, "file", ("fc.",))
