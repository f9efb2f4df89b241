"""Validation on real images: CIFAR-10 → the same seven classes in Tiny-ImageNet, through `repro run folder`, pretraining included.

    python -m bench.cifar7 [--quick]

It stands for CIFAR-10 → STL of the LP-FT paper (Kumar et al. 2022) at a size that two cores can do. A small network is first trained from
scratch on the Tiny-ImageNet classes that are none of the seven; then LP, FT and LP-FT × 3 seeds on CIFAR-10, with the learning rates of FT and
LP-FT chosen on id_val. Images: bench/images.py says where they are read from. `--quick` runs all of it on tiny subsets and writes no figures.

Images, epochs, network and first grids were fixed before any OOD figure was seen. After the first table, in which both methods had chosen the
largest of four learning rates, one larger value was added to each grid, and the row of FT with frozen statistics; nothing else was changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from bench import images
from bench.images import Wanted
from repro.outcomes.store import Store
from repro.paths import Places
from repro.types import Result

CIFAR_PER_CLASS = 600  # the first of each class in the pack; 60/20/20 into train, validation and test
OOD_PER_CLASS = 600  # the first of each subclass in the pack, as many of each
BACKBONE = "timm:test_resnet"  # timm's smallest ResNet: 0.4 million weights, 96 features
COMMON = ("image_size=64", "resize=squash")  # 32 px enlarged, since the stem alone divides by 4
PRETRAINING = (
    *("epochs=20", "judge_every=20", "batch_size=128", "lr=0.1", "nesterov=true", "weight_decay=5e-4", "schedule=cosine_step"),
    *("warmup_steps=100", "augment=shift_flip", "shift=8", "precision=bf16", "keep_weights=last"),
)
# as the paper: batches of 64, no augmentation, LP-FT's learning rates a tenth of FT's and its BatchNorm statistics frozen
TRAINING = ("epochs=5", "judge_every=5", "augment=none", "precision=bf16", "keep_weights=none")
GRIDS = {"ft": "3e-3,1e-2,3e-2,1e-1,3e-1", "lp-ft": "3e-4,1e-3,3e-3,1e-2,3e-2"}


def lay_out(source: Path, root: Path) -> None:
    """<root>/pretraining/{tiny_train,tiny_val}/<wnid>/ and <root>/cifar7/{cifar10,tiny_imagenet}/<class>/; numbers and copies are checked."""
    splits = json.loads((source / "tiny_imagenet32" / "splits.json").read_text())
    seven: dict[str, list[str]] = splits["cifar7"]
    others = sorted(set(splits["wnids"]) - {wnid for wnids in seven.values() for wnid in wnids})
    train, val = (source / "tiny_imagenet32" / f"tiny32_{part}.npz" for part in ("train", "val"))
    before, after = root / "pretraining", root / "cifar7"
    for domain, pack in (("tiny_train", train), ("tiny_val", val)):
        images.lay_out(pack, {wnid: Wanted(before / domain / wnid) for wnid in others})
    images.lay_out(
        train,
        {wnid: Wanted(after / "tiny_imagenet" / name, OOD_PER_CLASS // len(wnids)) for name, wnids in seven.items() for wnid in wnids},
    )
    images.lay_out(
        source / "cifar10_jpeg" / "cifar10_train_a_3000perclass.npz",
        {name: Wanted(after / "cifar10" / name, CIFAR_PER_CLASS) for name in seven},
    )
    images.check_counts(
        {
            before / "tiny_train": 500 * len(others),
            before / "tiny_val": 50 * len(others),
            after / "cifar10": CIFAR_PER_CLASS * len(seven),
            after / "tiny_imagenet": OOD_PER_CLASS * len(seven),
        }
    )
    assert not contents(before) & contents(after), "an image of pretraining is trained or tested on"


def contents(root: Path) -> set[bytes]:
    return {hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*.jpg")}


def pretrain(root: Path, tiny: bool) -> Result:
    """One network from random weights; its own benchmark's OOD domain is Tiny-ImageNet's validation part, looked at by nobody."""
    where = ("folder", "--root", str(root), "--id", "tiny_train", "--ood", "tiny_val", "--method", "scratch", "--seeds", "1")
    (result,) = images.run([*where, "--backbone", BACKBONE, *images.settings(COMMON + PRETRAINING), *(["--tiny"] if tiny else [])])
    return result


def export(result: Result, path: Path) -> None:
    """The image tower of a finished run as timm names its tensors; the head stays behind."""
    from repro.nn.networks.weights import load_weights, save_weights

    folder = Store(Places.find().runs).folder(result.run)
    state = load_weights(folder / f"weights-{result.checkpoints[-1].name}.safetensors")
    tower = "backbone.visual."
    save_weights(path, {key.removeprefix(tower): tensor for key, tensor in state.items() if key.startswith(tower)})


def compare(root: Path, weights: Path, tiny: bool) -> list[Result]:
    """The three methods, and besides FT with LP-FT's frozen statistics and learning rates, so that only the head's start differs."""
    where = ("folder", "--root", str(root), "--id", "cifar10", "--ood", "tiny_imagenet", "--backbone", BACKBONE, "--weights", str(weights))
    seeds = ("--seeds", "1", "--tiny") if tiny else ("--seeds", "3")
    frozen = images.settings(COMMON, (*TRAINING, "batchnorm=eval"), {"ft": GRIDS["lp-ft"]})
    return [
        *images.run([*where, *seeds, "--method", "lp,ft,lp-ft", *images.settings(COMMON, TRAINING, GRIDS)]),
        *images.run([*where, *seeds, "--method", "ft", *frozen]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny subsets and one seed; writes no figures")
    tiny = parser.parse_args().quick
    root = Places.find().data / "cifar7"
    lay_out(images.shared_data("cifar10_jpeg", "tiny_imagenet32"), root)
    pretrained = pretrain(root / "pretraining", tiny)
    weights = root / f"backbone{'-tiny' if tiny else ''}.safetensors"
    export(pretrained, weights)
    results = compare(root / "cifar7", weights, tiny)
    if not tiny:
        reached = 100 * pretrained.checkpoints[-1].metrics["id_test"]["accuracy"]
        images.write(
            "cifar7",
            "CIFAR-10 → the same seven classes in Tiny-ImageNet",
            f"Pretraining reached {reached:.1f} % on held-out images of its {len(pretrained.run.benchmark.classes)} classes in "
            f"{pretrained.seconds['total'] / 60:.0f} minutes. CIFAR-10: {CIFAR_PER_CLASS} images of each class, cut 60/20/20; OOD: {OOD_PER_CLASS} "
            "of each. Not a table of any paper.",
            images.markdown(results),
        )


if __name__ == "__main__":
    main()
