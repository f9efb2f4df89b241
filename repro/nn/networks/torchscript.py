"""The tensors of a TorchScript archive, the form of OpenAI's CLIP files, read without executing anything.

Such a file is a zip of uncompressed members: `*/data.pkl` describes modules and where their tensors' values lie, `*/data/<n>` hold the bytes
of tensors, and `*/code/`, `*/constants.pkl` are programs, which are not looked at. The form before it (torch 1.0–1.1: `*/model.json` with
`*/tensors/`) is older than any CLIP file and is refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch

from repro.nn.networks.torchscript_pickle import Storage, described

MOST = 64 << 20  # bytes of a description that was compressed


def is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive of any age."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith(("/constants.pkl", "/model.json")) for name in archive.namelist())


def read(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of an archive by its dotted name, float16 as float32.

    `UnpicklingError`: it names what is not a module, a tensor or a plain value, or a tensor reaches beyond its bytes.
    Damaged bytes may raise anything.
    """
    with zipfile.ZipFile(path) as archive:
        top = archive.namelist()[0].partition("/")[0]
        if f"{top}/data.pkl" not in archive.namelist():
            raise UnpicklingError("the TorchScript archive has no data.pkl")
        if sum(member.file_size for member in archive.infolist() if member.compress_type == zipfile.ZIP_STORED) > path.stat().st_size:
            raise UnpicklingError("its members lie over each other")
        if f"{top}/byteorder" in archive.namelist() and _member(archive, f"{top}/byteorder") != b"little":
            raise UnpicklingError("its numbers are not little-endian")
        storages: dict[Storage, torch.Tensor] = {}
        tensors = {}
        for name, view in described(_member(archive, f"{top}/data.pkl")).items():
            if view.storage not in storages:
                storages[view.storage] = _values(view.storage, _member(archive, f"{top}/data/{view.storage.key}"))
            tensor = storages[view.storage].as_strided(view.size, view.stride, view.offset)
            tensors[name] = tensor.float() if tensor.dtype == torch.float16 else tensor.clone()
        return tensors


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes. torch compresses no tensors, and so one small file cannot become a large one."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED and ("/data/" in name or member.file_size > MOST):
        raise UnpicklingError(f"its member {name} is compressed")
    return archive.read(name)


def _values(storage: Storage, content: bytes) -> torch.Tensor:
    if len(content) != storage.count * storage.dtype.itemsize:
        raise UnpicklingError(f"data/{storage.key} has {len(content)} bytes for {storage.count} values of {storage.dtype}")
    return torch.frombuffer(bytearray(content), dtype=storage.dtype) if content else torch.empty(0, dtype=storage.dtype)
