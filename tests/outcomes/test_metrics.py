"""Metrics against scikit-learn's and by hand, on ordinary and on degenerate inputs."""

from __future__ import annotations

import fabricated
import numpy as np
import pytest
import torch
from metric_cases import BENCHMARK, CLASSES, DEGENERATE, Case, case, each_degenerate, few, measured, ordinary

from repro.errors import UserError
from repro.outcomes.bootstrap import bootstrap_runs
from repro.outcomes.metrics import BY_NAME, evaluate, later_of_equals, rank, require_headlines, restrict, shown, spell, spell_units, title

# scikit-learn


def agree_with_scikit_learn(of: Case) -> None:
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    ours, present = measured(of), np.unique(of.labels)
    averaged = {"average": "macro", "labels": present, "zero_division": 0}
    assert ours["accuracy"] == pytest.approx(accuracy_score(of.labels, of.predicted), abs=1e-12)
    assert ours["macro_f1"] == pytest.approx(f1_score(of.labels, of.predicted, **averaged), abs=1e-12)
    assert ours["macro_recall"] == pytest.approx(recall_score(of.labels, of.predicted, **averaged), abs=1e-12)
    for grouping in BENCHMARK.groupings:
        group = of.groups[grouping.name]
        alone = {
            value: accuracy_score(of.labels[group == index], of.predicted[group == index])
            for index, value in enumerate(grouping.values)
            if (group == index).any()
        }
        assert {name: value for name, value in ours.items() if name.startswith(f"{grouping.name}=")} == pytest.approx(
            {f"{grouping.name}={value}": score for value, score in alone.items()}, abs=1e-12
        )


@few
@ordinary
def test_scikit_learn_agrees(of):
    agree_with_scikit_learn(of)


@each_degenerate
def test_scikit_learn_agrees_where_something_is_missing(of):
    agree_with_scikit_learn(of)


def test_rmse_is_scikit_learns_and_lower_is_better():
    from sklearn.metrics import root_mean_squared_error

    rng = np.random.default_rng(0)
    labels, outputs = rng.uniform(0, 3, 200), rng.normal(1, 1, (200, 1)).astype(np.float32)
    found = evaluate(fabricated.benchmark(metric="rmse", classes=("redshift",), task="regression"), outputs, labels, {})
    assert found == {"rmse": pytest.approx(root_mean_squared_error(labels, outputs[:, 0]), rel=1e-12)}
    assert rank("rmse", 0.2) > rank("rmse", 0.3) and not later_of_equals("rmse")
    assert (shown("rmse", 0.2471), shown("accuracy", 0.2471), title("rmse")) == ("0.2471", "24.7", "RMSE")
    assert spell_units([("ID", "rmse"), ("OOD", "rmse")]) == "RMSE" and spell_units([("ID", "accuracy")]) == "accuracy, in %"


# by hand


def test_a_class_that_is_predicted_and_not_present_is_no_summand():
    """Present are 0 and 1; F1 of both is 2·1/(1 + 2). Over all five classes the mean would be 4/15."""
    of = DEGENERATE["classes absent from the truth"]
    assert measured(of)["macro_f1"] == pytest.approx(2 / 3)
    assert measured(of)["macro_recall"] == pytest.approx(1 / 2)


def test_ties_go_to_the_lower_class():
    logits = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]], dtype=np.float32)
    assert evaluate(fabricated.benchmark(), logits, np.array([0, 1]), {}) == {"accuracy": 1.0}
    assert evaluate(fabricated.benchmark(), logits, np.array([1, 2]), {}) == {"accuracy": 0.0}


def test_the_order_is_headline_metrics_then_others_then_groups():
    of = DEGENERATE["the ignored group is the worst"]
    assert measured(of) == {
        "accuracy": 0.75,
        "macro_f1": pytest.approx((2 / 3 + 1 + 0 + 1) / 4),
        "macro_recall": 0.75,
        "worst_region": 1.0,
        "worst_year": 0.75,
        "worst_slide": 0.75,
        "region=Europe": 1.0,
        "region=Africa": 1.0,
        "region=Other": 0.0,
        "year=2002": 0.75,
        "slide=0": 0.75,
    }
    assert list(measured(of))[:4] == ["accuracy", "macro_f1", "macro_recall", "worst_region"]


