"""The greedy soup against algorithm 1 of its paper, written out anew on the same runs."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch
from tiny_soups import Cooked, require_mean

from repro.methods import greedy_soup
from repro.nn import evaluate, mixing
from repro.nn.job import Job

SWEEP = ("base=ft", "ft.lr=1e-4,3e-3,3e-2", "ft.epochs=2")


@pytest.fixture(scope="module")
def cooked(tmp_path_factory: pytest.TempPathFactory) -> Cooked:
    return Cooked(tmp_path_factory.mktemp("greedy"), *SWEEP, method="greedy-soup")


def accuracy(job: Job, state: dict[str, np.ndarray]) -> float:
    """On ID validation, of a classifier with that state."""
    model = job.classifier().eval()
    model.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in state.items()})
    images = job.images("id_val")
    with torch.no_grad():
        found = torch.cat([model(images.batch(index, None)) for index in torch.arange(len(images)).split(64)]).argmax(dim=1)
    return float((found == images.labels).double().mean())


def mean(states: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        name: np.mean([state[name] for state in states], axis=0, dtype=np.float64).astype(value.dtype)
        if np.issubdtype(value.dtype, np.floating)
        else value
        for name, value in states[0].items()
    }


def test_it_is_the_papers_algorithm(cooked: Cooked) -> None:
    """Sorted by validation accuracy; a run joins if the mean with it is no worse than the mean without."""
    job = tiny_digits.job_of(cooked.plan, "greedy-soup", cooked.places)
    states = {part.key: cooked.selected(part) for part in cooked.parts}
    order = [cooked.soup.run.parents[role] for role in sorted(cooked.soup.run.parents) if role.startswith("part-")]
    alone = {key: accuracy(job, states[key]) for key in order}
    joined, best = [], -1.0
    for key in sorted(order, key=lambda key: -alone[key]):
        reached = accuracy(job, mean([states[other] for other in [*joined, key]]))
        if reached >= best:
            joined, best = [*joined, key], reached
    assert cooked.soup.extras["parts"] == joined
    assert 1 <= len(joined) < len(order) == 6, "some run is left out, or the rule was not put to the test"
    assert cooked.soup.extras["scores"][0] == pytest.approx(max(alone.values())) and cooked.soup.extras["scores"][-1] == pytest.approx(best)
    assert cooked.soup.checkpoint("final").metrics["id_val"]["accuracy"] == pytest.approx(best)
    require_mean(cooked.weights(), [states[key] for key in joined])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({(0,): 0.5, (0, 1): 0.6, (0, 1, 2): 0.7}, ((0, 1, 2), [0.5, 0.6, 0.7])),
        ({(0,): 0.5, (0, 1): 0.5, (0, 1, 2): 0.4}, ((0, 1), [0.5, 0.5])),  # an equal score is not worse
        ({(0,): 0.5, (0, 1): 0.4, (0, 2): 0.6}, ((0, 2), [0.5, 0.6])),  # what was left out stays out
        ({(0,): 0.5, (0, 1): 0.4, (0, 2): 0.4}, ((0,), [0.5])),
    ],
)
def test_who_joins(cooked: Cooked, monkeypatch, scores: dict[tuple[int, ...], float], expected: tuple) -> None:
    """Three runs in descending order of their own scores; `scores` says what each mixture reaches."""
    job = tiny_digits.job_of(cooked.plan, "greedy-soup", cooked.places)
    roles = [role for role in sorted(job.parents) if role.startswith("part-")]
    for role in roles[3:]:
        job.parents.pop(role)
    for role, own in zip(roles, (0.3, 0.2, 0.2), strict=False):  # of equals the earlier comes first
        parent = job.parents[role]
        points = tuple(
            point.model_copy(update={"metrics": {**point.metrics, "id_val": {"accuracy": own}}}) for point in parent.result.checkpoints
        )
        job.parents[role] = parent._replace(result=parent.result.model_copy(update={"checkpoints": points}))
    number = {job.parents[role].result.key: index for index, role in enumerate(roles[:3])}
    mixed: list[tuple[int, ...]] = []
    states = {}

    def state_of(model, parent, rule):
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        states[id(state)] = number[parent.result.key]
        return state

    def averaged(parts):
        mixed.append(tuple(states[id(part)] for part in parts))
        return parts[0]

    monkeypatch.setattr(mixing, "state_of", state_of)
    monkeypatch.setattr(mixing, "mean", averaged)
    monkeypatch.setattr(evaluate, "judge", lambda model, images, benchmark: ({}, {"id_val": {"accuracy": scores[mixed[-1]]}}))
    greedy_soup.start(job)
    who, reached = expected
    assert tuple(number[key] for key in job.extras["parts"]) == who and job.extras["scores"] == reached
    assert mixed[-1] == who, "what is judged in the end is the mean of those that joined"


def test_a_soup_of_one_run_is_that_run(tmp_path: Path) -> None:
    cooked = Cooked(tmp_path, "base=lp-ft", "lp.lp_c_count=4", method="greedy-soup", seeds=(0,))
    (part,) = cooked.parts
    assert cooked.soup.extras["parts"] == [part.key] and len(cooked.soup.extras["scores"]) == 1
    selected = cooked.selected(part)
    assert all(np.array_equal(value, selected[name]) for name, value in cooked.weights().items())
