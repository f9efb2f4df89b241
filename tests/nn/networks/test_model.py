"""The classifier, its head from prompts against open_clip's own, and what of it is kept."""

import pytest
import torch
import torch.nn.functional as F
from open_clip import build_zero_shot_classifier
from torch import nn

from repro.nn.inputs.images import Preprocess
from repro.nn.networks import backbones
from repro.nn.networks.model import Classifier, kept_state, tokenise, zero_shot_classifier, zero_shot_head
from repro.types import BackboneRef

CLASSES = ("zero", "one", "two", "three")
TEMPLATES = ("a scan of the digit {}", "the digit {} over a photograph", "{}")


@pytest.fixture(scope="module")
def clip() -> backbones.Backbone:
    torch.manual_seed(0)
    return backbones.build(BackboneRef(name="digits-clip"))[0]


class AsOpenClip(nn.Module):
    """The two methods that open_clip's builder calls."""

    def __init__(self, backbone: backbones.Backbone):
        super().__init__()
        self.backbone = backbone

    def encode_text(self, tokens: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        features = self.backbone.text(tokens)
        return F.normalize(features, dim=-1) if normalize else features


def test_the_zero_shot_head_is_open_clips_times_the_scale(clip: backbones.Backbone) -> None:
    ours = zero_shot_head(clip, tokenise(clip, CLASSES, TEMPLATES))
    theirs = build_zero_shot_classifier(
        AsOpenClip(clip), clip.tokenize, CLASSES, [lambda name, t=template: t.format(name) for template in TEMPLATES]
    )
    assert ours.shape == (4, 64)
    assert torch.allclose(ours, theirs.T * clip.logit_scale.exp(), rtol=1e-5, atol=1e-5)
    assert torch.allclose(ours.norm(dim=1), clip.logit_scale.exp().detach().expand(4), rtol=1e-5)


def test_logits_of_a_normalised_classifier_are_scaled_cosines(clip: backbones.Backbone) -> None:
    prompts = tokenise(clip, CLASSES, TEMPLATES)
    model, weight = zero_shot_classifier(clip, prompts).eval(), zero_shot_head(clip, prompts)
    assert model.normalize and torch.equal(model.head.weight, weight) and not model.head.bias.any()
    assert model.backbone.visual is clip.visual and model.backbone.text is None and clip.text is not None
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cosines = F.cosine_similarity(clip.visual(images)[:, None], weight[None], dim=-1)
        assert torch.allclose(model(images), cosines * clip.logit_scale.exp(), rtol=1e-4, atol=1e-4)


def small() -> Classifier:
    return Classifier(backbones.Backbone(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), 5, Preprocess(2, (0,) * 3, (1,) * 3)), 3)


def test_a_trained_model_is_kept_whole_and_a_frozen_one_as_its_head() -> None:
    model = small()
    assert set(kept_state(model)) == set(model.state_dict())
    assert set(kept_state(model.freeze_backbone())) == {"head.weight", "head.bias"}
    assert set(kept_state(model.backbone)) == {"visual.1.weight", "visual.1.bias"}  # a stage's own network, not a classifier


def test_a_head_is_installed_bit_for_bit() -> None:
    model, weight, bias = small(), torch.randn(3, 5), torch.randn(3)
    model.set_head(weight, bias)
    features = torch.randn(4, 3, 2, 2)
    assert torch.equal(model(features), F.linear(model.features(features), weight, bias))
    assert model.head.weight.requires_grad