def test_the_worst_of_nothing_is_absent():
    of = DEGENERATE["only the ignored group"]
    assert "worst_region" not in measured(of) and measured(of)["region=Other"] == pytest.approx(2 / 3)
    assert measured(of._replace(groups={})) == {name: measured(of)[name] for name in ("accuracy", "macro_f1", "macro_recall")}
    assert evaluate(BENCHMARK, np.zeros((0, CLASSES)), np.zeros(0, dtype=np.int64), {}) == {}


@pytest.mark.parametrize("group", [-1, 6])
def test_an_example_of_no_group_is_an_error(group):
    with pytest.raises(ValueError, match="region is not among the 6 groups"):
        measured(case([0, 1], [0, 1], regions=[0, group]))


# mistakes


@pytest.mark.parametrize(
    ("metric", "of", "groups", "why"),
    [
        ("worst_region", DEGENERATE["only the ignored group"], True, "all its examples are of region Other, which is left out"),
        ("worst_region", DEGENERATE["one class"], False, "it is not known of which region its examples are"),
        ("worst_hospital", DEGENERATE["one class"], True, "made-up declares no grouping of that name"),
    ],
)
def test_a_split_without_its_headline_metric_is_refused(metric, of, groups, why):
    benchmark = BENCHMARK.model_copy(update={"splits": (BENCHMARK.splits[0], BENCHMARK.splits[1].model_copy(update={"metric": metric}))})
    own = of._replace(groups=of.groups if groups else {})
    judged = {"id_test": measured(own, benchmark), "ood": measured(own, benchmark)}
    with pytest.raises(UserError) as caught:
        require_headlines(benchmark, judged, {"id_test": own.groups, "ood": own.groups})
    assert caught.value.what == f"made-up: split ood has no {title(metric)}" and caught.value.why == why


def test_a_split_without_examples_is_refused_and_one_with_all_metrics_is_not():
    with pytest.raises(UserError, match="split id_test has no accuracy") as caught:
        require_headlines(BENCHMARK, {"id_test": {}}, {"id_test": {}})
    assert caught.value.why == "it has no examples"
    of = DEGENERATE["one class"]
    assert require_headlines(BENCHMARK, {"ood": measured(of)}, {"ood": of.groups}) is None


def test_a_metric_that_is_not_known_suggests_the_nearest():
    with pytest.raises(UserError, match="there is no metric 'makro_f1'") as caught:
        measured(DEGENERATE["one class"], BENCHMARK.model_copy(update={"metrics": ("makro_f1",)}))
    assert caught.value.why == "did you mean 'macro_f1'?"


# cross-entropy, and how selection ranks


@ordinary
@few
def test_cross_entropy_is_torchs(of: Case):
    theirs = torch.nn.functional.cross_entropy(torch.from_numpy(of.logits).double(), torch.from_numpy(of.labels))
    assert evaluate(BENCHMARK, of.logits, of.labels, of.groups, "cross_entropy")["cross_entropy"] == pytest.approx(float(theirs), abs=1e-12)


def test_cross_entropy_of_large_logits_is_finite_and_only_given_where_it_is_wanted():
    logits, labels = np.array([[1000.0, 0.0], [0.0, 1000.0]], np.float32), np.array([0, 0])
    assert evaluate(fabricated.benchmark(), logits, labels, {}, "cross_entropy") == {"accuracy": 0.5, "cross_entropy": 500.0}
    assert evaluate(fabricated.benchmark(), logits, labels, {}) == {"accuracy": 0.5}
    assert evaluate(fabricated.benchmark(), logits, labels, {}, "accuracy") == {"accuracy": 0.5}


