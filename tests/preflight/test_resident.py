"""The peak of this process's memory, and that it can be forgotten."""

from __future__ import annotations

import sys

import pytest

from repro.preflight import resident

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count from the start of the process")
def test_a_peak_is_of_what_came_after_the_last_one_was_forgotten():
    block = bytearray(256 * MIB)
    with_it = resident.peak()
    del block
    resident.forget_peak()
    without = resident.peak()
    assert with_it - without > 200 * MIB
    block = bytearray(128 * MIB)
    assert len(block) + without - 16 * MIB < resident.peak() < with_it
