"""The transformer of light curves: what padding may do to it, the masking's shares, the loss against its definition."""

from pathlib import Path

import pytest
import small_curves
import torch

from repro import backbones
from repro.nn.inputs.curves import Scaling
from repro.nn.networks.backbones import build
from repro.nn.networks.informer import FourierPositions, Informer, MaskedAutoencoder, mask, restoration
from repro.types import BackboneRef


def small() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(build(BackboneRef(name="informer-small"))[0])


def test_the_published_size_is_the_configs() -> None:
    with torch.device("meta"):
        net = Informer()
    layer = net.layers[0]
    assert len(net.layers) == 8 and layer.self_attn.num_heads == 12 and layer.self_attn.embed_dim == 768
    assert layer.linear1.out_features == 256 and net.dropout.p == layer.dropout1.p == layer.dropout2.p == 0.2
    assert layer.self_attn.dropout == layer.dropout.p == net.layer_dropout == 0.1
    assert net.embed.bias is None and net.positions.hidden.in_features == 384 and net.positions.hidden.out_features == 32
    per_layer = 4 * (768 * 768 + 768) + 2 * 768 * 256 + 768 + 256 + 4 * 768
    positions = 2 * 192 + 384 * 32 + 32 + 32 * 768 + 768
    assert sum(parameter.numel() for parameter in net.parameters()) == 8 * per_layer + 4 * 768 + positions + 2 * 768
    assert build(BackboneRef(name="informer-small"))[0].preprocess == Scaling(300, "masked")
    assert backbones.find("informer").kind == "light-curves" and backbones.find("clip-rn50").kind == "images"


def test_sizes_are_keyword_arguments() -> None:
    net, _ = build(BackboneRef(name="informer:small", kwargs={"width": 24, "layers": 1, "size": 50, "padding": "attended"}))
    assert net.dim == 24 and len(net.visual.layers) == 1 and net.preprocess == Scaling(50, "attended")


def test_hidden_padding_changes_nothing(tmp_path: Path) -> None:
    model, loaded = small().backbone.visual.eval(), small_curves.batches(tmp_path)
    whole = model(loaded.batch(small_curves.index(24)))
    alone = torch.cat([model(loaded.batch(torch.tensor([row]))) for row in range(24)])
    assert torch.allclose(whole, alone, atol=1e-5)


def test_the_features_are_the_mean_over_what_is_seen(tmp_path: Path) -> None:
    model, loaded = small().backbone.visual.eval(), small_curves.batches(tmp_path)
    batch = loaded.batch(small_curves.index(24))
    states, features = model.states(batch), model(batch)
    for row, length in enumerate(loaded.pack.lengths.tolist()):
        assert torch.allclose(features[row], states[row, :length].mean(dim=0), atol=1e-5)


def test_fourier_positions_are_the_definition() -> None:
    torch.manual_seed(1)
    net, at = FourierPositions(6, 8, 5), torch.rand(2, 3, 2)
    phase = at @ net.coefficients.weight.T
    waves = torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1) / 8**0.5
    assert torch.allclose(net(at), net.out(torch.nn.functional.gelu(net.hidden(waves))), atol=1e-6)


def test_masking_has_the_shares_of_the_definition() -> None:
    torch.manual_seed(0)
    curves = torch.rand(400, 250, 5) * 0.5 + 0.25
    curves[..., 4] = 1
    curves[:, 200:, 4] = 0
    masked, chosen = mask(curves, 0.6)
    seen = chosen[:, :200]
    assert not chosen[:, 200:].any() and seen.float().mean() == pytest.approx(0.6, abs=0.006)
    zeroed = (masked[:, :200, :2] == 0).all(dim=-1)
    same = (masked[:, :200, :2] == curves[:, :200, :2]).all(dim=-1)
    assert zeroed[seen].float().mean() == pytest.approx(0.8, abs=0.006)
    assert (same & seen).sum() / seen.sum() == pytest.approx(0.1, abs=0.005)
    noise = masked[:, :200, :2][seen & ~zeroed & ~same]
    assert len(noise) / seen.sum() == pytest.approx(0.1, abs=0.005)
    assert noise.mean() == pytest.approx(0.5, abs=0.01) and noise.var() == pytest.approx(1 / 12, abs=0.003) and noise.max() < 1
    assert same[~seen].all() and torch.equal(masked[..., 2:], curves[..., 2:])


def test_the_loss_is_the_mean_squared_error_of_what_was_hidden(tmp_path: Path) -> None:
    model, batch = small().eval(), small_curves.batches(tmp_path).batch(small_curves.index(24))
    torch.manual_seed(3)
    found = restoration(model, batch, 0.6)
    torch.manual_seed(3)
    masked, chosen = mask(batch, 0.6)
    predicted, total, count = model(masked), 0.0, 0
    for row in range(24):
        for place in range(batch.shape[1]):
            if chosen[row, place] and batch[row, place, 0] != 0:
                total, count = total + (predicted[row, place] - batch[row, place, 0]).item() ** 2, count + 1
    assert count > 100 and found.item() == pytest.approx(total / count, rel=1e-4)


def test_layers_are_skipped_in_training_alone() -> None:
    torch.manual_seed(0)
    net = Informer(layers=1, heads=2, width=8, feedforward=8, dropout=0.0, inner_dropout=0.0, layer_dropout=0.5, fourier=8)
    batch = torch.rand(2, 7, 5) + 0.1
    skipped = net.norm(net.embed(batch[..., :4]) + net.positions(batch[..., 2:4]))
    outcomes = [bool(torch.allclose(net.states(batch), skipped)) for _ in range(200)]
    assert 60 < sum(outcomes) < 140
    assert not torch.allclose(net.eval().states(batch), skipped)