def test_cross_entropy_and_rmse_are_better_lower_and_the_one_takes_the_later_of_equals():
    names = [*BY_NAME, "worst_region", "region=Africa"]
    assert [rank(name, 0.25) for name in names] == [0.25, 0.25, 0.25, -0.25, -0.25, 0.25, 0.25]
    assert [name for name in names if later_of_equals(name)] == ["cross_entropy"]


def test_fractions_are_shown_in_percent_and_cross_entropy_as_it_is():
    assert [shown("accuracy", 0.25), shown("region=Africa", 1.0), shown("cross_entropy", 0.69312), shown("accuracy", None)] == [
        "25.0", "100.0", "0.6931", "–",
    ]  # fmt: skip


# titles


def test_every_metric_has_a_title():
    assert [metric.title for metric in BY_NAME.values()] == ["accuracy", "macro F1", "macro recall", "RMSE", "cross-entropy"]
    assert title("macro_f1") == "macro F1" and title("worst_region") == "worst-region accuracy"
    assert title("region=Africa") == "accuracy of region Africa"


def test_what_is_measured_where():
    assert spell([("ID", "accuracy"), ("OOD", "accuracy")]) == "accuracy"
    assert spell([("ID", "accuracy"), ("OOD", "worst_region")]) == "ID: accuracy; OOD: worst-region accuracy"
    assert spell([("a", "macro_f1"), ("b", "accuracy"), ("c", "macro_f1")]) == "a, c: macro F1; b: accuracy"


def test_a_choice_among_some_classes_passes_over_the_others():
    """In steps: the best of classes 1 and 3 for each row; cross-entropy is that of a softmax over those two."""
    logits = np.array([[9.0, 1.0, 8.0, 2.0], [9.0, 1.0, 8.0, 0.0], [0.0, 0.0, 9.0, 0.0]])
    labels, among = np.array([3, 1, 1]), (1, 3)
    assert restrict(logits, among).argmax(axis=1).tolist() == [3, 1, 1] and restrict(logits, None) is logits
    found = evaluate(fabricated.benchmark(), logits, labels, {}, "cross_entropy", among)
    assert found["accuracy"] == 1.0
    assert found["cross_entropy"] == pytest.approx((2 * np.log(1 + np.exp(-1)) + np.log(2)) / 3, abs=1e-12)
    assert evaluate(fabricated.benchmark(), logits, labels, {})["accuracy"] == 0.0


def test_classes_of_which_each_is_right_count_as_one():
    """As their authors score ObjectNet: the largest logit among the classes of each folder, the folder of the largest of those."""
    rng = np.random.default_rng(0)
    members = rng.permutation(40)[:25].tolist()
    folders = [sorted(members[:4]), sorted(members[4:6]), sorted(members[6:9]), *([label] for label in members[9:])]
    logits = rng.normal(size=(500, 40)).astype(np.float32)
    right = rng.integers(0, len(folders), 500)
    projected = np.stack([logits[:, folder].max(axis=1) for folder in folders], axis=1)
    expected = float((projected.argmax(axis=1) == right).mean())
    among = tuple(tuple(folder) if len(folder) > 1 else folder[0] for folder in folders)
    labels = np.array([folders[number][0] for number in right])
    found = evaluate(fabricated.benchmark(), logits, labels, {}, "cross_entropy", among)
    assert 0.02 < expected < 0.2 and found["accuracy"] == expected
    predicted = restrict(logits, among).argmax(axis=1)
    assert set(predicted.tolist()) <= {folder[0] for folder in folders}
    assert bootstrap_runs("accuracy", [predicted], labels, draws=10).mean == pytest.approx(expected, abs=1e-12)
    shares = np.exp(projected.astype(float)) / np.exp(projected.astype(float)).sum(axis=1, keepdims=True)
    assert found["cross_entropy"] == pytest.approx(-np.log(shares[np.arange(500), right]).mean(), abs=1e-6)


def test_a_choice_among_nothing_is_no_accuracy():
    with pytest.raises(ValueError, match="not known which classes"):
        restrict(np.zeros((2, 3)), ())
