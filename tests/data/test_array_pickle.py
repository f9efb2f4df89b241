"""Pickles of arrays are read without running anything, and written as Python 2 wrote them."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import warnings

import hand_made
import numpy as np
import pytest

from repro.data import array_pickle

ROWS = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Command:
    """Unpickled by the ordinary reader, it runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_python_2_pickle_comes_as_text_numbers_and_arrays_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = array_pickle.load(io.BytesIO(hand_made.python2_batch("one of 1", ROWS, [6, 9, 255])))
    assert (found["batch_label"], found["labels"]) == ("one of 1", [6, 9, 255])
    assert found["data"].dtype == np.uint8 and np.array_equal(found["data"], ROWS)


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_a_newer_python_pickled_again_is_read(order):
    again = pickle.dumps({b"data": np.asarray(ROWS, order=order), b"labels": [1, 2, 3]}, protocol=2)
    assert b"_codecs" in again
    found = array_pickle.load(io.BytesIO(again))
    assert found[b"labels"] == [1, 2, 3] and np.array_equal(found[b"data"], ROWS)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_not_run_but_named(protocol, tmp_path):
    bad = pickle.dumps({"data": Command(f"touch {tmp_path / 'ran'}"), "labels": []}, protocol=protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"it names (posix|nt)\.system, .*; nothing was run"):
        array_pickle.load(io.BytesIO(bad))
    assert not (tmp_path / "ran").exists()
    pickle.loads(bad)
    assert (tmp_path / "ran").exists(), "the ordinary reader runs it"


@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("__builtin__", "getattr"), ("numpy", "load"), ("numpy.core.multiarray", "fromfile"), ("_codecs", "lookup")],
)
def test_no_other_name_is_looked_up(module, name):
    with pytest.raises(pickle.UnpicklingError, match=f"it names {module}.{name}"):
        array_pickle.load(io.BytesIO(f"c{module}\n{name}\n.".encode()))


def test_no_codec_but_those_of_text_is_looked_up():
    with pytest.raises(pickle.UnpicklingError, match="it names the codec zlib"):
        array_pickle.load(io.BytesIO(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R."))


def test_what_is_written_is_a_python_2_pickle_that_anyone_reads(tmp_path):
    content = {b"batch_label": b"one of 1", b"labels": [0, 9, 300], b"data": ROWS, b"names": [b"a", b"b"], b"n": 10_000}
    array_pickle.write(tmp_path / "batch", content)
    raw = (tmp_path / "batch").read_bytes()
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(raw)}
    assert raw[:2] == b"\x80\x02" and "BINSTRING" in opcodes and not opcodes & {"BINUNICODE", "BINBYTES", "SHORT_BINBYTES"}
    for encoding, key in (("bytes", bytes), ("latin1", lambda text: text.decode())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of the flags that Python 2 wrote as numbers
            found = pickle.loads(raw, encoding=encoding)
        assert found[key(b"batch_label")] == key(b"one of 1") and found[key(b"labels")] == [0, 9, 300] and found[key(b"n")] == 10_000
        assert found[key(b"names")] == [key(b"a"), key(b"b")] and np.array_equal(found[key(b"data")], ROWS)
    assert np.array_equal(array_pickle.load(io.BytesIO(raw))["data"], ROWS)
