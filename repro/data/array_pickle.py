"""Pickles of arrays, numbers and text, as Python 2 left them: read without running anything, written in the same form."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`, by which newer pickles of an old protocol carry bytes; no codec but text's own is looked up."""
    if encoding not in ("latin1", "ascii", "utf-8"):
        raise _refused(f"the codec {encoding}")
    return text.encode(encoding)


def _dtype(name: str, align: int = 0, copy: int = 0) -> np.dtype:
    """Stands for `numpy.dtype`, whose flags Python 2 wrote as numbers, which numpy 2.4 deprecates."""
    return np.dtype(name, align=bool(align), copy=bool(copy))


def _reconstruct(subtype: type, shape: tuple[int, ...], code: str | bytes) -> np.ndarray:
    """Stands for numpy's own: an empty array, whose state is set next."""
    return np.ndarray.__new__(np.ndarray, shape, code)


KNOWN = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


def _refused(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"it names {what}, which arrays and text do not need; nothing was run")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise _refused(f"{module}.{name}")
        return KNOWN[module, name]


def load(stream: BinaryIO) -> Any:
    """What was pickled; Python 2's strings come as text, latin1. Raises `UnpicklingError` at any name but those in KNOWN."""
    return _Unpickler(stream, encoding="latin1").load()


def write(path: Path, content: dict[bytes, Any]) -> None:
    """A dictionary of uint8 matrices, bytes, whole numbers and lists of them, as a protocol 2 pickle whose bytes are Python 2 strings."""
    items = b"".join(_string(key) + _value(value) for key, value in content.items())
    path.write_bytes(pickle.PROTO + b"\x02" + pickle.MARK + items + pickle.DICT + pickle.STOP)


def _string(text: bytes) -> bytes:
    return pickle.BINSTRING + len(text).to_bytes(4, "little") + text


def _number(value: int) -> bytes:
    return pickle.BININT + int(value).to_bytes(4, "little", signed=True)


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _string(value)
    if isinstance(value, list):
        return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(_value, value)) + pickle.APPENDS
    return _matrix(value) if isinstance(value, np.ndarray) else _number(value)


def _matrix(array: np.ndarray) -> bytes:
    """A uint8 matrix (N, M), by the calls and the state that numpy's own pickles of it have."""
    empty = _global("numpy.core.multiarray", "_reconstruct") + _global("numpy", "ndarray") + _number(0) + pickle.TUPLE1
    empty += _string(b"b") + pickle.TUPLE3 + pickle.REDUCE
    kind = _global("numpy", "dtype") + _string(b"u1") + _number(0) + _number(1) + pickle.TUPLE3 + pickle.REDUCE
    kind += (
        pickle.MARK + _number(3) + _string(b"|") + 3 * pickle.NONE + _number(-1) + _number(-1) + _number(0) + pickle.TUPLE + pickle.BUILD
    )
    shape = _number(array.shape[0]) + _number(array.shape[1]) + pickle.TUPLE2
    state = pickle.MARK + _number(1) + shape + kind + pickle.NEWFALSE + _string(array.astype(np.uint8).tobytes()) + pickle.TUPLE
    return empty + state + pickle.BUILD
