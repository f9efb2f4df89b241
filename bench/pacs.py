"""Validation on real images: PACS photo → art_painting, cartoon with an ImageNet MobileNetV2, through `repro run folder`.

    python -m bench.pacs

LP, FT and LP-FT × 3 seeds; the learning rate of FT and LP-FT is chosen on id_val from a small grid. The images (research use only) and the
weights are not part of this project: they are read from $REPRO_SHARED/data, or from ../shared/data beside the checkout, as packs of JPEG
files and a safetensors file. Epochs and grids were fixed after a first, aborted round at twice the epochs (seven runs), in which FT at 3e-3 diverged
and whose OOD figures were seen. What is printed ends up in bench/pacs.md, whatever it says.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from repro import environment
from repro.paths import Places

HERE = Path(__file__).resolve().parent
DOMAINS = ("photo", "art_painting", "cartoon")
COUNTS = {"photo": 1670, "art_painting": 2048, "cartoon": 2344}  # as published
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
# The weights expect pixels in [-1, 1] and carry BatchNorm folded into the convolutions, so that it must stay in evaluation mode.
COMMON = ["mean=0.5,0.5,0.5", "std=0.5,0.5,0.5", "image_size=112"]
TRAINING = ["epochs=5", "judge_every=5", "batchnorm=eval", "batch_size=32"]
GRIDS = {"ft": "1e-4,3e-4,1e-3", "lp-ft": "3e-5,1e-4,3e-4"}


def shared_data() -> Path:
    root = Path(os.environ.get("REPRO_SHARED") or HERE.parent.parent / "shared") / "data"
    if not (root / "pacs").is_dir():
        sys.exit(f"no PACS packs below {root}: set REPRO_SHARED")
    return root


def lay_out(source: Path, root: Path) -> None:
    """<root>/<domain>/<class>/<number>.jpg with the packs' own JPEG bytes; counts are checked against the published ones."""
    for domain in DOMAINS:
        pack = np.load(source / f"pacs_{domain}_128px.npz")
        data, offsets, labels = pack["data"].tobytes(), pack["offsets"], pack["labels"]
        names = [str(name) for name in pack["classes"]] if "classes" in pack else list(CLASSES)
        assert len(labels) == COUNTS[domain], (domain, len(labels))
        for number, label in enumerate(labels):
            path = root / domain / names[label] / f"{number:04d}.jpg"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data[offsets[number] : offsets[number + 1]])


def command(root: Path, weights: Path) -> list[str]:
    settings = [
        *COMMON,
        *(f"{method}.{setting}" for method in GRIDS for setting in TRAINING),
        *(f"{method}.lr={grid}" for method, grid in GRIDS.items()),
    ]
    return [
        *(
            "run",
            "folder",
            "--root",
            str(root),
            "--id",
            "photo",
            "--ood",
            "art_painting,cartoon",
            "--method",
            "lp,ft,lp-ft",
            "--seeds",
            "3",
        ),
        *("--backbone", "timm:mobilenetv2_100,pad_type=same", "--weights", str(weights)),
        *(part for setting in settings for part in ("--set", setting)),
    ]


def main() -> None:
    source = shared_data()
    root = Places.find().data / "pacs"
    lay_out(source / "pacs", root)
    arguments = command(root, source / "pretrained_mobilenet" / "mobilenetv2_100_tf.safetensors")
    subprocess.run([sys.executable, "-m", "repro", *arguments], check=True)
    tables = json.loads(
        subprocess.run([sys.executable, "-m", "repro", *arguments, "--json"], check=True, capture_output=True, text=True).stdout
    )
    shown = subprocess.run(
        [sys.executable, "-m", "repro", "table", "folder", "--format", "markdown"], check=True, capture_output=True, text=True
    ).stdout
    machine = environment.describe()
    head = (
        f"# PACS: photo → art_painting, cartoon\n\n`python -m bench.pacs`, {datetime.date.today()}, {machine['processor']}, {os.cpu_count()} cores, "
        f"torch {machine['packages']['torch']}, commit {machine.get('commit', 'unknown')[:10]}. {len(tables[0]['rows'])} methods; 112 px; not a table of any paper.\n\n"
    )
    (HERE / "pacs.md").write_text(head + shown, encoding="utf-8")
    print(f"written: {HERE / 'pacs.md'}")


if __name__ == "__main__":
    main()
