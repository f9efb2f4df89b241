"""BatchNorm whose statistics are those of the whole batch, although each process has a part of it."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def share_statistics(model: nn.Module, device: torch.device) -> None:
    """Replace the model's BatchNorm layers in place; names of parameters and buffers stay. On GPUs by torch's SyncBatchNorm.

    timm's layers contain the activation that follows, and keep it.
    """
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm

        convert_sync_batchnorm(model)
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, SharedBatchNorm.of(child))


class Sum(torch.autograd.Function):
    """The sum over processes, each of which takes part in the gradient."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, slope: torch.Tensor) -> torch.Tensor:
        total = slope.contiguous().clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """What SyncBatchNorm is on GPUs, on any device: sums over all processes through which gradients flow."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> SharedBatchNorm:
        """With the very parameters and buffers of `norm`."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made._parameters, made._buffers = norm._parameters, norm._buffers
        made.after = [name for name in ("drop", "act") if name in norm._modules]  # timm.layers.BatchNormAct2d
        for name in made.after:
            made.add_module(name, norm._modules[name])
        return made.train(norm.training)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any number of dimensions, the second being that of the channels."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output = self._normalised(input) if self.training else super().forward(input)
        for name in self.after:
            output = getattr(self, name)(output)
        return output

    def _normalised(self, input: torch.Tensor) -> torch.Tensor:
        shape, rest = (1, -1, *[1] * (input.ndim - 2)), [0, *range(2, input.ndim)]
        wide = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        count = float(Sum.apply(torch.tensor(float(input.numel() // input.shape[1]))))
        mean = Sum.apply(wide.sum(rest)) / count
        centred = wide - mean.view(shape)
        variance = Sum.apply(centred.square().sum(rest)) / count
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scaled = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)
