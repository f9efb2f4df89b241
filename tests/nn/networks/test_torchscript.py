"""TorchScript archives: the tensors that torch.jit would load, and nothing that is executed."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import original_formats
import pytest
import torch

from repro.errors import UserError
from repro.nn.networks import torchscript
from repro.nn.networks.weights import load_weights

STATE = {
    "p": torch.tensor(3.5).half(),
    "l.weight": torch.randn(3, 4).half(),
    "l.bias": torch.randn(3),
    "seq.0.weight": torch.randn(5, 2, 1).transpose(0, 1),
    "seq.10.inner.count": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
}


pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:torch.tensor results:torch.jit.TracerWarning")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    original_formats.torchscript(tmp_path / "a.pt", STATE)
    return tmp_path / "a.pt"


def test_the_tensors_are_those_that_torch_jit_loads(archive: Path) -> None:
    theirs, ours = torch.jit.load(str(archive)).state_dict(), load_weights(archive)
    assert theirs.keys() == ours.keys() == STATE.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor.float() if tensor.dtype == torch.float16 else tensor), name
        assert ours[name].dtype == (torch.float32 if tensor.is_floating_point() else tensor.dtype)


class Shared(torch.nn.Module):
    """Two views of one storage, lists of numbers and of tensors' sizes, constants, and a module without tensors."""

    def __init__(self):
        super().__init__()
        whole = torch.arange(12.0)
        self.a, self.b = torch.nn.Parameter(whole[:6].view(2, 3)), torch.nn.Parameter(whole[4:])
        self.sizes, self.rates, self.act = [1, 2], [0.5], torch.nn.ReLU()
        self.names = {"k": 1}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x * torch.tensor([2.0]))


@pytest.mark.parametrize("how", ["trace", "script"])
def test_views_lists_and_constants_are_understood(tmp_path: Path, how: str) -> None:
    module = Shared()
    made = torch.jit.script(module) if how == "script" else torch.jit.trace(module, torch.zeros(1), check_trace=False)
    torch.jit.save(made, str(tmp_path / "a.pt"))
    ours = torchscript.read(tmp_path / "a.pt")
    assert torch.equal(ours["a"], module.a) and torch.equal(ours["b"], module.b) and len(ours) == 2


def test_only_torchscript_is_taken_for_it(archive: Path, tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "plain.pt")
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torchscript.is_archive(archive)
    assert not torchscript.is_archive(tmp_path / "plain.pt") and not torchscript.is_archive(tmp_path / "old.pt")


def rewrite(path: Path, changes: dict[str, bytes], compress: bool = False) -> None:
    """The archive with members replaced or added."""
    with zipfile.ZipFile(path) as archive:
        top = archive.namelist()[0].split("/")[0]
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {f"{top}/{name}": content for name, content in changes.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


class Marker:
    """Unpickling it creates a folder."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_an_archive_that_would_call_something_is_refused_by_name_and_runs_nothing(archive: Path, tmp_path: Path) -> None:
    trap = pickle.dumps(Marker(tmp_path / "executed"), protocol=2)
    rewrite(archive, {"data.pkl": trap, "constants.pkl": trap})
    with pytest.raises(UserError) as caught:
        load_weights(archive)
    assert f"{archive} is refused" in caught.value.what and f"it asks for {os.name}.mkdir" in caught.value.why
    assert not (tmp_path / "executed").exists()
    pickle.loads(trap)
    assert (tmp_path / "executed").exists()  # the trap itself works


OTHER_BYTES = (
    ({"byteorder": b"big"}, "not little-endian"),
    ({"data/1": b"abc"}, "has 3 bytes for"),
    ({"data/1": bytes(1000)}, "has 1000 bytes for"),
)


def test_other_packings_are_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archive.read_bytes()
    for changes, why in OTHER_BYTES:
        archive.write_bytes(whole)
        rewrite(archive, changes)
        with pytest.raises(UserError) as caught:
            load_weights(archive)
        assert why in caught.value.why
    archive.write_bytes(whole)
    rewrite(archive, {}, compress=True)
    with pytest.raises(UserError, match="is refused") as caught:
        load_weights(archive)
    assert re.search(r"its member a/data/\d is compressed", caught.value.why)
    monkeypatch.setattr(torchscript, "MOST", 9)
    with pytest.raises(UserError) as caught:
        load_weights(archive)
    assert "its member a/data.pkl is compressed" in caught.value.why
    with zipfile.ZipFile(tmp_path / "old.pt", "w") as old:
        old.writestr("old/model.json", b"{}")
        old.writestr("old/tensors/0", b"")
    with pytest.raises(UserError) as caught:
        load_weights(tmp_path / "old.pt")
    assert "no data.pkl" in caught.value.why


def test_overwritten_bytes_never_end_in_another_error(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        description = next(opened.read(name) for name in opened.namelist() if name.endswith("/data.pkl"))
    rng, whole, refused = np.random.default_rng(0), archive.read_bytes(), 0
    for _ in range(400):
        content = bytearray(description)
        for position in rng.integers(0, len(content), 2):
            content[int(position)] = int(rng.integers(0, 256))
        archive.write_bytes(whole)
        rewrite(archive, {"data.pkl": bytes(content)})
        try:
            load_weights(archive)
        except UserError:
            refused += 1
    assert refused > 200


def test_an_archive_cut_anywhere_is_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for keep in (0, 4, 60, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:keep])
        with pytest.raises(UserError) as caught:
            load_weights(archive)
        assert str(archive) in caught.value.what
