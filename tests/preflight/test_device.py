"""Which device runs would be on, told without torch, from what nvidia-smi says."""

from __future__ import annotations

import stat

import pytest

from repro.preflight import device, environment
from repro.preflight.device import Device, at_hand, described

LISTED = "GPU-aa, Made-Up 100\nGPU-bb, Made-Up 200 PCIe, 80 GB\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose nvidia-smi prints that; None: it has none."""

    def make(listed: str | None, shown: str | None = None, code: int = 0) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if shown is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        if listed is not None:
            command = tmp_path / "nvidia-smi"
            command.write_text(f"#!/bin/sh\nprintf '{listed}'\nexit {code}\n")
            command.chmod(command.stat().st_mode | stat.S_IEXEC)

    return make


CPU = Device("CPU", environment.describe()["processor"], 3)


def test_auto_is_the_first_gpu_else_the_cpu(machine):
    machine(None)
    assert at_hand() == at_hand("cpu") == CPU
    assert at_hand("cuda") == Device("GPU", None), "asked for, and absent"
    machine(LISTED)
    assert at_hand() == at_hand("cuda") == at_hand("cuda:0") == Device("GPU", "Made-Up 100")
    assert at_hand("cuda:1") == Device("GPU", "Made-Up 200 PCIe, 80 GB") and at_hand("cuda:2").name is None
    assert at_hand("cpu") == CPU


@pytest.mark.parametrize(
    ("shown", "seen"), [("", None), ("-1", None), ("1", "Made-Up 200 PCIe, 80 GB"), ("GPU-bb,0", "Made-Up 200 PCIe, 80 GB")]
)
def test_what_is_hidden_is_not_there(machine, shown, seen):
    machine(LISTED, shown)
    assert at_hand() == (Device("GPU", seen) if seen else CPU)


def test_a_driver_that_is_broken_is_no_gpu(machine):
    machine("NVIDIA-SMI has failed", code=9)
    assert device.gpus() == [] and at_hand() == CPU


def test_as_a_result_describes_it():
    assert described({"device": "cuda:1", "device_name": "Made-Up 100", "threads": 8}) == Device("GPU", "Made-Up 100")
    assert described({"device": "cpu", "device_name": "Made-Up Core", "threads": 8}) == Device("CPU", "Made-Up Core", 8)
