"""Weights files: nothing in them is executed, every key is accounted for."""

import os
import pickle
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from repro.errors import UserError
from repro.nn.networks.weights import INERT, load_weights, match, save_weights


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
    assert ("Unsupported operand" if how == "pickle" else f"{os.name}.mkdir") in caught.value.why
    pickle.loads(pickle.dumps(Marker(marker)))
    assert marker.exists()  # the trap itself works


def test_what_training_scripts_leave_beside_tensors_is_read(tmp_path: Path) -> None:
    """Numbers of numpy and the arguments of the command line; also as numpy 1 named itself."""
    beside = {
        "lr": np.float64(0.25),
        "step": np.int64(7),
        "loss": np.float32(1.5),
        "done": np.bool_(True),
        "args": Namespace(arch="x", k=[1]),
    }
    torch.save({"state_dict": {"a": torch.ones(2)}, **beside}, tmp_path / "new.pth")
    torch.save({"state_dict": {"a": torch.ones(2)}, **beside}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "old.pth").read_bytes()
    assert b"numpy._core.multiarray" in content
    (tmp_path / "old.pth").write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    for name in ("new.pth", "old.pth"):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / name, weights_only=True)
        assert load_weights(tmp_path / name)["a"].tolist() == [1, 1]
    assert not set(INERT) & set(torch.serialization.get_safe_globals())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Path("x"), "pathlib.PosixPath"),
        (np.zeros(2), "numpy._core.multiarray._reconstruct"),
        (Namespace(inner=torch.nn.ReLU()), "torch.nn.modules.activation.ReLU"),
        (print, "print"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path: Path, value: object, name: str) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "beside": value}, tmp_path / "w.pth")
    with pytest.raises(UserError) as caught:
        load_weights(tmp_path / "w.pth")
    assert f"it asks for {name}" in caught.value.why


def test_a_structured_number_of_numpy_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "beside": np.zeros(1, dtype=[("x", "i4")])[0]}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="is refused"):
        load_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("wrap", [None, "state_dict", "model", "model_state_dict"])
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


@pytest.mark.parametrize("name", ["weights.pth", "weights.pth.tar"])
def test_a_text_is_told_to_be_no_weights(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(UserError, match="cannot read the weights file") as caught:
        load_weights(tmp_path / name)
    assert caught.value.why == "it is no file that torch or safetensors wrote"


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
    told = match(module, {**state, "fc.weight": torch.zeros(9, 9)}, "file", ("fc.", "aux."))
    assert told == (6, {"fc.": 1}, 1)
    assert torch.equal(module[0].weight, source[0].weight + 1)
    with pytest.raises(UserError, match="does not fit"):
        match(module, {**state, "fcx.weight": torch.zeros(9, 9)}, "file", ("fc.",))
