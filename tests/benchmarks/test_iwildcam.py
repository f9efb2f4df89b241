"""iWildCam as a benchmark: the published splits, counted; macro F1; cameras as groups; two prompts for 182 classes."""

from __future__ import annotations

import json
import shutil

import fabricated
import numpy as np
import pytest
import torch
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts
from PIL import Image, ImageDraw, ImageFilter
from wilds_layouts import write_iwildcam

from repro import paths
from repro.benchmarks import iwildcam
from repro.errors import UserError
from repro.nn.inputs.images import Preprocess
from repro.nn.job import Job
from repro.paths import Places
from repro.reading import loading, megadetector
from repro.reading.prompts import fill
from repro.settings import Recipe


@pytest.fixture
def copy():
    classes = json.loads((paths.manifests_dir() / "iwildcam_classes.json").read_text(encoding="utf-8"))["classes"]
    return write_iwildcam(Places.find().data / "iwildcam", [(row["y"], row["category_id"], row["scientific"]) for row in classes])


def test_what_is_declared_is_what_is_published():
    benchmark = describe(iwildcam)
    assert published(benchmark) == {
        "train": ("train", None, "macro_f1", 129_809),
        "id_val": ("id_val", None, "macro_f1", 7_314),
        "id_test": ("id_test", "ID", "macro_f1", 8_154),
        "ood_val": ("ood_val", None, "macro_f1", 14_961),
        "ood_test": ("ood_test", "OOD", "macro_f1", 42_791),
    }
    assert sum(split.count for split in benchmark.splits) == 203_029
    assert (benchmark.metrics, benchmark.groupings) == (("accuracy", "macro_recall"), ())
    assert (benchmark.needs, benchmark.backbone) == (("iwildcam",), "clip-vit-b-16")


def test_other_counts_are_refused(copy):
    refuse_other_counts(iwildcam, {"train": 4, "id_val": 1, "id_test": 1, "ood_val": 1, "ood_test": 2})


def test_a_missing_image_is_named(copy):
    refuse_a_missing_image(iwildcam, "ood_test")


def test_labels_and_cameras_follow_the_rows(copy):
    benchmark = describe(iwildcam, {})
    made = loading.load(benchmark, benchmark.split("train"))
    assert (made.labels.tolist(), made.groups["location"].tolist()) == ([0, 1, 3, 2], [0, 1, 2, 2])
    assert made.labels.dtype == made.groups["location"].dtype == np.int64


def test_prompts_have_no_article_and_the_empty_frame_gets_them_too():
    benchmark = describe(iwildcam)
    assert len(benchmark.classes) == 182
    assert [fill(template, benchmark.classes[label]) for label in (0, 65) for template in benchmark.templates] == [
        "a photo of empty.",
        "empty in the wild.",
        "a photo of great argus.",
        "great argus in the wild.",
    ]
    pairs = [(3, 148), (19, 174), (82, 178), (153, 181)]
    assert all(benchmark.classes[one] == benchmark.classes[other] for one, other in pairs)
    assert len(set(benchmark.classes)) == 182 - len(pairs)


def test_tiny_has_every_split_and_all_182_classes_to_choose_from():
    tiny = describe(iwildcam, tiny=True)
    made = {split.name: loading.load(tiny, split) for split in tiny.splits[1:]}
    assert {name: len(examples.sources) for name, examples in made.items()} == {
        "train": 175, "id_val": 50, "id_test": 75, "ood_val": 50, "ood_test": 63,
    }  # fmt: skip
    assert len(tiny.classes) == 182 and len(np.unique(made["train"].labels)) == 24
    assert (tiny.backbone, tiny.needs) == ("digits-clip", ())


def test_it_takes_no_options():
    with pytest.raises(UserError, match="iwildcam takes no --ood"):
        iwildcam.describe({"ood": "x"}, Places.find())


# Copy-paste: rows (split, camera, class); class 3 is seen at a camera with empty frames only in id_test.
SCENES = [("train", camera, y) for camera, y in ((0, 0), (0, 0), (1, 0), (0, 1), (1, 2), (1, 1), (2, 3), (2, 4))]
SCENES += [("id_val", 0, 1), ("id_test", 0, 3), ("val", 5, 2), ("test", 6, 0)]
SIDE = 32


