"""Schedules and optimiser steps against closed forms, torch's own schedulers and updates written by hand."""

import copy
import math

import pytest
import torch
from torch import nn

from repro.nn.training.optim import learning_rate, make_optimizer, set_learning_rate, total_steps
from repro.settings import Recipe


def test_cosine_per_epoch_is_torchs_scheduler_stepped_after_each_epoch() -> None:
    recipe = Recipe(lr=0.03, epochs=7, schedule="cosine_epoch")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs)
    for epoch in range(recipe.epochs):
        for step in range(5):
            assert learning_rate(recipe, epoch * 5 + step, 5) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()
    assert learning_rate(recipe, 34, 5) == pytest.approx(0.03 * (1 + math.cos(math.pi * 6 / 7)) / 2)  # the last epoch still learns


@pytest.mark.parametrize("warmup", [0, 4, 30])
def test_cosine_per_step_is_the_clip_papers(warmup: int) -> None:
    """wise-ft's cosine_lr: (s+1)/w within the warm-up, then half a cosine over the steps that are left."""
    recipe, per_epoch = Recipe(lr=2e-3, epochs=3, schedule="cosine_step", warmup_steps=warmup), 10
    for step in range(30):
        if step < warmup:
            expected = recipe.lr * (step + 1) / warmup
        else:
            expected = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (30 - warmup))) * recipe.lr
        assert learning_rate(recipe, step, per_epoch) == pytest.approx(expected, rel=1e-12)


def test_a_constant_rate_stays_after_its_warm_up() -> None:
    recipe = Recipe(lr=0.5, epochs=2, schedule="constant", warmup_steps=2)
    assert [learning_rate(recipe, step, 3) for step in range(6)] == [0.25, 0.5, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("warmup", [0, 3])
def test_linear_is_the_formula_of_transformers(warmup: int) -> None:
    """get_linear_schedule_with_warmup: max(0, (S − s)/(S − w)), through torch's own LambdaLR."""
    recipe, total = Recipe(lr=4e-5, steps=17, schedule="linear", warmup_steps=warmup), 17
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1.0 if step < warmup else max(0.0, (total - step) / max(1, total - warmup))
    )
    for step in range(total):
        if step >= warmup:
            assert learning_rate(recipe, step, 5) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()
    assert learning_rate(recipe, 16, 5) == pytest.approx(4e-5 / (17 - warmup)) and learning_rate(recipe, 17, 5) == 0


def test_steps_stand_in_the_place_of_epochs() -> None:
    assert total_steps(Recipe(epochs=3), 7) == 21 and total_steps(Recipe(steps=10), 7) == 10
    by_epochs, by_steps = Recipe(lr=0.1, epochs=3), Recipe(lr=0.1, steps=20)  # which end within the third pass
    assert [learning_rate(by_epochs, step, 7) for step in range(20)] == [learning_rate(by_steps, step, 7) for step in range(20)]


