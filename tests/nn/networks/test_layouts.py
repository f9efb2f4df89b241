"""Original checkpoints through the program's own path: every tensor arrives, features are the library's, whatever does not fit is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import fabricated
import original_formats
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from repro import backbones as named
from repro.errors import UserError
from repro.nn.job import Job
from repro.nn.networks import backbones, layouts
from repro.types import BackboneRef

pytestmark = pytest.mark.usefixtures("quick_initialisation")

MAKERS = {
    "moco-v2-resnet50": original_formats.moco,
    "moco-tp-resnet50": original_formats.moco,
    "swav-resnet50": original_formats.swav,
    "resnet50-supervised": original_formats.torchvision,
    "densenet121-supervised": original_formats.torchvision_densenet,
    "densenet121-camelyon17": original_formats.swav_of_wilds,
    "dino-vit-b-16": original_formats.dino,
    "bit-resnet50": original_formats.bit,
    "bit-resnet101": partial(original_formats.bit, arch="resnetv2_101x1_bit"),
}
# name → tensors of the network, and how many of the file are dropped
COUNTS = {
    "moco-v2-resnet50": (318, {"encoder_q.fc.": 4, "encoder_k.": 322, "queue": 1, "queue_ptr": 1}),
    "swav-resnet50": (318, {"projection_head.": 9, "prototypes.": 1}),
    "resnet50-supervised": (318, {"fc.": 2}),
    "densenet121-supervised": (725, {"classifier.": 2}),
    "densenet121-camelyon17": (725, {"projection_head.": 9, "prototypes.": 1}),
    "dino-vit-b-16": (150, {}),
    "bit-resnet50": (151, {}),
    "bit-resnet101": (304, {}),
}
COUNTS["moco-tp-resnet50"] = COUNTS["moco-v2-resnet50"]


def load(name: str, path: Path) -> tuple[backbones.Backbone, dict]:
    entry = named.find(name)
    reference = BackboneRef(name=entry.name, kwargs=entry.kwargs)
    net, droppable = backbones.build(reference)
    return net, backbones.load(net, droppable, path, reference)


def noise(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_every_image_network_is_tested_here() -> None:
    assert set(MAKERS) == {entry.name for entry in named.named().values() if not entry.text and entry.kind == "images"} and len(MAKERS) == 9


@pytest.mark.parametrize("name", MAKERS)
def test_an_original_checkpoint_arrives_whole(name: str, tmp_path: Path) -> None:
    file = named.find(name).weights.partition(":")[2]
    theirs = MAKERS[name](tmp_path / file)
    net, told = load(name, tmp_path / file)
    tensors, dropped = COUNTS[name]
    assert told == {"file": file, "layout": named.find(name).layout, "matched": tensors, "dropped": dropped, "absent": 0}
    expected = {key.replace("conv1.1.weight", "conv1.weight") if "swav-r" in name else key: v for key, v in theirs.state_dict().items()}
    ours = net.visual.state_dict()
    assert ours.keys() == expected.keys() and all(torch.equal(ours[key], expected[key]) for key in ours)
    images = noise(224 if "vit" in name else 96)
    with torch.no_grad():
        features = net.eval().visual(images)
        assert features.shape == (2, named.find(name).dim) and features.std() > 1e-3
        # a padding in two steps may be added up in another order; elsewhere it is the same network
        assert (features - theirs.eval()(images)).abs().max() <= (1e-5 if name == "swav-resnet50" else 0)


@pytest.mark.parametrize("name", ["moco-v2-resnet50", "swav-resnet50", "resnet50-supervised", "densenet121-camelyon17"])
def test_a_key_too_many_or_too_few_is_listed_and_refused(name: str, tmp_path: Path) -> None:
    prefix = named.layouts()[named.find(name).layout].prefix
    path = tmp_path / "w.pth"
    MAKERS[name](path, {f"{prefix}extra.weight": torch.zeros(1)})
    with pytest.raises(UserError) as caught:
        load(name, path)
    assert str(path) in caught.value.what and "1 unexpected (extra.weight)" in caught.value.why
    if prefix:
        MAKERS[name](path, {"extra.weight": torch.zeros(1)})
        with pytest.raises(UserError) as caught:
            load(name, path)
        assert "1 unexpected keys (extra.weight)" in caught.value.why
    MAKERS[name](path)
    state = torch.load(path, weights_only=False)
    inner = state.get("state_dict", state)
    gone = next(key for key in inner if key.endswith("layer1.0.conv1.weight") or key.endswith("denselayer1.conv1.weight"))
    del inner[gone]
    torch.save(state, path)
    with pytest.raises(UserError) as caught:
        load(name, path)
    plain = gone.removeprefix("module.").removeprefix(prefix)
    assert f"1 missing ({plain})" in caught.value.why


@pytest.mark.parametrize(
    ("name", "maker", "cure"),
    [
        (
            "resnet50-supervised",
            original_formats.moco,
            "--backbone moco-v2-resnet50 --weights {0} or --backbone moco-tp-resnet50 --weights {0}",
        ),
        (
            "torchvision:resnet50",
            original_formats.moco,
            "--backbone moco-v2-resnet50 --weights {0} or --backbone moco-tp-resnet50 --weights {0}",
        ),
        ("timm:resnet50", original_formats.swav, "--backbone swav-resnet50 --weights {0}"),
        ("moco-v2-resnet50", original_formats.swav, "--backbone swav-resnet50 --weights {0}"),
        ("swav-resnet50", original_formats.swav_of_wilds, "--backbone densenet121-camelyon17 --weights {0}"),
        ("digits-clip", original_formats.moco, "--backbone moco-v2-resnet50 --weights {0} or --backbone moco-tp-resnet50 --weights {0}"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_the_right_name(name: str, maker, cure: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    maker(path)
    with pytest.raises(UserError) as caught:
        load(name, path)
    assert caught.value.what == f"{path} does not fit {name}" and caught.value.cure == cure.format(path)


def test_a_network_without_classifier_takes_plain_names_and_refuses_a_classifier(tmp_path: Path) -> None:
    """A converted MoCo has no fc; a file with one was trained with labels."""
    full = original_formats.torchvision(tmp_path / "labels.pth")
    save_file(full.state_dict(), tmp_path / "trunk.safetensors")
    net, told = load("moco-v2-resnet50", tmp_path / "trunk.safetensors")
    assert told["layout"] == "torchvision" and told["matched"] == 318 and told["dropped"] == {}
    assert torch.equal(net.visual.layer4[2].conv3.weight, full.layer4[2].conv3.weight)
    with pytest.raises(UserError, match="does not fit") as caught:
        load("moco-v2-resnet50", tmp_path / "labels.pth")
    assert "2 unexpected (fc.bias, fc.weight)" in caught.value.why


@pytest.mark.parametrize("wrap", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("parallel", [True, False])
def test_wrapped_and_parallel_checkpoints_load(wrap: str | None, parallel: bool, tmp_path: Path) -> None:
    full = original_formats.shake(models.resnet18())
    state = original_formats.parallel(full.state_dict()) if parallel else full.state_dict()
    torch.save({wrap: state, "epoch": 2} if wrap else state, tmp_path / "w.pt")
    for name in ("torchvision:resnet18", "timm:resnet18"):
        net, told = load(name, tmp_path / "w.pt")
        assert told["matched"] == 120 and told["dropped"] == {"fc.": 2} and told["layout"] == name.split(":")[0]
        assert torch.equal(net.visual.layer4[1].conv2.weight, full.layer4[1].conv2.weight)


def test_densenets_of_the_first_torchvision_load(tmp_path: Path) -> None:
    """Its file still has norm.1 where the network has norm1; torchvision's own loader renames with a pattern, too."""
    from torchvision.models import densenet

    full = original_formats.shake(models.densenet121())
    old = {key: value for key, value in full.state_dict().items() if "num_batches" not in key}
    for part in ("norm", "conv"):
        for number in "12":
            old = {key.replace(f".{part}{number}.", f".{part}.{number}.") if "denselayer" in key else key: v for key, v in old.items()}
    assert sum(".norm.1." in key for key in old) == 58 * 4
    torch.save(old, tmp_path / "w.pth")
    net, told = load("torchvision:densenet121", tmp_path / "w.pth")
    assert told["matched"] == 604 and told["absent"] == 121 and told["dropped"] == {"classifier.": 2}
    theirs = models.densenet121()

    class Weights:
        def get_state_dict(self, **_) -> dict:
            return old

    densenet._load_state_dict(theirs, Weights(), False)
    theirs.classifier = nn.Identity()
    with torch.no_grad():
        assert torch.equal(net.eval().visual(noise(64)), theirs.eval()(noise(64)))


def test_signs_are_of_one_layout_each() -> None:
    assert len(named.layouts()) == 8
    for layout in named.layouts().values():
        for sign in layout.sign:
            found = layouts.recognise({sign + "weight" if sign.endswith(".") else sign: torch.zeros(1)})
            assert found == layout, sign
    assert layouts.recognise({"conv1.weight": torch.zeros(1), "prototypesque": torch.zeros(1)}) is None


def test_a_job_tells_what_it_loaded(tmp_path: Path) -> None:
    theirs = original_formats.swav(tmp_path / "w.pth.tar")
    run = fabricated.run("ft").model_copy(update={"backbone": BackboneRef(name="swav-resnet50"), "parents": {}})
    job = Job(run, torch.device("cpu"), tmp_path, lambda *_: None, weights_file=tmp_path / "w.pth.tar")
    net = job.backbone()
    assert torch.equal(net.visual.layer1[0].conv1.weight, theirs.layer1[0].conv1.weight)
    assert job.extras["weights"]["matched"] == 318 and job.extras["weights"]["layout"] == "swav"
    assert job.preprocess.size == 224 and job.preprocess.std == (0.229, 0.224, 0.225)
