"""The one function of torch_scatter that wilds' evaluation calls: torch_scatter itself has no wheel for current torch.

Semantics as in torch_scatter's documentation of `scatter`: for each i, the mean of the `src` whose index is i, 0 where there is none.
"""

from __future__ import annotations

import torch


def scatter(src: torch.Tensor, index: torch.Tensor, dim_size: int, reduce: str) -> torch.Tensor:
    """`src` and `index` (N,) → (dim_size,)."""
    assert reduce == "mean" and src.ndim == 1, "wilds asks for nothing else"
    total = torch.zeros(dim_size, dtype=src.dtype).index_add_(0, index, src)
    return total / torch.bincount(index, minlength=dim_size).clamp(min=1)
