"""Seeds are functions of what they are for."""

import torch

from repro.nn.seeding import generator, make_deterministic, mix, seed_torch


def test_seeds_are_pinned_distinct_and_fit_63_bits() -> None:
    assert mix("order", 0, 1) == 397391349117586763
    seeds = {mix(purpose, seed, epoch) for purpose in ("order", "augment", "step") for seed in range(20) for epoch in range(20)}
    assert len(seeds) == 3 * 20 * 20 and min(seeds) >= 0 and max(seeds) < 2**63
    assert mix("a", 1) != mix("a1") and mix(1, 23) != mix(12, 3)


def test_a_purposes_numbers_do_not_depend_on_what_was_drawn_before() -> None:
    seed_torch("step", 3)
    first = torch.rand(4)
    torch.rand(100)
    seed_torch("step", 3)
    assert torch.equal(torch.rand(4), first)
    state = torch.get_rng_state()
    assert torch.equal(torch.rand(3, generator=generator("x")), torch.rand(3, generator=generator("x")))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_flags_are_those_that_are_set() -> None:
    flags = make_deterministic(torch.device("cpu"))
    assert flags["tf32_conv"] is False and flags["tf32_matmul"] is False
    assert flags["cudnn_benchmark"] is False and flags["cudnn_deterministic"] is True
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
