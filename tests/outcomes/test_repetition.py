"""What a repetition needs, and the error where that is gone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import fabricated
import pytest
from tiny_digits import places_at

from repro import backbones, plugins
from repro.errors import UserError
from repro.outcomes import repetition
from repro.outcomes.finished import Finished
from repro.outcomes.repetition import Repetition
from repro.outcomes.store import Store
from repro.types import Apart, BackboneRef, Run

OWN = backbones.definition(backbones.find("digits-clip"))


@pytest.fixture
def places(tmp_path):
    return places_at(tmp_path)


def put(places, run: Run, **changes) -> Finished:
    """A finished run of the real digits benchmark's name and version, with a file of weights."""
    store, network = Store(places.runs), run.backbone.model_copy(update={"definition": OWN} if run.backbone.name == "digits-clip" else {})
    run = run.model_copy(update={"backbone": network})
    fields = {"files": {"weights-epoch-1.safetensors": "0" * 64}, **changes}
    result = fabricated.finish(store, run, **fields)
    for name in fields["files"]:
        (store.folder(run) / name).write_bytes(b"made up")
    return Finished(result, store.folder(run))


def of(method: str, **changes) -> Run:
    return fabricated.run(method, of=fabricated.of_digits()).model_copy(update=changes)


def refused(original: Finished, places, **options) -> UserError:
    with pytest.raises(UserError) as caught:
        repetition.of(original, places, **options)
    return caught.value


def test_a_repetition_has_the_runs_own_parents(places):
    stage = put(places, of("clip-pretrain", parents={}))
    probe = put(places, of("lp", parents={"backbone": stage.result.key}))
    child = put(places, of("lp-ft", parents={"backbone": stage.result.key, "head": probe.result.key}))
    found = repetition.of(child, places)
    assert found == Repetition(child.result.run, {"backbone": stage, "head": probe}, None)


def test_a_parent_or_its_weights_may_be_gone(places):
    probe = put(places, of("lp", parents={}))
    child = put(places, of("lp-ft", parents={"head": probe.result.key}))
    (probe.folder / "weights-epoch-1.safetensors").unlink()
    error = refused(child, places)
    assert error.what == f"the weights of run {probe.result.key}, from which another starts, are not kept"
    assert "weights-epoch-1.safetensors is not in" in error.why and error.cure.startswith(f"rm -r {probe.folder}")
    bare = put(places, of("lp", parents={}, seed=1), files={})
    error = refused(put(places, of("lp-ft", parents={"head": bare.result.key}, seed=1)), places)
    assert bare.result.key in error.what and error.why == "it was run with keep_weights=none"
    shutil.rmtree(probe.folder)
    error = refused(child, places)
    assert error.what == f"run {probe.result.key} is gone, from which {child.result.key} starts (head)"
    assert error.cure.startswith("repro run digits --method lp-ft")


def test_what_the_program_has_no_more_or_otherwise_is_said(places):
    environment = {"environment": {"repro": "0.0.9", "commit": "abc"}}
    cases = {
        "this program has no method gone": of("scratch").model_copy(update={"method": "gone"}),
        "method scratch is not what it was": of("scratch", method_version=99),
        "this program has no benchmark made-up": fabricated.run("scratch"),
        "benchmark digits is not what it was": fabricated.run("scratch", of=fabricated.of_digits(version=99)),
    }
    for what, run in cases.items():
        error = refused(put(places, run, **environment), places)
        assert error.what.startswith(what) and error.cure == "run it with the program that made it: repro 0.0.9 abc"
    names = plugins.names("benchmarks")
    assert len(names) >= 9 and all(isinstance(plugins.benchmark(name).VERSION, int) for name in names)
    store, run = Store(places.runs), of("scratch", backbone=BackboneRef(name="digits-clip", definition="0" * 16))
    error = refused(Finished(fabricated.finish(store, run), store.folder(run)), places)
    assert error.what.startswith("backbone digits-clip is not what it was")


def test_the_weights_file_is_the_one_by_its_content(places, tmp_path):
    content = b"weights made up"
    reference = BackboneRef(name="timm:resnet18", weights=hashlib.sha256(content).hexdigest())
    original = put(places, of("ft", backbone=reference, parents={}), extras={"weights": {"file": "net.pth"}})
    error = refused(original, places)
    assert "are not here" in error.what and error.why.startswith("net.pth, sha256 ") and error.cure == "name them: --weights FILE"
    (tmp_path / "other.pth").write_bytes(b"others")
    error = refused(original, places, weights=str(tmp_path / "other.pth"))
    assert error.what == f"{tmp_path}/other.pth is not the file that run {original.result.key} started from"
    (tmp_path / "same.pth").write_bytes(content)
    assert repetition.of(original, places, str(tmp_path / "same.pth")).weights_file == tmp_path / "same.pth"


def test_standard_weights_that_are_gone_can_be_fetched(places):
    entry = backbones.find("moco-v2-resnet50")
    reference = BackboneRef(name=entry.name, definition=backbones.definition(entry), weights="a" * 64)
    error = refused(put(places, of("ft", backbone=reference, parents={})), places)
    assert error.cure == f"repro data fetch {entry.weights.replace(':', ' --only ')}, or name them: --weights FILE"


def test_images_that_are_gone_are_said_when_no_pack_has_them(tmp_path):
    benchmark = fabricated.benchmark(roots={"images": str(tmp_path / "gone")})
    with pytest.raises(UserError) as caught:
        Repetition.examples(benchmark, benchmark.splits[0])
    assert (
        caught.value.why == f"the run saw them in {tmp_path}/gone, and train is not packed" and caught.value.cure == "put them back there"
    )
    assert Path(tmp_path / "gone").exists() is False


def test_of_a_split_apart_its_own_folder_is_looked_for(tmp_path):
    (tmp_path / "here").mkdir()
    benchmark = fabricated.benchmark(roots={"images": str(tmp_path / "here")}, needs=("images",))
    split = benchmark.splits[0].model_copy(update={"apart": Apart(name="cifar10-c", data="0" * 64, root=str(tmp_path / "gone"))})
    with pytest.raises(UserError) as caught:
        Repetition.examples(benchmark, split)
    assert caught.value.why.startswith(f"the run saw them in {tmp_path}/gone, ")
    assert caught.value.cure == "repro data fetch cifar10-c, then link it there"
