"""What a run packs: each split as it looks at it, all broken images in one error, and the content of what it saw."""

import json
from pathlib import Path

import fabricated
import numpy as np
import pytest
import tiny_digits
import torch
from image_files import broken_files, noise, write_images

from repro.errors import UserError
from repro.nn.inputs import packs
from repro.nn.inputs.images import Preprocess
from repro.nn.job import Job
from repro.reading.examples import Examples
from repro.types import Benchmark, Split

PREPROCESS = Preprocess(28, (0.5,) * 3, (0.25,) * 3, "bilinear", 0.875)


class Data:
    """Examples by split's name; remembers what was asked for."""

    def __init__(self, **sources: list):
        self.sources, self.asked = sources, []

    def __call__(self, benchmark: Benchmark, split: Split) -> Examples:
        self.asked.append(split.name)
        return Examples(self.sources[split.name], np.arange(len(self.sources[split.name])))


def job_of(folder: Path, data: Data, **recipe: object) -> Job:
    job = Job(run=fabricated.run("ft", **recipe), device=tiny_digits.CPU, packs=folder, examples=data)
    job.preprocess = PREPROCESS.with_recipe(job.recipe)
    return job


def folders(path: Path) -> list[str]:
    return sorted(folder.name.rpartition("-")[0] for folder in path.glob("*/*-*") if folder.is_dir())


def test_a_split_is_packed_for_augmentation_and_for_evaluation(tmp_path: Path) -> None:
    """Both at once, each from the files; the crops are of the original frames, the evaluation of the resized ones."""
    (tmp_path / "images").mkdir()
    data = Data(train=write_images(tmp_path / "images"), id_val=[noise(70, 90)])
    job = job_of(tmp_path / "packs", data, augment="rrc", pack_side=0)
    augmented, plain, val = job.images("train", augmented=True), job.images("train"), job.images("id_val")
    assert folders(tmp_path / "packs") == ["id_val", "train", "train"] and data.asked == ["train", "train", "id_val"]
    assert augmented.pack.shapes.max() == 71 and plain.pack.shapes.min() == 32 and val.pack.shapes.tolist() == [[32, 41]]
    index = torch.arange(len(plain))
    assert augmented.batch(index, augmented.uniforms(0, 0)).shape == plain.batch(index, None).shape == (7, 3, 28, 28)
    expected = {"train, pack_side 0": augmented, "train": plain, "id_val": val}
    assert job.extras["packs"] == {name: images.pack.content[:16] for name, images in expected.items()}
    assert len(set(job.extras["packs"].values())) == 3


def test_one_pack_serves_both_where_the_recipe_says_nothing(tmp_path: Path) -> None:
    data = Data(train=[noise(50, 60)] * 3)
    job = job_of(tmp_path, data, augment="rrc")
    assert job.images("train", augmented=True).pack.content == job.images("train").pack.content
    assert folders(tmp_path) == ["train"] and data.asked == ["train"] and job.extras["packs"].keys() == {"train"}


def test_broken_images_of_all_splits_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    broken, good = broken_files(tmp_path / "images"), write_images(tmp_path / "images")
    missing = tmp_path / "images" / "missing.jpg"
    data = Data(train=[*good, broken[0]], id_val=good, id_test=[missing, *good], sketch=[broken[2], *good, broken[3]], clipart=good)
    job = job_of(tmp_path / "packs", data)
    job.uses = [("train", True), *((name, False) for name in ("id_val", "id_test", "sketch", "clipart"))]
    with pytest.raises(UserError) as caught:
        job.images("id_val")
    error = caught.value
    assert error.what == (
        f"1 of 8 images of train cannot be read: {broken[0]}; "
        f"1 of 8 images named by id_test are not on disk: {missing}; "
        f"2 of 9 images of sketch cannot be read: {broken[2]}, {broken[3]}; "
        f"all are listed in {listing(tmp_path / 'packs')}"
    )
    assert [line.split("\t")[2] for line in listing(tmp_path / "packs").read_text().splitlines()] == [
        str(path) for path in (broken[0], missing, broken[2], broken[3])
    ]
    assert folders(tmp_path / "packs") == ["clipart", "id_val"], "what is whole need not be packed again"
    for split in ("train", "id_test", "sketch"):
        data.sources[split] = good
    assert len(job.images("id_val")) == 7, "which is packed: nothing else is looked at"
    assert len(job.images("sketch")) == 7
    assert folders(tmp_path / "packs") == ["clipart", "id_test", "id_val", "sketch", "train"]
    assert not list((tmp_path / "packs").glob("*/broken-images.txt"))


def listing(folder: Path) -> Path:
    (found,) = folder.glob("*/broken-images.txt")
    return found


def test_a_data_set_that_is_needed_is_verified(tmp_path: Path) -> None:
    data = Data(train=[tmp_path / "gone.jpg"])
    job = job_of(tmp_path / "packs", data)
    job.run = job.run.model_copy(update={"benchmark": fabricated.benchmark(needs=("fmow",))})
    with pytest.raises(UserError) as caught:
        job.images("train")
    assert caught.value.cure == "repro data verify fmow --full, then run the same command again"


def test_the_result_names_the_packs(tmp_path: Path) -> None:
    """Runs of different methods on the same splits name the same content, which is that of the packs on disk."""
    places = tiny_digits.pretrained_home(tmp_path)
    plan = tiny_digits.plan("lp", "ft", sets=("epochs=1",))
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    on_disk = {path.parent.name.rpartition("-")[0]: json.loads(path.read_text())["content"] for path in places.packs.glob("*/*/pack.json")}
    store = tiny_digits.Store(places.runs)
    lp, ft = (store.result(next(run for run in plan.runs if run.method == method)) for method in ("lp", "ft"))
    assert lp.extras["packs"] == ft.extras["packs"]
    judged = {split.name for split in plan.benchmark.splits if split.role != "pretrain"}
    assert ft.extras["packs"] == {name: on_disk[name][:16] for name in judged} and len(judged) >= 4
    assert packs.exists(next(places.packs.glob("*/train-*")))
