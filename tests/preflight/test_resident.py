"""The peak of this process's memory, and that it can be forgotten."""

from __future__ import annotations

import subprocess
import sys

import pytest
from imported import PACKAGE

MIB = 1 << 20
SCRIPT = """
from repro.preflight import resident
block = b"x" * (256 << 20)
print(resident.peak())
del block
resident.forget_peak()
print(resident.peak())
block = b"x" * (128 << 20)
print(resident.peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count from the start of the process")
def test_a_peak_is_of_what_came_after_the_last_one_was_forgotten():
    """In a process of its own: one that trained keeps the memory that it freed."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    with_it, without, later = map(int, done.stdout.split())
    assert with_it - without > 200 * MIB
    assert without + 112 * MIB < later < with_it
