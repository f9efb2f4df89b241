"""Self-training: pseudo-labels against an argmax of logits computed apart, what is trained on, and training across a break."""

from pathlib import Path

import pytest
import tiny_digits
import torch
from resumed import same_after_a_break

from repro.errors import UserError
from repro.methods import self_training
from repro.nn.job import Job
from repro.paths import Places

SETS = ("ft.epochs=3", "ft.lr=1e-3", "epochs=2", "batch_size=40")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("self-training"))
    assert tiny_digits.execute(tiny_digits.plan("self-training", sets=SETS), places, tiny_digits.CPU, tiny_digits.Log()) == []
    return places


def job_at(home: Places, *sets: str) -> Job:
    return tiny_digits.job_of(tiny_digits.plan("self-training", sets=(*SETS, *sets)), "self-training", home)


@pytest.mark.parametrize("rule", ["id_val", "last"])
def test_pseudo_labels_are_the_argmax_of_the_teachers_checkpoint(home: Places, rule: str) -> None:
    job = job_at(home, f"self-training.mix_at={rule}")
    self_training.start(job)
    teacher = job.parents["teacher"]
    scores = [point.metrics["id_val"]["accuracy"] for point in teacher.result.checkpoints]
    chosen = max(range(3), key=lambda epoch: scores[epoch]) if rule == "id_val" else 2
    model = job.classifier()
    model.load_state_dict(teacher.weights(teacher.result.checkpoints[chosen].name))
    images = job.images("unlabelled")
    with torch.no_grad():
        logits = torch.cat([model.eval()(images.batch(torch.tensor([row]), None)) for row in range(100)])
    assert job.pseudo_labels.tolist() == [max(range(10), key=lambda label: row[label]) for row in logits.tolist()]
    assert job.pseudo_labels.min() >= 0 and sum(job.extras["pseudo_labels"]["per_class"]) == 100
    assert job.extras["pseudo_labels"]["splits"] == ["unlabelled"]


def test_it_trains_on_the_labelled_images_and_then_on_the_target(home: Places) -> None:
    job = job_at(home)
    self_training.start(job)
    train, own, target = self_training.training(job), job.images("train", augmented=True), job.images("unlabelled", augmented=True)
    assert len(train) == len(own) + len(target) == 200
    assert torch.equal(train.labels, torch.cat([own.labels, job.pseudo_labels]))
    assert torch.equal(train.batch(torch.tensor([0, 150]), None)[1], target.batch(torch.tensor([50]), None)[0])


def test_the_student_starts_where_fine_tuning_does(home: Places) -> None:
    student = self_training.start(job_at(home)).state_dict()
    other = tiny_digits.job_of(tiny_digits.plan("ft", sets=SETS), "ft", home).classifier().state_dict()
    assert all(torch.equal(student[name], value) for name, value in other.items())


def test_a_broken_training_goes_on_bit_for_bit(home: Places, tmp_path: Path) -> None:
    losses = same_after_a_break("self-training", home, tmp_path, *SETS, stop_at=7)
    assert len(losses) == 2 * 5


@pytest.mark.parametrize(
    ("text", "what", "why", "cure"),
    [
        ("base=self-training", "runs of self-training cannot be its base", "itself", "base="),
        ("base=lp", "runs of lp cannot be its base", "no fine-tuning", "base="),
        ("unlabelled=photos", "digits has no split 'photos' to use without labels", "there is unlabelled", "unlabelled=unlabelled"),
    ],
)
def test_what_cannot_teach_is_refused(text: str, what: str, why: str, cure: str) -> None:
    with pytest.raises(UserError) as caught:
        tiny_digits.plan("self-training", sets=(text,))
    assert all(part in line for part, line in zip((what, why, cure), caught.value.lines(), strict=True)), caught.value.lines()
