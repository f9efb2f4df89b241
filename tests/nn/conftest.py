"""Small networks and matrices: one thread is faster than two that wait for each other, and sums are in one order."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