@pytest.fixture
def scenes():
    classes = json.loads((paths.manifests_dir() / "iwildcam_classes.json").read_text(encoding="utf-8"))["classes"]
    data = Places.find().data
    root = write_iwildcam(data / "iwildcam", [(row["y"], row["category_id"], row["scientific"]) for row in classes], SCENES)
    names = [path.stem for path in sorted((root / "iwildcam_v2.0/train").glob("*.jpg"))]
    mask = Image.new("L", (48, 36), 0)
    mask.paste(1, (10, 6, 30, 28))
    boxes = {names[5]: (0.8, [[0.2, 0.3, 0.4, 0.5]]), names[4]: (0.3, [[0.2, 0.3, 0.4, 0.5]]), names[7]: (0.1, [])}
    megadetector.write(data / "iwildcam-copypaste", boxes, {names[3]: mask, names[6]: mask})
    benchmark = describe(iwildcam)
    return benchmark.model_copy(update={"splits": tuple(split.model_copy(update={"count": None}) for split in benchmark.splits)})


def grounds(benchmark, **recipe) -> dict[int, list[int]]:
    given = loading.targets(benchmark, benchmark.split("train"), Recipe(targeted="copy-paste", **recipe))
    return {label: rows.tolist() for label, rows in given.grounds.items()}


def test_grounds_are_empty_training_frames_of_cameras_that_have_seen_the_class(scenes):
    assert grounds(scenes) == {1: [0, 1, 2], 2: [2], 3: [], 4: []}
    assert grounds(scenes, seen_in="all") == {1: [0, 1, 2], 2: [2], 3: [0, 1], 4: []}


def test_outlines_follow_the_rows_and_empty_frames_have_none(scenes):
    given = loading.targets(scenes, scenes.split("train"), Recipe(targeted="copy-paste"))
    kinds = [outline and (outline.mask is not None, outline.boxes) for outline in given.outlines]
    assert kinds == [None, None, None, (True, None), (False, ()), (False, ((0.2, 0.3, 0.4, 0.5),)), (True, None), (False, ())]


@pytest.mark.parametrize("seen_in", ["train", "all"])
def test_training_images_are_pasted_as_the_definition_says(scenes, tmp_path, seen_in):
    """The whole way from files, against Pillow image by image; images that enter packs by another route differ by at most a level."""
    recipe = Recipe(targeted="copy-paste", targeted_p=0.8, seen_in=seen_in, resize="squash", image_size=SIDE, epochs=1)
    run = fabricated.run("erm-targeted", of=scenes).model_copy(update={"recipe": recipe})
    job = Job(run, torch.device("cpu"), tmp_path / "packs", loading.load)
    job.preprocess = Preprocess(SIDE, (0.0,) * 3, (1.0,) * 3)
    images = job.images("train", augmented=True)
    assert job.extras["copy-paste"] == {
        "no figure": 3, "mask": 2, "boxes": 1, "nothing found": 2, "missing": 0, "classes with grounds": 2 + (seen_in == "all")
    }  # fmt: skip
    assert set(job.extras["packs"]) == {"train", "train, cut-outs"}
    files, labels, given = (
        loading.load(scenes, scenes.split("train")).sources,
        [row[2] for row in SCENES[:8]],
        grounds(scenes, seen_in=seen_in),
    )
    changed = 0
    for epoch in range(6):
        uniforms = images.uniforms(0, epoch)
        got = images.batch(torch.arange(8), uniforms).permute(0, 2, 3, 1).mul(255).round().int().numpy()
        for row, draw in enumerate(uniforms[:, -7:].numpy()):
            whole = small = Image.open(files[row]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            if draw[0] < 0.8:
                mask = by_hand(scenes, row)
                if labels[row] and mask is not None and given[labels[row]]:
                    behind = given[labels[row]][int(draw[1] * len(given[labels[row]]))]
                    whole = Image.open(files[behind]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
                    whole.paste(small, mask=mask)
                    changed += 1
                whole = whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw[2] < 0.5 else whole
            assert np.abs(got[row] - np.asarray(whole).astype(int)).max() <= 1, (epoch, row)
    assert changed >= 8


def by_hand(benchmark, row: int) -> Image.Image | None:
    """Row 3 and 6 have a mask of the middle, row 5 a certain box."""
    if row in (3, 6):
        mask = Image.new("L", (48, 36), 0)
        mask.paste(1, (10, 6, 30, 28))
        return Image.fromarray(np.array(mask.resize((SIDE, SIDE))) > 0)
    if row == 5:
        mask = Image.new("L", (SIDE, SIDE), 0)
        ImageDraw.Draw(mask).rectangle((int(0.2 * SIDE), int(0.3 * SIDE), int(0.6000000000000001 * SIDE), int(0.8 * SIDE)), fill=255)
        return mask.filter(ImageFilter.GaussianBlur(5))
    return None


def test_without_masks_the_cure_is_named(scenes):
    shutil.rmtree(Places.find().data / "iwildcam-copypaste")
    with pytest.raises(UserError, match=r"cannot read .*megadetector_results\.json") as caught:
        grounds(scenes)
    assert caught.value.cure == "repro data verify iwildcam-copypaste --full"
