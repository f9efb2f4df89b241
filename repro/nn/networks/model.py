"""The classifier that every method trains or judges: a backbone's image tower and a linear head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from repro.nn.networks.backbones import Backbone
from repro.reading.prompts import fill


class Classifier(nn.Module):
    """Images (B, 3, S, S) → logits (B, K). `normalize`: features are scaled to length 1 before the head, as CLIP's classifiers do.

    `dropout` is the share of features that the head does not see in training.
    """

    def __init__(self, backbone: Backbone, classes: int, normalize: bool = False, dropout: float = 0.0):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.dim, classes)
        self.normalize, self.dropout = normalize, dropout

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the head sees: (B, dim)."""
        features = self.backbone.visual(images)
        return F.normalize(features, dim=-1) if self.normalize else features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(F.dropout(self.features(images), self.dropout, self.training))

    def set_head(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Install a head: weight (K, dim), bias (K,)."""
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)

    def image_classifier(self) -> Classifier:
        """The same classifier, its very weights, without the text tower that may be beside it."""
        alone = Classifier(self.backbone.image_tower(), self.head.out_features, self.normalize, self.dropout)
        alone.head = self.head
        return alone

    def freeze_backbone(self) -> Classifier:
        self.backbone.requires_grad_(False)
        return self


def kept_state(model: nn.Module, adapted: bool = False) -> dict[str, torch.Tensor]:
    """What a finished run keeps of its model: everything, or the head alone where the backbone never changed.

    Of a frozen backbone whose running statistics `adapted`, these are kept, too.
    """
    frozen = isinstance(model, Classifier) and not any(parameter.requires_grad for parameter in model.backbone.parameters())
    changed = {name for name, _ in model.named_buffers()} if adapted else set()
    return {name: tensor for name, tensor in model.state_dict().items() if not frozen or name.startswith("head.") or name in changed}


def tokenise(backbone: Backbone, classes: tuple[str, ...], templates: tuple[str, ...]) -> torch.Tensor:
    """Tokens (K, T, L) of every class's prompts, on the backbone's device."""
    device = next(backbone.parameters()).device
    return torch.stack([backbone.tokenize([fill(template, name) for template in templates]) for name in classes]).to(device)


@torch.no_grad()
def zero_shot_head(backbone: Backbone, prompts: torch.Tensor) -> torch.Tensor:
    """Weight (K, dim) from tokens (K, T, L): prompts encoded, L2-normalised, averaged, normalised again, times exp(logit_scale).

    wise-ft@58b7a4b src/models/zeroshot.py defines it so.
    """
    backbone.eval()
    rows = [F.normalize(F.normalize(backbone.text(tokens), dim=-1).mean(dim=0), dim=0) for tokens in prompts]
    return torch.stack(rows) * backbone.logit_scale.exp()


def zero_shot_classifier(backbone: Backbone, prompts: torch.Tensor, towers: bool = False) -> Classifier:
    """The backbone's own image tower, with `towers` both, its features scaled to length 1, with `zero_shot_head` and bias 0."""
    weight = zero_shot_head(backbone, prompts)
    model = Classifier(backbone if towers else backbone.image_tower(), len(weight), normalize=True).to(weight.device)
    model.set_head(weight, torch.zeros(len(weight), device=weight.device))
    return model
