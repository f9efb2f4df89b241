"""BatchNorm layers that are replaced keep all that they do; what several processes make of them is in tests/nn/test_together.py."""

from __future__ import annotations

import copy

import pytest
import timm
import torch

from repro.nn.networks.shared_norm import SharedBatchNorm, share_statistics


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv2_035", "efficientnet_b0"])
def test_a_network_computes_the_same_afterwards(name: str) -> None:
    """timm's layers contain an activation."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    replaced, images = copy.deepcopy(network), torch.randn(2, 3, 64, 64)
    share_statistics(replaced, torch.device("cpu"))
    norms = [module for module in replaced.modules() if isinstance(module, SharedBatchNorm)]
    assert len(norms) == sum(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in network.modules()) >= 10
    assert replaced.state_dict().keys() == network.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(replaced(images), network(images))
