"""The nine losses, each against numpy in float64, and their sum."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from repro.nn.job import Batch
from repro.nn.objectives import objective
from repro.settings import LOSSES

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(0, 3, (9, 5)), np.array([0, 4, 2, 2, 1, 3, 0, 0, 4])
DIM, CLASSES, TEMPLATES = 6, 5, 2


def entropies(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -(p * np.log(p)).sum(axis=1)


def by_hand(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """In loops, as the definitions read."""
    n, entropy = len(labels), entropies(logits)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    hinge = sum(max(0.0, logits[i, j] - logits[i, labels[i]] + 1) for i in range(n) for j in range(logits.shape[1]) if j != labels[i])
    return {
        "ce": -sum(np.log(p[i, labels[i]]) for i in range(n)) / n,
        "dcm": sum(entropy[i] for i in range(n) if logits[i].argmax() != labels[i]) / n,
        "entropy": sum(entropy) / n,
        "hinge": hinge / n,
    }


@pytest.mark.parametrize("name", ["ce", "dcm", "entropy", "hinge"])
def test_a_loss_of_logits_is_its_definition(name: str) -> None:
    found = objective.of_logits(torch.tensor(LOGITS), torch.tensor(LABELS))[name].item()
    assert found == pytest.approx(by_hand(LOGITS, LABELS)[name], rel=1e-13)
    wrong = (LOGITS.argmax(axis=1) != LABELS).sum()
    assert 0 < wrong < len(LABELS), "both kinds of prediction are there"


def test_hinge_and_its_gradient_are_torchs_for_several_classes() -> None:
    """torch divides by the number of classes."""
    ours, theirs = (torch.tensor(LOGITS, requires_grad=True) for _ in range(2))
    objective.of_logits(ours, torch.tensor(LABELS))["hinge"].backward()
    (nn.functional.multi_margin_loss(theirs, torch.tensor(LABELS)) * LOGITS.shape[1]).backward()
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-13, atol=0)


class Towers(nn.Module):
    """In double precision: linear towers, and as many logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.visual, self.text = nn.Linear(3, DIM).double(), nn.Linear(4, DIM).double()
        self.logit_scale = nn.Parameter(torch.tensor(1.3, dtype=torch.float64))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Towers()
        self.head = nn.Linear(DIM, CLASSES).double()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.backbone.visual(images), dim=-1)


@pytest.fixture
def model() -> Model:
    return Model()


def moved(model: Model) -> dict[str, torch.Tensor]:
    origin = objective.origin_of(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return origin


@pytest.mark.parametrize(("name", "power", "init"), [("l1init", 1, True), ("l1zero", 1, False), ("l2init", 2, True), ("l2zero", 2, False)])
def test_a_loss_of_parameters_is_a_mean_over_all_of_them(model: Model, name: str, power: int, init: bool) -> None:
    origin = moved(model)
    flat = np.concatenate([value.detach().numpy().ravel() for value in model.parameters()])
    start = np.concatenate([value.numpy().ravel() for value in origin.values()])
    assert len(flat) == (3 + 1) * DIM + (4 + 1) * DIM + 1 + (DIM + 1) * CLASSES
    expected = (np.abs(flat - start * init) ** power).mean()
    assert objective.of_parameters(model, origin)[name].item() == pytest.approx(expected, rel=1e-13)


def test_a_live_origin_is_no_distance_away_and_pulls_nowhere(model: Model) -> None:
    live = objective.origin_of(model, live=True)
    moved(model)
    terms = objective.of_parameters(model, live)
    assert terms["l1init"].item() == terms["l2init"].item() == 0
    (terms["l1init"] + terms["l2init"]).backward()
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def job_for(model: Model, weights: dict[str, float], divisor: float = 1.0) -> SimpleNamespace:
    tokens = torch.tensor(RNG.normal(size=(CLASSES, TEMPLATES, 4)))
    recipe = SimpleNamespace(loss_divisor=divisor)
    return SimpleNamespace(objective=weights, tokens=tokens, origin=moved(model), recipe=recipe, device=torch.device("cpu"))


def flyp_by_hand(model: Model, batch: Batch, job: SimpleNamespace) -> float:
    """The contrastive loss in numpy, with the templates that the seed draws."""
    torch.manual_seed(3)
    drawn = torch.randint(TEMPLATES, (len(batch.labels),)).numpy()
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    image = batch.images.numpy() @ weight["backbone.visual.weight"].T + weight["backbone.visual.bias"]
    text = job.tokens.numpy()[batch.labels.numpy(), drawn] @ weight["backbone.text.weight"].T + weight["backbone.text.bias"]
    image, text = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text))
    s = np.exp(weight["backbone.logit_scale"]) * image @ text.T
    rows, columns = np.log(np.exp(s).sum(axis=1)), np.log(np.exp(s).sum(axis=0))
    return ((rows - np.diag(s)).mean() + (columns - np.diag(s)).mean()) / 2


def test_flyp_and_the_sum_are_the_formulas(model: Model) -> None:
    weights = {name: 0.1 * (number + 1) for number, name in enumerate(LOSSES)}
    job = job_for(model, weights, divisor=2.0)
    batch = Batch(torch.tensor(RNG.normal(size=(7, 3))), torch.tensor([0, 2, 1, 4, 3, 0, 2]), torch.arange(7))
    torch.manual_seed(3)
    terms = objective.LOSS(model, batch, job)
    assert tuple(terms) == ("loss", *LOSSES)
    assert terms["flyp"].item() == pytest.approx(flyp_by_hand(model, batch, job), rel=1e-13)
    logits = model.head(model.features(batch.images)).detach().numpy()
    for name, value in by_hand(logits, batch.labels.numpy()).items():
        assert terms[name].item() == pytest.approx(value, rel=1e-12), name
    expected = sum(weight * terms[name].item() for name, weight in weights.items()) / 2
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-13)


def test_only_the_terms_that_are_wanted_are_computed(model: Model) -> None:
    job = job_for(model, {"ce": 1.0})
    job.tokens = job.origin = None
    batch = Batch(torch.tensor(RNG.normal(size=(3, 3))), torch.tensor([0, 2, 1]), torch.arange(3))
    assert tuple(objective.LOSS(model, batch, job)) == ("loss", "ce")
