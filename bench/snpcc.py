"""Connect Later on light curves of the supernova challenge (SNPCC): spectroscopic → photometric, through `repro run light-curves`.

    python -m bench.snpcc

1,103 supernovae with a spectroscopic type and redshift are split 60/20/20, and the 60 % trained on; 4,000 of the 20,216 fainter ones
are the target: pretrained on without labels, and tested on. The claim of Qu and Xie 2024 is that pretraining on both, then LP-FT with
targeted augmentation (here redshifting), beats each of the two alone: `lp-ft` with redshifting, against `lp-ft` without and `scratch` with.
The light curves are SNANA's simulations, as those of the paper; the network is small, the budget a CPU's, and `lp` is a logistic
regression. Settings were fixed before any figure was seen, and not tuned; what is printed ends up in bench/snpcc.md, whatever it says. The
light curves are read from $REPRO_SHARED/data, or from ../shared/data beside the checkout.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench import images
from repro.paths import Places
from repro.reading.light_curves import LightCurve, write

BANDS = (4686.0, 6166.0, 7480.0, 8932.0)  # griz of DES, ångström: kboone/avocado@cd7809d avocado/instruments.py:22-25
CLASSES = ("Ia", "II", "Ibc")
TARGET = 4000  # of the photometric objects, drawn with seed 0
COUNTS = {"spectroscopic": 1103, "photometric": TARGET}
METHODS = ("scratch", "lp", "lp-ft")
TRAINING = ("optimizer=adamw", "schedule=linear", "weight_decay=0.01", "head_dropout=0.3", "batch_size=32", "judge_every=1000")
SETTINGS = {
    "mae-pretrain": ("steps=2000", "batch_size=32", "lr=1e-3", "schedule=linear", "weight_decay=0.01", "betas=0.9,0.95"),
    "scratch": (*TRAINING, "steps=500", "lr=1e-3"),
    "lp-ft": (*TRAINING, "steps=500", "lr=5e-4", "batchnorm=train"),  # whose "eval" would switch dropout off
}


def lay_out(path: Path, root: Path) -> None:
    """<root>/{spectroscopic,photometric}.jsonl; redshifts are the spectroscopic ones, which the target has not."""
    with np.load(path) as arrays:
        pack = {name: arrays[name] for name in arrays.files}
    root.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(pack["is_photometric"]))[:TARGET]
    for name, rows in (("spectroscopic", np.flatnonzero(pack["is_spectroscopic"])), ("photometric", np.sort(drawn))):
        if len(rows) != COUNTS[name]:
            raise SystemExit(f"{path} has {len(rows)} {name} light curves, not {COUNTS[name]}")
        write(root / f"{name}.jsonl", (_curve(pack, row, name == "spectroscopic") for row in rows))


def _curve(pack: dict[str, np.ndarray], row: int, spectroscopic: bool) -> LightCurve:
    own = slice(pack["offsets"][row], pack["offsets"][row + 1])
    columns = (pack["mjd"][own], np.array(BANDS)[pack["band"][own]], pack["flux"][own], pack["flux_err"][own])
    redshift = float(pack["z_spec"][row]) if spectroscopic else None
    return LightCurve(str(pack["snid"][row]), np.stack(columns, axis=1).astype(np.float64), CLASSES[pack["label3"][row]], redshift)


def arguments(root: Path, targeted: str) -> list[str]:
    where = ("light-curves", "--root", str(root), "--id", "spectroscopic", "--ood", "photometric", "--method", ",".join(METHODS))
    own = (f"{method}.{setting}" for method, settings in SETTINGS.items() for setting in settings)
    return [*where, "--seeds", "3", *(word for setting in (f"targeted={targeted}", *own) for word in ("--set", setting))]


def main() -> None:
    source = images.shared_data("snpcc_lightcurves") / "snpcc_lightcurves" / "snpcc.npz"
    root = Places.find().data / "snpcc"
    lay_out(source, root)
    results = [result for targeted in ("none", "redshift") for result in images.run(arguments(root, targeted))]
    note = f"{len(METHODS)} methods, each without and with redshifting; 3 seeds; {TARGET:,} of the 20,216 photometric objects; not a table of any paper."
    images.write("snpcc", "SNPCC: spectroscopic → photometric", note, images.markdown(results))


if __name__ == "__main__":
    main()
