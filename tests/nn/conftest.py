"""Small networks and matrices: one thread is faster than two that wait for each other, and sums are in one order."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def quick_initialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are overwritten, so the slow distributions that libraries draw them from are not needed."""
    for name in ("trunc_normal_", "normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor.detach().uniform_(-0.05, 0.05))
