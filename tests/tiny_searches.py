"""Searches on the digits benchmark's tiny subset, for tests."""

from __future__ import annotations

import tiny_digits
from tiny_digits import job_of

from repro.nn import trials
from repro.paths import Places
from repro.planning.plan import Plan

SETS = ("search_on=id_val", "head=zero_shot", "batch_size=20", "search_examples=40", "lr=1e-4", "search_lr_factor=10", "epochs=1")
ZEROS = {f"weight_{name}": 0.0 for name in ("dcm", "entropy", "flyp", "hinge", "l1init", "l1zero", "l2init", "l2zero")}
STILL = {**ZEROS, "seed": 2, "lr": 1e-3, "weight_decay": 0.0}  # cross-entropy alone


def planned(*sets: str, trials: int = 3, seeds: tuple[int, ...] = (0,)) -> Plan:
    return tiny_digits.plan("autoft", seeds=seeds, sets=(*SETS, f"trials={trials}", "inner_steps=2", *sets))


def bench_of(home: Places, *sets: str, seed: int = 0) -> trials.Bench:
    return trials.Bench(job_of(planned(*sets, seeds=(seed,)), "autoft-search", home), home.home)