class Tiny(nn.Module):
    """A norm, a layer, a head: every kind of parameter that a weight decay may or may not reach."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))


def gradients(model: nn.Module, step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) for parameter in model.parameters()]


def factors(model: nn.Module, recipe: Recipe) -> list[float]:
    return [recipe.head_lr_factor if name.startswith("head.") else 1.0 for name, _ in model.named_parameters()]


def run(model: nn.Module, recipe: Recipe, rates: list[float]) -> None:
    optimizer = make_optimizer(model, recipe)
    for step, rate in enumerate(rates):
        set_learning_rate(optimizer, rate)
        for parameter, gradient in zip(model.parameters(), gradients(model, step), strict=True):
            parameter.grad = gradient
        optimizer.step()


RATES = [0.1, 0.05, 0.2, 0.01]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_the_update_written_by_hand(nesterov: bool) -> None:
    recipe = Recipe(optimizer="sgd", momentum=0.9, weight_decay=0.02, nesterov=nesterov, head_lr_factor=10)
    model = Tiny().double()
    expected = [parameter.detach().clone() for parameter in model.parameters()]
    momenta = [torch.zeros_like(parameter) for parameter in expected]
    for step, rate in enumerate(RATES):
        for value, momentum, gradient, factor in zip(expected, momenta, gradients(model, step), factors(model, recipe), strict=True):
            decayed = gradient + 0.02 * value
            momentum.mul_(0.9 if step else 0).add_(decayed)
            value -= rate * factor * (decayed + 0.9 * momentum if nesterov else momentum)
    run(model, recipe, RATES)
    for parameter, value in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(parameter, value, rtol=1e-12, atol=0)


def test_adamw_is_the_update_written_by_hand() -> None:
    recipe = Recipe(optimizer="adamw", betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1, head_lr_factor=0.5)
    model = Tiny().double()
    expected = [parameter.detach().clone() for parameter in model.parameters()]
    first, second = [torch.zeros_like(value) for value in expected], [torch.zeros_like(value) for value in expected]
    for step, rate in enumerate(RATES):
        for value, m, v, gradient, factor in zip(expected, first, second, gradients(model, step), factors(model, recipe), strict=True):
            value *= 1 - rate * factor * 0.1
            m.mul_(0.9).add_(0.1 * gradient)
            v.mul_(0.95).add_(0.05 * gradient**2)
            corrected = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.95 ** (step + 1))
            value -= rate * factor * corrected[0] / (corrected[1].sqrt() + 1e-6)
    run(model, recipe, RATES)
    for parameter, value in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(parameter, value, rtol=1e-10, atol=1e-14)


def test_weight_decay_reaches_norms_biases_and_head_alike() -> None:
    model = Tiny()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = make_optimizer(model, Recipe(optimizer="adamw", lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter, value in zip(model.parameters(), before, strict=True):
        assert torch.allclose(parameter, 0.95 * value)


def test_parameters_without_gradient_are_left_to_nobody() -> None:
    model = Tiny()
    model.body.requires_grad_(False)
    held = [parameter for group in make_optimizer(model, Recipe()).param_groups for parameter in group["params"]]
    assert len(held) == 4 and not any(parameter is model.body.weight for parameter in held)


def test_a_cosine_may_end_above_zero_as_swavs_does() -> None:
    recipe = Recipe(lr=0.8, lr_end=1e-3, epochs=4, schedule="cosine_step")
    for step in range(20):
        expected = 0.0008 + 0.5 * (0.8 - 0.0008) * (1 + math.cos(math.pi * step / 20))
        assert learning_rate(recipe, step, 5) == pytest.approx(expected, rel=1e-12)


def test_an_exponential_rate_is_torchs_step_of_one_epoch() -> None:
    recipe = Recipe(lr=1e-4, lr_gamma=0.96, epochs=9, schedule="exponential_epoch")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.96)
    for epoch in range(9):
        assert [learning_rate(recipe, epoch * 3 + step, 3) for step in range(3)] == pytest.approx(
            [optimizer.param_groups[0]["lr"]] * 3, rel=1e-12
        )
        optimizer.step()
        scheduler.step()


def test_larc_scales_each_tensor_by_its_norms() -> None:
    """Two steps written out: the decay inside the scaled gradient, a zero tensor and one without gradient left as SGD has them."""
    recipe = Recipe(optimizer="larc", lr=0.5, momentum=0.9, weight_decay=0.1)
    model = Tiny().double()
    with torch.no_grad():
        model.norm.bias.zero_()
    optimizer = make_optimizer(model, recipe)
    theta = [parameter.detach().clone() for parameter in model.parameters()]
    momentum = [torch.zeros_like(parameter) for parameter in theta]
    for step in range(2):
        slopes = gradients(model, step)
        for number, (parameter, slope) in enumerate(zip(model.parameters(), slopes, strict=True)):
            parameter.grad = None if number == 0 else slope.clone()
        optimizer.step()
        for number, slope in enumerate(slopes):
            if number == 0:
                continue
            if theta[number].norm() > 0:
                rate = 0.001 * theta[number].norm() / (slope.norm() + 0.1 * theta[number].norm() + 1e-8)
                slope = rate * (slope + 0.1 * theta[number])
            momentum[number] = 0.9 * momentum[number] + slope
            theta[number] = theta[number] - 0.5 * momentum[number]
        for parameter, expected in zip(model.parameters(), theta, strict=True):
            assert torch.allclose(parameter, expected, rtol=1e-10)
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


def test_the_discriminator_has_its_own_rate_and_keeps_its_share_of_a_schedule() -> None:
    class Adversarial(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = nn.Linear(4, 2)

    optimizer = make_optimizer(Adversarial(), Recipe(lr=2e-3, head_lr_factor=10, discriminator_lr=5e-4))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2e-3, 2e-2, 5e-4])
    set_learning_rate(optimizer, 1e-3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-2, 2.5e-4])
    assert [group["lr"] for group in make_optimizer(Adversarial(), Recipe(lr=2e-3)).param_groups] == [2e-3]


def _four_steps(*pairs: tuple[nn.Sequential, torch.optim.Optimizer]) -> None:
    """On the same inputs; the second layer's weight has no gradient in the first two."""
    for step in range(4):
        x = torch.randn(5, 3)
        for network, one in pairs:
            one.zero_grad(set_to_none=True)
            network(x).square().sum().backward()
            if step < 2:
                network[1].weight.grad = None
            one.step()


@pytest.mark.parametrize("kind", ["sgd", "larc"])
def test_fused_and_frozen_for_a_while_momentum_is_torchs_own(kind: str) -> None:
    """Of a parameter whose first gradient comes after others', and from the first step on: as one by one, without it made beforehand."""
    recipe = Recipe(optimizer=kind, lr=0.1, momentum=0.9, nesterov=kind == "sgd", weight_decay=0.01, epochs=1)
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    plain = copy.deepcopy(ours)
    optimizer = make_optimizer(ours, recipe)
    assert all("momentum_buffer" in optimizer.state[parameter] for parameter in ours.parameters())
    for group in optimizer.param_groups:
        group["fused"] = True
    reference = type(optimizer)(plain.parameters(), lr=0.1, momentum=0.9, nesterov=recipe.nesterov, weight_decay=0.01, foreach=False)
    _four_steps((ours, optimizer), (plain, reference))
    assert all(torch.allclose(a, b, rtol=1e-6, atol=1e-7) for a, b in zip(ours.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("fused", [False, True])
def test_what_adamw_remembers_is_there_before_the_first_step_and_changes_nothing(fused: bool) -> None:
    """Also of a parameter whose first gradient comes late: its own steps are counted."""
    recipe = Recipe(optimizer="adamw", lr=0.1, weight_decay=0.01, epochs=1)
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    plain = copy.deepcopy(ours)
    optimizer = make_optimizer(ours, recipe)
    own = {id(parameter): optimizer.state[parameter] for parameter in ours.parameters()}
    assert all(state.keys() == {"step", "exp_avg", "exp_avg_sq"} for state in own.values())
    for group in optimizer.param_groups:
        group["fused"] = fused
    reference = torch.optim.AdamW(plain.parameters(), lr=0.1, betas=recipe.betas, eps=recipe.eps, weight_decay=0.01, fused=fused)
    _four_steps((ours, optimizer), (plain, reference))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), plain.parameters(), strict=True))
    assert all(optimizer.state[parameter] is own[id(parameter)] for parameter in ours.parameters()), "nothing was made anew"
