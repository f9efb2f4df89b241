"""Connect Later on light curves of the supernova challenge (SNPCC): spectroscopic → photometric, through `repro run light-curves`.

    python -m bench.snpcc

1,103 supernovae with a spectroscopic type and redshift are trained on, split 60/20/20; 20,216 fainter ones are the target: pretrained on
without labels, and tested on. The claim of Qu and Xie 2024 is that pretraining on both, then fine-tuning with targeted augmentation
(here redshifting), beats each of the two alone. The light curves are SNANA's simulations, as those of the paper; the network is small,
the budget a CPU's. Settings were fixed before any figure of the target was seen; what is printed ends up in bench/snpcc.md, whatever it
says. The light curves are read from $REPRO_SHARED/data/snpcc_lightcurves, or from ../shared/data beside the checkout.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bench import images
from repro.outcomes.stats import t_interval
from repro.paths import Places
from repro.reading.light_curves import LightCurve, write
from repro.types import Result

BANDS = (4686.0, 6166.0, 7480.0, 8932.0)  # griz of DES, ångström: kboone/avocado@cd7809d avocado/instruments.py:22-25
CLASSES = ("Ia", "II", "Ibc")
COUNTS = {"spectroscopic": 1103, "photometric": 20216}
STEPS = {"mae-pretrain": 3000, "scratch": 1000, "lp-sgd": 300, "ft": 1000, "lp-ft": 1000}
BATCH = 64
RATES = {"mae-pretrain": "1e-3", "scratch": "5e-4", "lp-sgd": "1e-2", "ft": "5e-4", "lp-ft": "5e-4"}
ARMS = {  # row of the table: method, and what is set for it and for its probe
    "from scratch": ("scratch", "none"),
    "from scratch, redshifting": ("scratch", "redshift"),
    "pretrained, fine-tuned": ("ft", "none"),
    "pretrained, LP-FT": ("lp-ft", "none"),
    "pretrained, LP-FT, redshifting (Connect Later)": ("lp-ft", "redshift"),
}
