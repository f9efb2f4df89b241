"""The device that runs would be on, as results name it, without loading torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Literal, NamedTuple

from repro.preflight import environment

ASK_SECONDS = 10.0  # a GPU that has fallen off the bus hangs nvidia-smi
_ASK = ["nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader"]


class Device(NamedTuple):
    """`name` as `device_name` of a result's environment; None: there is none such here. `threads` for arithmetic, on a CPU."""

    kind: Literal["CPU", "GPU"]
    name: str | None
    threads: int = 1


def cores() -> int:
    """Those that this process may use, or as many threads as OMP_NUM_THREADS grants it."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(granted) if granted.isdigit() and int(granted) > 0 else usable


def at_hand(asked: str = "auto") -> Device:
    """What `--device` means here: `auto` is the first GPU, else the CPU. A GPU that is asked for and absent has no name."""
    if asked == "cpu":
        return _cpu()
    names = gpus()
    if asked == "auto":
        return Device("GPU", names[0]) if names else _cpu()
    index = asked.removeprefix("cuda").removeprefix(":") or "0"
    return Device("GPU", names[int(index)] if index.isdigit() and int(index) < len(names) else None)


def described(told: dict[str, object]) -> Device:
    """As a result's environment says it of the device that it was made on."""
    kind = "GPU" if str(told["device"]).startswith("cuda") else "CPU"
    return Device(kind, str(told["device_name"]), int(told["threads"]) if kind == "CPU" else 1)


def gpus() -> list[str]:
    """Names of the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shutil.which("nvidia-smi") is None or (shown is not None and shown.strip() in ("", "-1")):
        return []
    try:
        done = subprocess.run(_ASK, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = [line.split(",", 1) for line in done.stdout.splitlines() if "," in line] if done.returncode == 0 else []
    found = [(uuid.strip(), name.strip()) for uuid, name in found]
    if shown is None:
        return [name for _, name in found]
    return [name for part in shown.split(",") for place, (uuid, name) in enumerate(found) if part.strip() in (str(place), uuid)]


def _cpu() -> Device:
    return Device("CPU", environment.describe()["processor"], cores())
