"""Every method on every benchmark's tiny subset, found by the same folder scan as the program's own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import small_curves
import tiny_digits
import torch
from PIL import Image
from safetensors.numpy import load_file
from tiny_digits import CPU, Log, execute, places_at

from repro import plugins
from repro.errors import UserError
from repro.nn.networks import backbones
from repro.nn.networks.weights import save_weights
from repro.outcomes import stored
from repro.outcomes.metrics import evaluate, is_share
from repro.outcomes.store import Store
from repro.planning import plan as planning
from repro.planning.plan import Plan, Request
from repro.reading.loading import load
from repro.types import BackboneRef, Benchmark, Result

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def write_folder(root: Path) -> dict[str, str]:
    """Two domains × three classes of small images: a colour is the class, noise and shapes of the frame are the domain."""
    rng = np.random.default_rng(0)
    for domain, sides in (("photo", (40, 48)), ("sketch", (36, 60))):
        for name, colour in COLOURS.items():
            folder = root / domain / name
            folder.mkdir(parents=True)
            for number in range(12):
                pixels = np.clip(np.array(colour) + rng.normal(0, 30, (*sides, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:02}.{'png' if number % 2 else 'jpg'}")
    return {"root": str(root), "id": "photo", "ood": "sketch"}


OPTIONS: dict[str, Callable[[Path], dict[str, str]]] = {  # what must be told, or is there on demand
    "folder": lambda folder: write_folder(folder / "images"),
    "light-curves": lambda folder: small_curves.write_domains(folder / "curves"),
    "imagenet": lambda folder: {"ood": "v2,r,a,sketch,objectnet"},
}

WITHOUT_OOD = {"patchcamelyon", "rendered-sst2"}  # few-shot sets, which their papers test on no other domain

PRETRAINING = {"digits", "light-curves", "redshifts", "astro-classification"}  # elsewhere random weights save it

SLOWLY = {"folder"}  # where two epochs change a loss less than its random crops do

# Fine-tuning from a probe: a rate scaled to each tower's features.
RATES = {"digits": 1e-5, "folder": 1e-3}  # of the others 1e-6


def random_weights(folder: Path) -> str:
    """A tower of random weights whose BatchNorm statistics fit its activations: without, evaluation mode hides the image."""
    torch.manual_seed(0)
    net = backbones.build(BackboneRef(name="digits-clip"))[0]
    with torch.no_grad():
        for _ in range(20):
            net.train().visual(torch.randn(16, 3, 32, 32))
    save_weights(folder / "clip.safetensors", net.state_dict())
    return str(folder / "clip.safetensors")


def serves(method: str, benchmark: Benchmark) -> bool:
    """Whether a method is made for such examples and such a task."""
    declared = plugins.declared(method)
    return benchmark.kind in declared.kinds and benchmark.task in declared.tasks


class Worked:
    """One benchmark with every method worked off on it."""

    def __init__(self, name: str, home: Path):
        self.module, self.places, self.log = plugins.benchmark(name), places_at(home), Log()
        self.benchmark: Benchmark = self.module.describe(OPTIONS[name](home) if name in OPTIONS else {}, self.places, True)
        self.pretrains = self.benchmark.pretrained_by if name in PRETRAINING else None
        images = self.benchmark.kind == "images"
        own = {"backbone": "digits-clip", "weights": random_weights(home)} if images and not self.pretrains else {}
        methods = tuple(method for method in planning.parse_methods(["all"], self.benchmark) if serves(method, self.benchmark))
        # A fitted head's loss differs more between random crops than three epochs change it.
        rates = [
            f"lp-ft.lr={RATES.get(name, 1e-6)}",
            "lp-ft.augment=none",
            "bn-only.lr=3e-3",
            "base=lp-ft",
            "erm-targeted.targeted_p=0.1",
            "irm.penalty_weight=0.01",
        ]
        rates += ["autoft.search_lr_factor=2", "autoft.trials=3"]
        if not self.benchmark.searchable("ood_val"):
            rates.append("autoft.search_on=id_val")
        if name in WITHOUT_OOD:  # one batch of two captions, whose contrastive loss starts near its floor, the log of half the batch
            rates += ["flyp.lr=1e-5", "autoft.lr=1e-4", "autoft.head=random"]
        sets = (f"epochs={3 if name in SLOWLY else 2}", "lr=3e-4", "batch_size=16", "lp_c_count=8", *rates, *tiny_digits.PRETRAINING)
        if self.benchmark.kind != "images":
            training = ("epochs=3", "lr=1e-3", "batch_size=16", "judge_every=1")
            sets = tuple(f"{method}.{text}" for method in methods if method != "lp" for text in training)
            if "lp" in methods:  # a weaker head would not let features move; dropout hides small steps
                sets += ("lp.lp_c_min=1", "lp-ft.batch_size=128", "lp-ft.batchnorm=eval")
        self.plan: Plan = planning.make(Request(self.benchmark, methods, (0,), sets=sets, **own))
        assert [failure.error for failure in execute(self.plan, self.places, CPU, self.log)] == []
        self.store = Store(self.places.runs)

    def results(self) -> list[Result]:
        return [self.store.result(run) for run in self.plan.runs]


@pytest.fixture(scope="module", params=sorted(plugins.names("benchmarks")))
def worked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    home = tmp_path_factory.mktemp(request.param)
    yield Worked(request.param, home)
    shutil.rmtree(home)  # a gigabyte of weights, of each of sixteen


def test_the_scan_finds_what_is_there() -> None:
    assert len(plugins.names("benchmarks")) == 16
    assert len(plugins.names("datasets")) == 19
    assert len(plugins.names("methods")) == 28
    assert sum(plugins.declared(name).reported for name in plugins.names("methods")) == 23


def without_what_it_needs(benchmark: Benchmark) -> set[str]:
    """The methods that no data of this benchmark are there for."""
    declared = [plugins.declared(name) for name in plugins.names("methods")]
    lacking = {method.name for method in declared if method.needs_domains and benchmark.domain is None}
    lacking |= {method.name for method in declared if method.targeted and not benchmark.targeted}
    return lacking | {method.name for method in declared if method.needs_unlabelled and not benchmark.unlabelled}


def test_every_method_runs(worked: Worked) -> None:
    absent = {name for name in without_what_it_needs(worked.benchmark) if serves(name, worked.benchmark)}
    assert set(worked.plan.skipped) == absent and all(worked.benchmark.name in why for why in worked.plan.skipped.values())
    run = {result.run.method for result in worked.results()}
    stages = {worked.pretrains} - {None}
    stages |= {"autoft-search"} & {method for name in run for method in ("autoft-search",) if name == "autoft"}
    stages |= {parent.method for name in run for parent in plugins.declared(name).parents.values() if parent.takes}
    served = {name for name in plugins.names("methods") if plugins.declared(name).reported and serves(name, worked.benchmark)}
    assert run == (served | stages) - absent and len(served) >= 3


def test_what_a_method_is_not_made_for_is_refused(worked: Worked) -> None:
    others = [name for name in plugins.names("methods") if not serves(name, worked.benchmark)]
    assert len(others) >= 1
    for name in others:
        with pytest.raises(UserError) as refused:
            planning.make(
                Request(worked.benchmark, (name,), (0,), weights="random", backbone=worked.plan.runs[0].backbone.name, strict=True)
            )
        assert f"{name} is made for " in refused.value.why


def test_splits_have_the_roles_that_selection_needs(worked: Worked) -> None:
    roles = [split.role for split in worked.benchmark.splits]
    plain = [split for split in worked.benchmark.splits if split.role == "train" and split.targeted == "none"]
    assert len(plain) == 1 and roles.count("id_val") == 1
    has_ood = worked.benchmark.name not in WITHOUT_OOD
    assert ("ood_test" in roles) == has_ood and ("id_test" in roles or has_ood)
    names = [split.name for split in worked.benchmark.splits]
    assert len(set(names)) == len(names)
    assert {split.column for split in worked.benchmark.splits} - {None} == ({"ID", "OOD"} if has_ood else {"ID"})
    assert len(worked.benchmark.data) == 64 and worked.benchmark.version >= 1


def contents(source: Path | np.ndarray) -> bytes:
    return source.tobytes() if isinstance(source, np.ndarray) else source.read_bytes()


def test_no_image_is_in_two_roles(worked: Worked) -> None:
    seen: dict[bytes, str] = {}
    curves = worked.benchmark.kind == "light-curves"  # which are pretrained on without labels, as the papers have it
    for split in worked.benchmark.splits[1 if curves else 0 :]:
        for source in load(worked.benchmark, split).sources:
            assert seen.setdefault(contents(source), split.role) == split.role, (split.name, source)
    assert len(seen) > 30


def test_examples_are_whole_and_stay_the_same(worked: Worked) -> None:
    for split in worked.benchmark.splits:
        made, again = (load(worked.benchmark, split) for _ in range(2))
        assert 0 < len(made.sources) == len(made.labels) <= 500
        if worked.benchmark.task == "regression":
            assert made.labels.dtype == np.float64 and np.isfinite(made.labels).all()
        else:
            assert made.labels.dtype == np.int64 and made.labels.max() < len(worked.benchmark.classes)
            assert made.labels.min() >= (0 if split.labelled and split.role != "pretrain" else -1)
        assert [contents(a) for a in made.sources] == [contents(b) for b in again.sources] and np.array_equal(made.labels, again.labels)
        assert all(len(values) == len(made.labels) for values in made.groups.values())
        if made.caption_of is not None:
            assert made.caption_of.min() >= 0 and made.caption_of.max() < len(made.captions)
        if split.role == "id_val" and worked.benchmark.task == "classification":
            assert len(np.unique(made.labels)) >= min(len(worked.benchmark.classes), 10)


def test_losses_are_finite_and_fall_where_something_is_trained(worked: Worked) -> None:
    trained = 0
    for result in worked.results():
        losses = [point.train["loss"] for point in result.checkpoints if point.train]
        assert np.isfinite(losses).all()
        if result.run.recipe.epochs:
            trained += 1
            assert len(losses) == result.run.recipe.epochs
            assert losses[-1] < losses[0], (result.run.method, losses)
    assert trained >= 3


def test_results_come_back_as_they_were_written(worked: Worked) -> None:
    for result in worked.results():
        folder = worked.store.folder(result.run)
        assert stored.read(folder) == result and stored.text(result) == (folder / "result.json").read_text()
        assert result.key == result.run.key and folder.name.endswith(result.key)
    frame = worked.store.frame()
    assert set(frame["method"]) == {
        result.run.method for result in worked.results() if plugins.declared(result.run.method).judged_on(worked.benchmark)
    }


def test_metrics_follow_from_the_stored_logits(worked: Worked) -> None:
    judged = [split.name for split in worked.benchmark.judged]
    for result in worked.results():
        if not plugins.declared(result.run.method).reported:
            assert all(
                list(point.metrics) == plugins.declared(result.run.method).judged_on(worked.benchmark) for point in result.checkpoints
            )
            continue
        by, once = result.run.recipe.select_by, result.run.recipe.judge == "selected"
        measured = [(name, value) for point in result.checkpoints for metrics in point.metrics.values() for name, value in metrics.items()]
        assert measured and all(value >= 0 and (value <= 1 or not is_share(name)) for name, value in measured)
        whole = [point.name for point in result.checkpoints if list(point.metrics) == judged]
        assert whole == (list(result.kept["predictions"]) if once else [point.name for point in result.checkpoints])
        with np.load(worked.store.folder(result.run) / "predictions.npz") as arrays:
            stored = [name.split("/") for name in arrays.files if name.startswith("groups/")]
            named = {split: [grouping for _, of, grouping in stored if of == split] for split in judged}
            for name in result.kept["predictions"]:
                for split in judged:
                    logits, labels = arrays[f"{name}/{split}"], arrays[f"labels/{split}"]
                    assert logits.shape == (len(labels), len(worked.benchmark.classes)) and np.isfinite(logits).all()
                    groups = {grouping: arrays[f"groups/{split}/{grouping}"] for grouping in named[split]}
                    among = worked.benchmark.split(split).classes
                    assert result.checkpoint(name).metrics[split] == evaluate(worked.benchmark, logits, labels, groups, by, among)
                    assert worked.benchmark.metric_of(worked.benchmark.split(split)) in result.checkpoint(name).metrics[split]


def test_kept_weights_are_the_models_that_were_judged(worked: Worked) -> None:
    for result in worked.results():
        assert bool(result.kept["weights"]) == (result.run.method != "autoft-search")
        for name in result.kept["weights"]:
            state = load_file(worked.store.folder(result.run) / f"weights-{name}.safetensors")
            assert all(np.isfinite(value).all() for value in state.values())
            if plugins.declared(result.run.method).reported:
                assert state["head.weight"].shape[0] == state["head.bias"].shape[0] == len(worked.benchmark.classes)
