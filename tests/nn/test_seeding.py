"""Seeds are functions of what they are for."""

import torch

from repro.nn.seeding import generator, make_deterministic, mix, seed_torch, uniforms


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
    rounded = make_deterministic(torch.device("cpu"), tf32=True)
    assert rounded["tf32_conv"] is True and rounded["tf32_matmul"] is True
    assert make_deterministic(torch.device("cpu")) == flags


def test_numbers_per_example_are_uniform_and_independent() -> None:
    drawn = uniforms(torch.arange(20_000), 5, mix("x", 0)).double()
    assert drawn.min() >= 0 and drawn.max() < 1
    assert (drawn.mean(dim=0) - 0.5).abs().max() < 4 * (1 / 12 / 20_000) ** 0.5
    cells = torch.histc(drawn.float(), bins=100, min=0, max=1)
    assert ((cells - 1000).square() / 1000).sum().item() < 160  # chi-square of 99 degrees: above 149 in one of a thousand
    together = torch.corrcoef(torch.cat([drawn[:-1], drawn[1:]], dim=1).T) - torch.eye(10)
    assert together.abs().max() < 5 / 20_000**0.5


def test_numbers_per_example_follow_from_example_and_key() -> None:
    index = torch.tensor([5, 0, 123_456_789])
    whole = uniforms(index, 7, 42)
    assert torch.equal(whole[1:2], uniforms(torch.tensor([0]), 7, 42))
    assert not torch.equal(whole, uniforms(index, 7, 43))


def test_numbers_per_example_are_splitmix64s() -> None:
    """The first outputs for the seed 1234567, the published test values of the generator."""
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    expected = [(value >> 40) / 2**24 for value in outputs]
    assert uniforms(torch.tensor([0]), 4, 1234567)[0].tolist() == expected
