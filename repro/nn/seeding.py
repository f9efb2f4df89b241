"""Randomness as a function of what it is for, never of what ran before: that is what makes resuming bit-exact."""

from __future__ import annotations

import hashlib
import os

import torch


def mix(*parts: int | str) -> int:
    """A 63-bit seed from any parts; equal parts give equal seeds on every machine."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


def seed_torch(*parts: int | str) -> None:
    """Seed torch's default generators (CPU and GPUs) for one purpose."""
    torch.manual_seed(mix(*parts))


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator for one purpose."""
    return torch.Generator().manual_seed(mix(*parts))


def uniforms(index: torch.Tensor, count: int, key: int) -> torch.Tensor:
    """(B, count) numbers in [0, 1) for the examples of `index` (B,), a function of (example, column, key) alone, made when they are needed.

    SplitMix64's finaliser of a counter (Steele, Lea and Flood 2014, §4.2), its upper 24 bits.
    """
    golden, first, second = (constant - 2**64 for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
    counter = index.cpu()[:, None] * count + torch.arange(1, count + 1)[None]
    bits = counter * golden + key
    for shift, factor in ((30, first), (27, second), (31, 1)):
        bits = (bits ^ _shifted(bits, shift)) * factor
    return _shifted(bits, 40).double().mul(2.0**-24).float()


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """Of 64 bits without a sign, `by` to the right."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def make_deterministic(device: torch.device, tf32: bool = False) -> dict[str, object]:
    """Ask torch for the same numbers each time, and for fp32 that is fp32 unless `tf32` is wanted; returns the flags as the result's record states them.

    On a GPU, operations that have no deterministic form still run, with torch's warning.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # docs.nvidia.com/cuda/cublas, "Results reproducibility"
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads memory that it has not written
    return {
        "algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_conv": torch.backends.cudnn.allow_tf32,
    }
