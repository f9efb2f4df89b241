"""What a TorchScript archive's `data.pkl` describes, interpreted by a small machine that calls nothing.

It builds dicts, lists, tuples, numbers and strings; modules are objects of classes that the archive's own code defines, and tensors are views
of storages, whose bytes lie in other members.

The format: pytorch@v2.6.0 torch/csrc/jit/serialization/pickler.cpp; the helpers that it names are in torch/jit/_pickle.py.
"""

from __future__ import annotations

import pickletools
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch

DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_DICT = ("collections", "OrderedDict")
_SAME = {("torch.jit._pickle", f"build_{kind}list") for kind in ("int", "double", "bool", "tensor")} | {
    ("torch.jit._pickle", "restore_type_tag")
}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_LIST": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Name(NamedTuple):
    """A class or function that the description names; only ever compared."""

    module: str
    name: str


class Storage(NamedTuple):
    """A run of `count` values of one dtype, the bytes of member `data/<key>`."""

    dtype: torch.dtype
    key: str
    count: int


class View(NamedTuple):
    """A tensor: where in its storage the values lie, counted in values."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Module:
    """A module of the archive: the names and values of its attributes."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}


def described(description: bytes) -> dict[str, View]:
    """Dotted name → tensor, as the archive's state dict would have them; `UnpicklingError` names what has no place in one."""
    found: dict[str, View] = {}
    seen: set[int] = set()

    def visit(module: Module, prefix: str) -> None:
        parts = {name: value for name, value in module.fields.items() if type(value) in (View, Module)}
        if parts and id(module) in seen:  # two names for one tensor, or a circle; an activation without tensors may be shared
            raise UnpicklingError(f"the module {prefix[:-1]} stands in two places")
        seen.add(id(module))
        for name, value in parts.items():
            full = prefix + _expect(name, str)
            if type(value) is View:
                found[full] = value
            else:
                visit(value, f"{full}.")

    visit(_expect(_interpret(description), Module), "")
    return found


def _interpret(description: bytes) -> Any:
    """What a data.pkl describes; of pickle's instructions only those that TorchScript writes are known here, and none calls anything."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, argument, _ in pickletools.genops(description):
        name = opcode.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MARK":
            marks.append(len(stack))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name in ("SETITEMS", "SETITEM"):
            items = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            _expect(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
        elif name in ("APPENDS", "APPEND"):
            items = since_mark() if name == "APPENDS" else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif name == "GLOBAL":
            stack.append(_known(*argument.split(" ", 1)))
        elif name == "BINPERSID":
            stack.append(_storage(*_expect(stack.pop(), tuple)))
        elif name in ("NEWOBJ", "REDUCE"):
            arguments = _expect(stack.pop(), tuple)
            stack.append((_made if name == "NEWOBJ" else _result)(_expect(stack.pop(), Name), arguments))
        elif name == "BUILD":
            fields = _expect(stack.pop(), dict)
            _expect(stack[-1], Module).fields = fields
        elif name not in ("PROTO", "STOP"):
            raise UnpicklingError(f"the instruction {name} does not belong into a TorchScript archive")
    return stack.pop()


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise UnpicklingError(f"a {type(value).__name__} stands where a {kind.__name__} belongs")
    return value


def _known(module: str, name: str) -> Name:
    found = Name(module, name)
    known = found in (_REBUILD, _DICT) or found in _SAME or (module == "torch" and name in DTYPES)
    if not known and module.split(".")[0] != "__torch__":
        raise UnpicklingError(f"it asks for {module}.{name}")
    return found


def _made(name: Name, arguments: tuple) -> Module:
    """An object: always a module of the archive's own, whatever its class is called."""
    if name.module.split(".")[0] != "__torch__" or arguments:
        raise UnpicklingError(f"it makes an object of {name.module}.{name.name}")
    return Module()


def _result(name: Name, arguments: tuple) -> Any:
    """What the few functions that are known would return."""
    if name == _REBUILD:
        return _view(*arguments[:4])
    if name == _DICT and not arguments:
        return {}
    if name in _SAME:
        return arguments[0]
    raise UnpicklingError(f"it calls {name.module}.{name.name}")


def _storage(kind: Any, name: Any, key: Any, device: Any, count: Any) -> Storage:
    dtype = DTYPES.get(name.name) if type(name) is Name and name.module == "torch" else None
    if kind != "storage" or dtype is None or type(key) is not str or not (key.isascii() and key.isdigit()) or not _counts(count):
        raise UnpicklingError(f"it refers to {(kind, name, key, count)}, which is no storage")
    return Storage(dtype, key, count)


def _counts(*values: Any) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> View:
    """A tensor that lies within its storage, each value used at most once."""
    _expect(storage, Storage), _expect(size, tuple), _expect(stride, tuple)
    if not _counts(offset, *size, *stride) or len(size) != len(stride):
        raise UnpicklingError(f"no tensor has size {size}, stride {stride} and offset {offset}")
    values, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        values *= length
        last += (length - 1) * step
    if values and (last >= storage.count or values > storage.count):
        raise UnpicklingError(
            f"a tensor of size {size}, stride {stride} and offset {offset} lies beyond the {storage.count} values of its storage"
        )
    return View(storage, offset if values else 0, size, stride)
