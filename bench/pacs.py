"""Validation on real images: PACS photo → cartoon, beside it art_painting, with an ImageNet MobileNetV2, through `repro run folder`.

    python -m bench.pacs

Every method that a network without a text tower can run × 3 seeds. bench/images.py says where images and weights are read from. The
learning rates of FT and LP-FT are those that id_val chose on 2026-11-20 among 1e-4, 3e-4, 1e-3 and 3e-5, 1e-4, 3e-4 (whose OOD figures were
seen); those of the others were set beside them, before any of their figures was seen, and not tuned. Epochs were fixed after a first,
aborted round at twice as many, in which FT at 3e-3 diverged and whose OOD figures were seen.

AutoFT searches on art_painting, 20 images per class, from the probe's head: 40 trials of 10 steps cost, with their judging, about 460 steps
for each seed, its final training 210 with its own; the three rates that FT and LP-FT were tuned among cost three trainings, about 640. Its
settings were fixed before any of its figures was seen.
What is printed ends up in bench/pacs.md, whatever it says.
"""

from __future__ import annotations

from pathlib import Path

from bench import images
from bench.images import Wanted
from repro.paths import Places

DOMAINS = ("photo", "art_painting", "cartoon")
COUNTS = {"photo": 1670, "art_painting": 2048, "cartoon": 2344}  # as published
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
# The weights expect pixels in [-1, 1] and carry BatchNorm folded into the convolutions, so that it must stay in evaluation mode.
COMMON = ["mean=0.5,0.5,0.5", "std=0.5,0.5,0.5", "image_size=112"]
TRAINING = ["epochs=5", "judge_every=5", "batchnorm=eval", "batch_size=32"]
RATES = {"ft": "3e-4", "lp-ft": "1e-4", "l2-sp": "3e-4", "ft-head-lr": "1e-4", "bn-only": "3e-3", "lp-sgd": "1e-2"}
AUTOFT = ["head=probe", "lr=1e-4", "trials=40", "inner_steps=10", "search_examples=140"]
METHODS = ("lp", *RATES, "autoft", "wise-ft", "uniform-soup", "greedy-soup")
MIXED = ["wise-ft.base=lp-ft"]  # whose ends share a head; the soups are of FT, every seed


def lay_out(source: Path, root: Path) -> None:
    """<root>/<domain>/<class>/<number>.jpg; counts are checked against the published ones."""
    for domain in DOMAINS:
        images.lay_out(source / f"pacs_{domain}_128px.npz", {name: Wanted(root / domain / name) for name in CLASSES})
    images.check_counts({root / domain: count for domain, count in COUNTS.items()})


def arguments(root: Path, weights: Path) -> list[str]:
    where = (
        "folder",
        "--root",
        str(root),
        "--id",
        "photo",
        "--ood",
        "cartoon",
        "--ood-val",
        "art_painting",
        "--method",
        ",".join(METHODS),
        "--seeds",
        "3",
    )
    return [
        *where,
        "--backbone",
        "timm:mobilenetv2_100,pad_type=same",
        "--weights",
        str(weights),
        *images.settings([*COMMON, *MIXED, *(f"autoft.{setting}" for setting in (*TRAINING, *AUTOFT))], TRAINING, RATES),
    ]


def main() -> None:
    source = images.shared_data("pacs", "pretrained_mobilenet")
    root = Places.find().data / "pacs"
    lay_out(source / "pacs", root)
    results = images.run(arguments(root, source / "pretrained_mobilenet" / "mobilenetv2_100_tf.safetensors"))
    images.write(
        "pacs",
        "PACS: photo → cartoon",
        f"{len(METHODS)} methods; 112 px; not a table of any paper.",
        images.markdown(results),
    )


if __name__ == "__main__":
    main()
