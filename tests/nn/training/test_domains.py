"""Batches of whole domains: distinct, uniform over domains, of equal parts, and a function of seed and epoch."""

import numpy as np
import pytest
import torch

from repro import plugins
from repro.errors import UserError
from repro.nn.training.domains import domains_of, group_batches
from repro.paths import Places

SIZES = (400, 40, 6, 90)  # of four domains: the third has fewer examples than a batch takes of it


def domains() -> torch.Tensor:
    numbers = np.repeat(np.arange(4), SIZES)
    return torch.from_numpy(np.random.default_rng(0).permutation(numbers))


def test_each_batch_has_distinct_domains_in_equal_parts() -> None:
    of = domains()
    batches = group_batches(of, 24, 2, seed=0, epoch=0)
    assert len(batches) == sum(SIZES) // 24 and {len(batch) for batch in batches} == {24}
    for batch in batches:
        first, second = of[batch[:12]].unique().tolist(), of[batch[12:]].unique().tolist()
        assert len(first) == len(second) == 1 and first != second
        for half in (batch[:12], batch[12:]):
            assert len(half.unique()) == 12 if SIZES[int(of[half[0]])] > 12 else len(half.unique()) <= 6


def test_domains_are_drawn_uniformly_whatever_their_size() -> None:
    of = domains()
    seen = torch.zeros(4)
    for epoch in range(150):
        for batch in group_batches(of, 24, 2, seed=1, epoch=epoch):
            seen[of[batch[[0, 12]]]] += 1
    share = seen / seen.sum()
    assert seen.sum() == 150 * 22 * 2
    assert (share - 0.25).abs().max() < 4 * (0.25 * 0.75 / float(seen.sum())) ** 0.5


def test_examples_of_a_domain_are_drawn_uniformly() -> None:
    of = torch.arange(2).repeat_interleave(20)
    seen = sum(torch.bincount(batch, minlength=40) for epoch in range(400) for batch in group_batches(of, 10, 2, 0, epoch))
    assert seen.sum() == 400 * 4 * 10
    assert (seen / seen.sum() - 1 / 40).abs().max() < 5 * (1 / 40 / 16000) ** 0.5


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    of = domains()
    batches = [torch.cat(group_batches(of, 24, 2, seed, epoch)) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2]) and not torch.equal(batches[0], batches[3])


def test_fewer_domains_than_a_batch_wants_are_a_mistake() -> None:
    with pytest.raises(UserError) as caught:
        group_batches(domains(), 30, 5, 0, 0)
    assert caught.value.lines()[0] == "groups_per_batch=5, and the training examples are of 4 domains"
    assert "groups_per_batch=4" in caught.value.lines()[2]


def test_domains_are_numbered_from_zero_by_the_benchmarks_own_group() -> None:
    benchmark = plugins.benchmark("digits").describe({}, Places.find(), True)
    groups = {"writer": np.array([9, 6, 6, 8]), "style": np.array([0, 1, 2, 3])}
    assert domains_of(benchmark, groups).tolist() == [2, 0, 0, 1]
    assert domains_of(benchmark.model_copy(update={"domain": None}), groups) is None
    assert domains_of(benchmark, {}) is None


def test_where_wilds_groups_by_a_field_the_benchmark_names_it() -> None:
    """p-lambda/wilds@4726775 examples/configs/datasets.py, groupby_fields."""
    named = {name: plugins.benchmark(name).describe({}, Places.find(), True).domain for name in ("camelyon17", "fmow", "iwildcam")}
    assert named == {"camelyon17": "hospital", "fmow": "year", "iwildcam": "location"}
