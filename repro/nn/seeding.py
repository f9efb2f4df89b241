"""Randomness as a function of what it is for, never of what ran before: that is what makes resuming bit-exact."""

from __future__ import annotations

import hashlib

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


def make_deterministic() -> dict[str, object]:
    """Ask torch for the same numbers each time; returns the flags as the result's record states them."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return {
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_conv": torch.backends.cudnn.allow_tf32,
    }
