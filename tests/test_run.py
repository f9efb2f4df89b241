"""Working a plan off: what is done already, what fails, what starts from it, and on which device."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import tiny_digits
import torch
from tiny_digits import CPU, Log, bytes_of, execute, pretrained_home

from repro import plugins
from repro.errors import UserError
from repro.nn.probes import logreg
from repro.outcomes import predicted
from repro.outcomes.store import Store
from repro.planning.forecast import calibrate, forecast
from repro.preflight.device import at_hand
from repro.run import find_device


def test_finished_runs_are_not_worked_on_again(tmp_path: Path) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("zero-shot", "lp", "ft")
    first, second = Log(), Log()
    assert execute(plan, places, CPU, first) == []
    assert first.events == [("started", "lp"), ("finished", "lp"), ("started", "ft"), ("finished", "ft")]  # the rest is there already
    assert execute(plan, places, CPU, second) == []
    assert second.events == [] and second.steps == []


def test_a_parent_serves_every_child_and_comes_first(tmp_path: Path) -> None:
    places, log = pretrained_home(tmp_path), Log()
    plan = tiny_digits.plan("lp-ft", sets=("lp-ft.lr=1e-5,1e-4",))
    assert execute(plan, places, CPU, log) == []
    assert [method for event, method in log.events if event == "finished"] == ["lp", "lp-ft", "lp-ft"]


def test_the_result_says_what_it_was_computed_with(tmp_path: Path) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("ft")
    execute(plan, places, CPU, Log())
    result = Store(places.runs).result(plan.runs[-1])
    assert result.key == plan.runs[-1].key and result.run == plan.runs[-1]
    assert result.environment["device"] == "cpu" and result.environment["threads"] == 1
    assert result.environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert result.environment["deterministic"]["cudnn_benchmark"] is False
    assert result.seconds["total"] >= result.seconds["fit"] > 0 and result.images_per_second > 0
    assert result.peak_memory_bytes > 100e6
    assert result.files.keys() == bytes_of(places, result.run).keys() - {"checkpoints"}


def test_tf32_is_the_recipes_choice_for_its_own_run_alone(tmp_path: Path) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("ft", sets=("ft.precision=tf32,fp32", "ft.epochs=1"))
    assert execute(plan, places, CPU, Log()) == []
    found = {result.run.recipe.precision: result for run in plan.runs if (result := Store(places.runs).result(run)).run.method == "ft"}
    flags = {name: result.environment["deterministic"] for name, result in found.items()}
    assert {name: told["tf32_matmul"] for name, told in flags.items()} == {"tf32": True, "fp32": False}
    assert found["tf32"].key != found["fp32"].key
    assert found["tf32"].checkpoints[-1].metrics == found["fp32"].checkpoints[-1].metrics, "a CPU has no such products"


def test_the_result_says_what_was_predicted_of_it(tmp_path: Path) -> None:
    """Nothing tells of the first training; the second is like it, and another method has its backbone's rate."""
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("scratch", "ft", seeds=(0, 1))
    assert execute(plan, places, CPU, Log()) == []
    results = {(run.method, run.seed): Store(places.runs).result(run) for run in plan.runs}
    told = {name: predicted.prediction(result) for name, result in results.items()}
    assert told["clip-pretrain", 0] is None, "nothing was known"
    assert told["scratch", 1].source == told["ft", 1].source == told["ft", 1].memory_source == predicted.LIKE
    assert told["ft", 0].source == predicted.RATE and told["ft", 0].memory_source == predicted.RATE
    for name in (("scratch", 1), ("ft", 1), ("ft", 0)):
        actual = predicted.predictable(results[name].seconds)
        assert predicted.error(results[name]) == pytest.approx(told[name].seconds / actual - 1)
    assert told["ft", 1].seconds == pytest.approx(predicted.predictable(results["ft", 0].seconds), abs=1e-3)
    assert told["ft", 1].peak_memory_bytes == results["ft", 0].peak_memory_bytes
    assert results["ft", 0].extras["examples"] == dict.fromkeys(("train", "id_val", "id_test", "writers", "photos"), 100)
    packed, *_ = (result for result in results.values() if result.run.method == "clip-pretrain")
    assert 0 < packed.seconds["pack"] < packed.seconds["total"]
    here = calibrate(Store(places.runs), at_hand("cpu")._replace(threads=1))
    again = forecast(tiny_digits.plan("ft", seeds=(2,)), Store(places.runs), lambda: here)
    assert [made.source for made in again.predictions.values()] == [predicted.LIKE], "the device that a dry run sees is the run's"


def test_a_damaged_result_of_something_else_stops_no_work(tmp_path: Path) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("zero-shot", "lp")
    damaged = places.runs / "another" / f"ft-s0-{'0' * 20}" / "result.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    assert execute(plan, places, CPU, Log()) == []
    assert predicted.prediction(Store(places.runs).result(plan.runs[-1])) is None, "nothing that can be read is like it"
    more = tiny_digits.plan("lp", seeds=(1,))
    assert execute(more, places, CPU, Log()) == []
    assert predicted.prediction(Store(places.runs).result(more.runs[-1])).source == predicted.LIKE


