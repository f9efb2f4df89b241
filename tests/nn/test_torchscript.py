"""TorchScript archives: the tensors that torch.jit would load, and nothing that is executed."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import original_formats
import pytest
import torch

from repro.errors import UserError
from repro.nn import torchscript
from repro.nn.weights import load_weights

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


HALF = b"(X\x07\x00\x00\x00storagectorch\nHalfStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQ"


def tensor(offset: bytes, size: bytes, stride: bytes, storage: bytes = HALF) -> bytes:
    """A module with one tensor `w` of that geometry; HALF has 12 values."""
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02c__torch__.a\nA\n)\x81}X\x01\x00\x00\x00w" + rebuilt + b"sb."


@pytest.mark.parametrize(
    ("description", "why"),
    [
        (tensor(b"K\x01", b"K\x03K\x04\x86", b"K\x04K\x01\x86"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"K\x0d\x85", b"K\x01\x85"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x0c\x85"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"J\x00\x00\x00\x7f\x85", b"K\x00\x85"), "lies beyond the 12 values"),
        (tensor(b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85"), "no tensor has size"),
        (tensor(b"K\x00", b"K\x02\x85", b"J\xff\xff\xff\xff\x85"), "no tensor has size"),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x01K\x01\x86"), "no tensor has size"),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85", HALF.replace(b"K\x0c", b"K\x0b")), "24 bytes for 11 values"),
        (
            tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85", HALF.replace(b"X\x01\x00\x00\x000", b"X\x04\x00\x00\x00../0")),
            "which is no storage",
        ),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85", HALF.replace(b"HalfStorage", b"ComplexFloatStorage")), "torch.ComplexFloatStorage"),
        (b"\x80\x02c__torch__\nA\n)R.", "it calls __torch__.A"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "makes an object of collections.OrderedDict"),
        (b"\x80\x02cbuiltins\neval\n.", "asks for builtins.eval"),
        (b"\x80\x02c__torch__\nA\n}b.", "a Name stands where a Module belongs"),
        (b"\x80\x02c__torch__\nA\n)\x81q\x00}X\x01\x00\x00\x00mh\x00sb.", "stands in two places"),
        (b"\x80\x02(S'ls'\nios\nsystem\n.", "the instruction STRING"),
        (b"\x80\x02(ios\nsystem\n.", "the instruction INST"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "the instruction SHORT_BINUNICODE"),
        (b"\x80\x02K\x01.", "a int stands where a Module belongs"),
    ],
)
def test_what_no_torchscript_archive_says_is_refused(tmp_path: Path, description: bytes, why: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name, content in {"data.pkl": description, "data/0": np.arange(12, dtype=np.float16).tobytes(), "constants.pkl": b""}.items():
            archive.writestr(f"a/{name}", content)
    with pytest.raises(UnpicklingError, match=why):
        torchscript.read(tmp_path / "a.pt")


def test_the_geometry_of_the_trap_is_right_where_it_fits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", tensor(b"K\x01", b"K\x02K\x03\x86", b"K\x05K\x01\x86"))
        archive.writestr("a/data/0", np.arange(12, dtype=np.float16).tobytes())
    assert torchscript.read(tmp_path / "a.pt")["w"].tolist() == [[1, 2, 3], [6, 7, 8]]


def test_other_packings_are_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archive.read_bytes()
    for changes, why in (({"byteorder": b"big"}, "not little-endian"), ({"data/1": b"abc"}, "has 3 bytes for")):
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
