"""Archives of JAX: read for the networks that timm reads them for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import original_formats
import pytest

from repro.errors import UserError
from repro.nn.networks import backbones
from repro.types import BackboneRef

SMALL = BackboneRef(name="timm:resnetv2_50x1_bit", kwargs={"channels": [128, 128, 128, 128]})
pytestmark = pytest.mark.usefixtures("quick_initialisation")


def refused(path: Path, reference: BackboneRef) -> tuple[str, str, str]:
    net, droppable = backbones.build(reference)
    with pytest.raises(UserError) as caught:
        backbones.load(net, droppable, path, reference)
    return caught.value.what, caught.value.why, caught.value.cure


@pytest.mark.parametrize("without", ["resnet/block3/unit01/b/group_norm/gamma", "resnet/root_block/standardized_conv2d/kernel"])
def test_an_archive_that_lacks_an_array_is_refused(tmp_path: Path, without: str) -> None:
    original_formats.bit(tmp_path / "w.npz", without=without, **SMALL.kwargs)
    what, _, cure = refused(tmp_path / "w.npz", SMALL)
    assert what == f"{tmp_path / 'w.npz'} does not fit timm:resnetv2_50x1_bit" and "--backbone NAME" in cure


def test_an_archive_of_another_size_or_of_too_few_blocks_is_refused(tmp_path: Path) -> None:
    original_formats.bit(tmp_path / "w.npz", **SMALL.kwargs)
    assert (
        "must match the size"
        in refused(tmp_path / "w.npz", SMALL.model_copy(update={"kwargs": SMALL.kwargs | {"channels": [128, 128, 128, 256]}}))[1]
    )
    assert "unit07" in refused(tmp_path / "w.npz", SMALL.model_copy(update={"name": "timm:resnetv2_101x1_bit"}))[1]


def test_another_network_is_told_which_can(tmp_path: Path) -> None:
    original_formats.bit(tmp_path / "w.npz", **SMALL.kwargs)
    what, why, cure = refused(tmp_path / "w.npz", BackboneRef(name="timm:resnet18", kwargs={}))
    assert (
        what.endswith("does not fit timm:resnet18")
        and "only timm's networks of BiT and ViT" in why
        and cure.startswith("--backbone bit-resnet50")
    )


@pytest.mark.parametrize("cut", [0, 10, 5000, -1])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    original_formats.bit(tmp_path / "w.npz", **SMALL.kwargs)
    whole = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(whole[:cut])
    assert refused(tmp_path / "w.npz", SMALL)[0].endswith("does not fit timm:resnetv2_50x1_bit")


class Touching:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_within_is_refused_and_not_run(tmp_path: Path) -> None:
    original_formats.bit(tmp_path / "w.npz", **SMALL.kwargs)
    arrays = dict(np.load(tmp_path / "w.npz"))
    for key in arrays:
        evil = arrays | {key: np.array([Touching(tmp_path / "ran")], dtype=object)}
        if "group_norm/gamma" in key:
            break
    np.savez(tmp_path / "w.npz", **evil)
    assert "Object arrays cannot be loaded" in refused(tmp_path / "w.npz", SMALL)[1]
    assert not (tmp_path / "ran").exists()
