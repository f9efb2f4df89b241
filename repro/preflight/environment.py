"""What a result was computed with: program and package versions, commit, device. Nothing here imports torch."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from repro import __version__

PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "scikit-learn", "pillow", "safetensors", "optuna")
PROGRAM = ("repro", "data_manifests", ":(glob)tables/**/*.toml")  # of a checkout: what numbers follow from


@cache
def commit() -> dict[str, Any]:
    """The checkout that the program runs from: commit and whether files that numbers follow from differ from it; empty for an installed wheel."""
    root = Path(__file__).resolve().parent.parent.parent
    if not (root / ".git").exists():
        return {}
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--", *PROGRAM], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": head, "dirty": bool(status.strip())}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def rank() -> int | None:
    """Which process of a torchrun this is; None without one."""
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


@cache
def describe() -> dict[str, Any]:
    """Versions, commit, processor."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "repro": __version__,
        **commit(),
        "python": platform.python_version(),
        "packages": versions,
        "system": platform.system(),
        "processor": _processor(),
    }
