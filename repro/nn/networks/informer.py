"""A transformer of light curves, as Connect Later's Informer is where its settings leave nothing of Informer but the name.

Each observation is a token: its four numbers are mapped to the width without bias, and a Fourier encoding of time and wavelength is added.
The released masked model has no convolutions between layers (distil is off) and no transformer decoder: what config.yml calls eight
decoder layers is one linear layer (helenqu/connect-later@6a12eab connect_later/informer_models.py:425-434, 498-508). Two things are as the paper's text
has them, not as the release computes them: the Fourier coefficients are learned (there they are drawn anew in every forward pass, in
evaluation too: informer_models.py:45-49), and attention is full (there ProbSparse, transformers' default, whose random sample of keys
lets about 30 of 300 queries attend and gives the rest the mean).
"""

from __future__ import annotations

import math

import torch
from torch import nn

INIT_STD = 0.02  # transformers' InformerConfig.init_std


class FourierPositions(nn.Module):
    """Learnable Fourier features of (time, wavelength): positions (B, L, 2) → (B, L, width). Li et al. 2021.

    sin and cos of one linear map of the position, divided by √fourier, then linear, GELU, linear: informer_models.py:20-56.
    """

    def __init__(self, width: int, fourier: int, hidden: int):
        super().__init__()
        self.coefficients = nn.Linear(2, fourier // 2, bias=False)
        self.hidden, self.out = nn.Linear(fourier, hidden), nn.Linear(hidden, width)

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        phase = self.coefficients(positions)
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1) / math.sqrt(2 * phase.shape[-1])
        return self.out(nn.functional.gelu(self.hidden(waves)))


class Informer(nn.Module):
    """Batches as `Curves` makes them → features (B, width), the mean over what may be looked at; `states` gives one per observation.

    Post-norm layers with GELU; dropout as config.yml has it, of attention and inside the feed-forward 0.1, each layer skipped in training
    with probability 0.1: the defaults of transformers' InformerConfig, which the release leaves standing.
    """

    def __init__(
        self,
        layers: int = 8,
        heads: int = 12,
        width: int = 768,
        feedforward: int = 256,
        dropout: float = 0.2,
        inner_dropout: float = 0.1,
        layer_dropout: float = 0.1,
        fourier: int = 384,
        hidden: int = 32,
    ):
        super().__init__()
        self.layer_dropout = layer_dropout
        self.embed = nn.Linear(4, width, bias=False)
        self.positions = FourierPositions(width, fourier, hidden)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, feedforward, dropout, "gelu", batch_first=True) for _ in range(layers)
        )
        for layer in self.layers:
            layer.self_attn.dropout, layer.dropout.p = inner_dropout, inner_dropout
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1 and not name.startswith("positions.coefficients"):
                nn.init.normal_(parameter, std=INIT_STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def states(self, curves: torch.Tensor) -> torch.Tensor:
        """(B, L, width) of curves (B, L, CHANNELS)."""
        hidden = curves[..., 4] == 0
        states = self.dropout(self.norm(self.embed(curves[..., :4]) + self.positions(curves[..., 2:4])))
        for layer in self.layers:
            if not self.training or torch.rand(()) >= self.layer_dropout:
                states = layer(states, src_key_padding_mask=hidden)
        return states

    def forward(self, curves: torch.Tensor) -> torch.Tensor:
        seen = curves[..., 4:]
        return (self.states(curves) * seen).sum(dim=1) / seen.sum(dim=1)


class MaskedAutoencoder(nn.Module):
    """An informer and the linear layer that restores the flux of each observation: (B, L, CHANNELS) → (B, L)."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.decoder = nn.Linear(backbone.dim, 1)

    def forward(self, curves: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.backbone.visual.states(curves))[..., 0]


def mask(curves: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Curves with observations hidden, and bool (B, L) of those whose flux is to be restored.

    Each is chosen with probability `share`; of the chosen, flux and error become 0 (probability 0.8), two numbers of U[0, 1) (0.1), or
    stay (0.1): connect_later/dataset_preprocess_raw.py:85-115. Padding that is hidden from the network is never chosen. Random numbers
    are torch's own, on the CPU.
    """
    drawn = torch.rand(*curves.shape[:2], 4).to(curves.device)
    chosen = (drawn[..., 0] < share) & (curves[..., 4] != 0)
    zeroed, noised = chosen & (drawn[..., 1] < 0.8), chosen & (drawn[..., 1] >= 0.9)
    flux = curves[..., :2].masked_fill(zeroed[..., None], 0.0)
    flux = torch.where(noised[..., None], drawn[..., 2:].to(flux.dtype), flux)
    return torch.cat([flux, curves[..., 2:]], dim=-1), chosen


def restoration(model: MaskedAutoencoder, curves: torch.Tensor, share: float) -> torch.Tensor:
    """Mean squared error of the flux of the chosen observations; those whose scaled flux is exactly 0 do not count, as in the release.

    informer_models.py:478-485, where 0 marks what is not to be restored, so that each curve's faintest observation is left out.
    """
    masked, chosen = mask(curves, share)
    counted = chosen & (curves[..., 0] != 0)
    error = (model(masked) - curves[..., 0]).square()
    return torch.where(counted, error, 0.0).sum() / counted.sum().clamp(min=1)