def test_a_damaged_result_that_a_plan_needs_stops_it_and_is_not_lost(tmp_path: Path) -> None:
    places, plan, log = pretrained_home(tmp_path), tiny_digits.plan("lp"), Log()
    assert execute(plan, places, CPU, Log()) == []
    folder = Store(places.runs).folder(plan.runs[-1])
    (folder / "result.json").write_text("{")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="is damaged"):
        execute(tiny_digits.plan("lp", "ft"), places, CPU, log)
    assert log.events == [] and {path.name: path.read_bytes() for path in folder.iterdir()} == before
    shutil.rmtree(folder)  # the cure
    assert execute(plan, places, CPU, Log()) == [] and Store(places.runs).result(plan.runs[-1])


def break_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*arguments: object) -> None:
        raise ArithmeticError("the solver broke")

    monkeypatch.setattr(logreg, "fit", fit)


def test_a_failing_run_is_recorded_and_its_children_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, plan, log = pretrained_home(tmp_path), tiny_digits.plan("lp-ft", "ft"), Log()
    break_probe(monkeypatch)
    failures = {failure.run.method: failure for failure in execute(plan, places, CPU, log)}
    assert failures.keys() == {"lp", "lp-ft"}
    assert failures["lp"].error == "ArithmeticError: the solver broke" and "logreg.fit" in failures["lp"].trace
    assert "parent" in failures["lp-ft"].error and failures["lp"].key in failures["lp-ft"].error
    assert ("finished", "ft") in log.events and ("started", "lp-ft") not in log.events  # what does not depend on it goes on
    store = Store(places.runs)
    lp = next(run for run in plan.runs if run.method == "lp")
    assert store.failure(store.folder(lp)) == failures["lp"]
    assert store.result(lp) is None and not store.busy(lp)
    assert lp.key not in {result.key for result in store.results()}


def test_a_failed_run_is_tried_again_and_then_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, plan, log = pretrained_home(tmp_path), tiny_digits.plan("lp-ft"), Log()
    with monkeypatch.context() as patch:
        break_probe(patch)
        assert len(execute(plan, places, CPU, Log())) == 2
    assert execute(plan, places, CPU, log) == []
    assert log.events == [("started", "lp"), ("finished", "lp"), ("started", "lp-ft"), ("finished", "lp-ft")]
    store = Store(places.runs)
    assert all(store.result(run) and store.failure(store.folder(run)) is None for run in plan.runs)


def test_a_diverging_run_fails_with_the_step_and_the_examples(tmp_path: Path) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("ft", sets=("lr=1e30", "batch_size=10"))
    (failure,) = execute(plan, places, CPU, Log())
    assert "Diverged" in failure.error and "at step " in failure.error and "examples [" in failure.error
    (again,) = execute(plan, places, CPU, Log())
    assert again.error == failure.error


def test_the_users_mistake_ends_the_plan_and_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("lp")

    def mistaken(*arguments: object) -> None:
        raise UserError("what", "why", "cure")

    monkeypatch.setattr(logreg, "fit", mistaken)
    with pytest.raises(UserError):
        execute(plan, places, CPU, Log())
    lp = next(run for run in plan.runs if run.method == "lp")
    store = Store(places.runs)
    assert not (store.folder(lp) / "claim.json").exists() and store.failure(store.folder(lp)) is None


class Patient(Log):
    """Waits while another process has a run, which ends when `free` is called the second time."""

    def __init__(self, free) -> None:
        super().__init__()
        self.free, self.waits = free, 0

    def waiting(self, runs: list) -> None:
        self.waits += 1
        if self.waits == 2:
            self.free()


def test_a_run_that_another_has_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("lp")
    store, lp = Store(places.runs), next(run for run in plan.runs if run.method == "lp")
    monkeypatch.setattr("repro.planning.queue.POLL_SECONDS", 0.01)
    folder = store.claim(lp)
    listener = Patient(lambda: store.release(folder))
    assert execute(plan, places, CPU, listener) == []
    assert listener.waits == 2 and listener.events == [("started", "lp"), ("finished", "lp")]


def test_workers_share_a_plan_and_do_each_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, plan = pretrained_home(tmp_path), tiny_digits.plan("lp", "ft", "scratch", seeds=(0, 1))
    monkeypatch.setattr("repro.planning.queue.POLL_SECONDS", 0.01)
    listeners, failures = [Patient(lambda: None), Patient(lambda: None)], []
    threads = [threading.Thread(target=lambda log=log: failures.extend(execute(plan, places, CPU, log))) for log in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    finished = [method for log in listeners for event, method in log.events if event == "finished"]
    assert sorted(finished) == ["ft", "ft", "lp", "lp", "scratch", "scratch"]
    assert all(Store(places.runs).result(run) for run in plan.runs)


def test_devices() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name, why in (("cuda:99", "torch"), ("gpu", "devices are"), ("meta", "CPU or on CUDA")):
        with pytest.raises(UserError) as caught:
            find_device(name)
        assert f"--device {name}" in caught.value.what and why in caught.value.why and "--device auto" in caught.value.cure


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in a folder without that permission")
def test_an_unwritable_run_folder_is_said_before_anything_is_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write to the runs folder"):
        execute(tiny_digits.plan("zero-shot"), tiny_digits.places_at(tmp_path), CPU, Log())


def test_methods_and_stages_are_found() -> None:
    assert {"clip-pretrain", "zero-shot", "scratch", "lp", "ft", "lp-ft"} <= set(plugins.names("methods"))
